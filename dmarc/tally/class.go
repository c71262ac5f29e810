package tally

import "github.com/dmarc-suite/dmarc-suite/dmarc"

// Class sorts messages by how they authenticated.
type Class string

// The classes of messages. Those with an aligned pass come first.
const (
	ClassAlignedBoth     Class = "aligned_both"
	ClassDKIMOnly        Class = "dkim_only"
	ClassSPFOnly         Class = "spf_only"
	ClassForwarded       Class = "forwarded"               // not aligned, and the receiver saw a forwarder or mailing list
	ClassLocalOverride   Class = "local_override"          // not aligned, and the receiver applied a policy of its own
	ClassUnaligned       Class = "authenticated_unaligned" // some DKIM or SPF result passed, for another domain
	ClassUnauthenticated Class = "unauthenticated"         // nothing passed
)

// Classes returns every class, in the order of documentation.
func Classes() []Class {
	return []Class{
		ClassAlignedBoth, ClassDKIMOnly, ClassSPFOnly, ClassForwarded, ClassLocalOverride, ClassUnaligned, ClassUnauthenticated,
	}
}

// Aligned reports whether messages of the class passed DMARC.
func (c Class) Aligned() bool {
	return c == ClassAlignedBoth || c == ClassDKIMOnly || c == ClassSPFOnly
}

// ClassOf returns the class of the messages of a record.
func ClassOf(rec *dmarc.Record) Class {
	switch dkim, spf := rec.DKIM == dmarc.EvaluationPass, rec.SPF == dmarc.EvaluationPass; {
	case dkim && spf:
		return ClassAlignedBoth
	case dkim:
		return ClassDKIMOnly
	case spf:
		return ClassSPFOnly
	}
	for _, reason := range rec.Reasons {
		switch reason.Type {
		case "forwarded", "trusted_forwarder", "mailing_list":
			return ClassForwarded
		case "local_policy":
			return ClassLocalOverride
		}
	}
	for i := range rec.AuthDKIM {
		if rec.AuthDKIM[i].Result == dmarc.AuthResultPass {
			return ClassUnaligned
		}
	}
	for i := range rec.AuthSPF {
		if rec.AuthSPF[i].Result == dmarc.AuthResultPass {
			return ClassUnaligned
		}
	}
	return ClassUnauthenticated
}
