package tally

import (
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// futureSlack is how far in the future a report may end: clocks and time zones differ.
const futureSlack = 48 * time.Hour

// keptDays is how many days of day buckets are kept: the longest window, today, and the future that is accepted.
const keptDays = 40

// maxSpread bounds the days that one report is spread over.
const maxSpread = 40

// seen is what the file knows about keys, together with what this transaction adds.
type seen interface {
	get(bucket string, k key) []byte
	put(bucket string, k key, value []byte) error
}

// count decides about one entry and adds it to the delta.
func (t *Tally) count(d *delta, keys seen, e *Entry, auth string) (Result, error) {
	result, err := t.decide(d.now, keys, e)
	if err != nil {
		return result, err
	}
	reporter := t.reporterLabel(d, e.Org)
	d.add(1, Reports, string(e.Kind), reporter, string(result.Outcome))
	if auth != "" {
		d.add(1, Authenticated, auth)
	}
	for _, w := range e.Warnings {
		d.add(1, Warnings, string(w.Code))
	}
	if !result.Counted {
		return result, nil
	}
	switch e.Kind {
	case unpack.KindTLS:
		t.countTLS(d, e)
	case unpack.KindFailure:
		kind := string(e.AuthFailure)
		if kind == "" {
			kind = Other
		}
		d.add(e.Messages, Failures, t.domainLabel(d, e.Domain, e.Domain), kind)
	default:
		d.add(e.Messages, ReporterMessages, reporter)
		t.countGroups(d, e)
	}
	return result, nil
}

// decide finds the outcome of an entry and records its identity.
func (t *Tally) decide(now time.Time, keys seen, e *Entry) (Result, error) {
	when := e.End
	if when.IsZero() {
		when = now // a failure report without dates is as old as its arrival
	}
	switch {
	case when.Before(now.Add(-t.config.Horizon)):
		return Result{Outcome: OutcomeTooOld}, nil
	case when.After(now.Add(futureSlack)):
		return Result{Outcome: OutcomeFuture}, nil
	}
	id := e.identityKey()
	if have := keys.get(bucketKeys, id); have != nil {
		if string(have) == string(e.Digest[:]) {
			return Result{Outcome: OutcomeDuplicate}, nil
		}
		return Result{Outcome: OutcomeConflict, Counted: t.config.CountConflicts}, nil
	}
	result := Result{Outcome: OutcomeCounted, Counted: true}
	twin := e.twinKey()
	if e.Records > 0 && keys.get(bucketTwins, twin) != nil {
		result = Result{Outcome: OutcomeTwin, Counted: !t.config.SkipTwins}
	}
	if err := keys.put(bucketKeys, id, e.Digest[:]); err != nil {
		return result, err
	}
	return result, keys.put(bucketTwins, twin, []byte{1})
}

// countGroups adds the messages of an aggregate report.
func (t *Tally) countGroups(d *delta, e *Entry) {
	label := t.domainLabel(d, e.Domain, e.Domain)
	for g, n := range e.Groups {
		domain := t.domainLabel(d, g.Domain, e.Domain)
		d.add(n, Messages, domain, g.Disposition, verdict(g.DKIM), verdict(g.SPF))
		d.add(n, ClassMessages, domain, string(g.Class))
		t.spread(d, e, domain, g.Class, n)
	}
	info, ok := d.domain(label)
	if !ok {
		return // Other or Foreign
	}
	if end := earlier(e.End, d.now); !end.Before(info.LastEnd) {
		info.LastEnd, info.Policy, info.Seen = end, e.Policy, true
		d.domains[label] = info
	}
}

// spread adds messages to day buckets by the end of the period, evenly over
// its days when it is longer than a day.
func (t *Tally) spread(d *delta, e *Entry, domain string, class Class, n int64) {
	// A period that ends with a day ends a second before the next one begins,
	// or exactly there.
	last := dayOf(e.End.Add(-time.Second))
	days := int64(1)
	if span := e.End.Sub(e.Begin); span > 25*time.Hour {
		days = min(int64(last)-int64(dayOf(e.Begin))+1, maxSpread)
	}
	today := int64(dayOf(d.now))
	for i := range days {
		day := int64(last) - i
		if day < today-keptDays || day < 0 {
			continue
		}
		share := n / days
		if i < n%days {
			share++
		}
		if share > 0 {
			d.days[dayKey{uint32(day), domain, class}] += share
		}
	}
}

// countTLS adds the sessions of a TLS report.
func (t *Tally) countTLS(d *delta, e *Entry) {
	for i := range e.TLS {
		s := &e.TLS[i]
		domain := t.domainLabel(d, s.Domain, e.Domain)
		policy := string(s.Policy)
		if policy == "" {
			policy = Other
		}
		d.add(s.Successful, TLSSessions, domain, policy, "successful")
		d.add(s.Failed, TLSSessions, domain, policy, "failed")
		for kind, n := range s.Failures {
			if kind == "" {
				kind = Other
			}
			d.add(n, TLSFailures, domain, string(kind))
		}
	}
}

// refuse counts a refused input.
func (d *delta) refuse(reason dmarc.Reason) {
	d.add(1, Refusals, string(reason))
	d.add(1, Reports, "unknown", Other, string(OutcomeInvalid))
}

func verdict(pass bool) string {
	if pass {
		return "pass"
	}
	return "fail"
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
