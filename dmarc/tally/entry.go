package tally

import (
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Other is the label value of what has no series of its own.
const Other = "other"

// Foreign is the domain label of reports about domains that are not ours.
const Foreign = "foreign"

// Absent is the disposition label of a missing or foreign disposition.
const Absent = "-"

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

// Identity says which report a report is. Report ids are unique only among the
// reports to one domain (RFC 9990, section 3.5.1), and not even there between
// reporters that never changed a default.
type Identity struct {
	Kind     unpack.Kind
	Org      string
	Email    string
	Domain   string
	ReportID string
	// Begin and End are UTC, and zero for a failure report without dates.
	Begin, End time.Time
}

// Group is what the messages of one record have in common.
type Group struct {
	// Domain is the From domain of the messages.
	Domain string
	// Disposition is a name of RFC 9990 or Absent.
	Disposition string
	DKIM, SPF   bool // the aligned verdicts
	Class       Class
}

// Sessions is a group of TLS sessions.
type Sessions struct {
	Domain             string
	Policy             tlsrpt.PolicyType
	Successful, Failed int64
	// Failures counts failed sessions by result type, as far as details say.
	Failures map[tlsrpt.ResultType]int64
}

// Entry is one report as it is counted: its identity and its sums.
type Entry struct {
	Identity
	// Digest is of the content that is counted. Two entries with the same
	// identity and other digests contradict each other.
	Digest [8]byte
	// Records counts record elements; for TLS reports policies, for a failure
	// report it is 1.
	Records int64
	// Messages is the sum of counts; TLS sessions; incidents.
	Messages int64
	// PassMessages are those with an aligned pass; successful sessions; 0.
	PassMessages int64
	// Dispositions are messages by disposition, Absent included; empty but for
	// aggregate reports.
	Dispositions map[string]int64
	// Groups are messages by what decides their labels, at most maxGroups of
	// them; those beyond have the domain Other.
	Groups map[Group]int64
	// Policy is the published policy of an aggregate report.
	Policy dmarc.Policy
	// TLS are the sessions of a TLS report by policy.
	TLS []Sessions
	// AuthFailure is what a failure report is about.
	AuthFailure failure.AuthFailure
	// Warnings are those of the containers and of the report.
	Warnings        []dmarc.Warning
	WarningsDropped int
}

// maxGroups bounds the groups of one entry: a hostile report may name a
// million domains.
const maxGroups = 2000

// add adds the messages of a record.
func (e *Entry) add(rec *dmarc.Record) {
	g := Group{
		Domain: rec.HeaderFrom, Disposition: string(rec.Disposition),
		DKIM: rec.DKIM == dmarc.EvaluationPass, SPF: rec.SPF == dmarc.EvaluationPass, Class: classOf(rec),
	}
	if g.Disposition == "" {
		g.Disposition = Absent
	}
	e.Records++
	e.Messages += rec.Count
	if rec.Aligned() {
		e.PassMessages += rec.Count
	}
	e.Dispositions[g.Disposition] += rec.Count
	if _, ok := e.Groups[g]; !ok && len(e.Groups) >= maxGroups {
		g.Domain = Other
	}
	e.Groups[g] += rec.Count
}

// classOf returns the class of the messages of a record.
func classOf(rec *dmarc.Record) Class {
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
