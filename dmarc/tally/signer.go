package tally

import "github.com/dmarc-suite/dmarc-suite/dmarc"

// Signer is who authenticated messages of a From domain: the domains of the
// first DKIM and the first SPF result of a record, empty when there is none.
type Signer struct{ From, DKIM, SPF string }

// SignerSums are numbers of messages, in the order of SignerKinds.
type SignerSums [8]int64

// SignerKinds returns what SignerSums count: the last label of SignerMessages.
func SignerKinds() []string {
	return []string{"total", "compliant", "quarantine", "reject", "spf_aligned", "spf_pass", "dkim_aligned", "dkim_pass"}
}

// AddSigners adds the messages of a record to Signers.
func (e *Entry) AddSigners(rec *dmarc.Record) {
	s := Signer{From: rec.HeaderFrom}
	dkimPass, spfPass := false, false
	for i := range rec.AuthDKIM {
		if i == 0 {
			s.DKIM = rec.AuthDKIM[i].Domain
		}
		dkimPass = dkimPass || rec.AuthDKIM[i].Result == dmarc.AuthResultPass
	}
	for i := range rec.AuthSPF {
		if i == 0 {
			s.SPF = rec.AuthSPF[i].Domain
		}
		spfPass = spfPass || rec.AuthSPF[i].Result == dmarc.AuthResultPass
	}
	if e.Signers == nil {
		e.Signers = map[Signer]SignerSums{}
	}
	if _, ok := e.Signers[s]; !ok && len(e.Signers) >= maxGroups {
		s = Signer{Other, Other, Other}
	}
	sums := e.Signers[s]
	for i, counts := range [len(sums)]bool{
		true,
		rec.Aligned(),
		rec.Disposition == dmarc.DispositionQuarantine,
		rec.Disposition == dmarc.DispositionReject,
		rec.SPF == dmarc.EvaluationPass,
		spfPass,
		rec.DKIM == dmarc.EvaluationPass,
		dkimPass,
	} {
		if counts {
			sums[i] = Add(sums[i], rec.Count)
		}
	}
	e.Signers[s] = sums
}

// signers adds the messages of an entry by who authenticated them. All sums of
// a signer are under the same labels: a ratio of two of them is always right.
func (d *Delta) signers(e *Entry, reporter string) {
	if !d.t.config.Signers {
		return
	}
	kinds := SignerKinds()
	for s, sums := range e.Signers {
		labels := []string{reporter, d.domainLabel(s.From, e.Domain), signerLabel(s.DKIM), signerLabel(s.SPF), kinds[0]}
		part := share{d.t.mine[labels[1]], poolSigner}
		if free := d.t.budget[part] - d.used[part]; free < len(kinds) && !d.sums.find(SignerMessages, labels...) {
			d.overflow(part)
			labels = fold(SignerMessages, labels)
		}
		for i, kind := range kinds {
			labels[4] = kind
			d.add(sums[i], SignerMessages, labels...)
		}
	}
}

// signerLabel returns the label of a domain that a signature or an envelope names.
func signerLabel(domain string) string {
	if domain != "" && !isDomain(domain) {
		return Other
	}
	return domain
}
