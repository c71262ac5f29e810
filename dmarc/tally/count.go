package tally

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// futureSlack is how far in the future a report may end: clocks and time zones differ.
const futureSlack = 48 * time.Hour

// deliver adds a delivery to the transaction and returns what became of its entries.
func (t *Tally) deliver(tx *bolt.Tx, d *delta, delivery *Delivery) ([]Result, error) {
	results := make([]Result, 0, len(delivery.Entries))
	for _, e := range delivery.Entries {
		result, err := t.entry(tx, d, e)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
		t.authenticated(d, delivery.Auth)
	}
	for _, reason := range delivery.Refused {
		t.add(d, 1, Refusals, string(reason))
		t.add(d, 1, Reports, Unknown, Unknown, string(OutcomeInvalid))
		t.authenticated(d, delivery.Auth)
	}
	if delivery.Source != "" {
		d.sources.set(delivery.Source, d.now)
	}
	return results, note(tx, delivery)
}

func (t *Tally) authenticated(d *delta, auth string) {
	if auth != "" {
		t.add(d, 1, Authenticated, oneOf(auth, []string{"pass", "fail", "none"}))
	}
}

// entry decides about one entry and counts it.
func (t *Tally) entry(tx *bolt.Tx, d *delta, e *Entry) (Result, error) {
	result, err := t.decide(tx, d, e)
	if err != nil {
		return Result{}, err
	}
	reporter := t.reporterLabel(d, e.Org)
	t.add(d, 1, Reports, string(e.Kind), reporter, string(result.Outcome))
	if !result.Counted {
		return result, nil
	}
	for _, code := range e.WarningCodes() {
		t.add(d, 1, Warnings, t.vocabulary.code(code))
	}
	t.delay(d, e.End)
	switch e.Kind {
	case unpack.KindTLS:
		t.sessions(d, e)
	case unpack.KindFailure:
		t.add(d, e.Messages, Failures, t.domainLabel(d, e.Domain, e.Domain), oneOf(e.AuthFailure, failure.AuthFailures()))
	default:
		t.add(d, e.Messages, ReporterMessages, reporter)
		t.messages(d, e)
		t.signers(d, e, reporter)
		t.domain(d, e)
	}
	return result, nil
}

// decide finds the outcome of an entry and records its identity.
func (t *Tally) decide(tx *bolt.Tx, d *delta, e *Entry) (Result, error) {
	if outcome := t.untimely(d.now, d.totals.expired, e); outcome != "" {
		return Result{Outcome: outcome}, nil
	}
	keys := tx.Bucket(bucketKeys)
	if err := t.verify(keys, d, dayOf(e.End)); err != nil {
		return Result{}, err
	}
	result, known := t.recognise(keys, e)
	switch {
	case known == nil:
		return result, d.putKey(keys, e.key(), e.Digest[:])
	case result.Counted:
		// Its content is remembered beside the first, or a third delivery would count it again.
		return result, d.putKey(keys, e.key(), append(slices.Clone(known), e.Digest[:]...))
	}
	return result, nil
}

// untimely returns the outcome of an entry that its date decides, or nothing.
func (t *Tally) untimely(now time.Time, expired int64, e *Entry) Outcome {
	switch {
	case e.End.Before(now.Add(-t.config.Horizon)), int64(dayOf(e.End)) <= expired, e.End.IsZero():
		return OutcomeTooOld
	case e.End.After(now.Add(futureSlack)):
		return OutcomeFuture
	}
	return ""
}

// recognise returns the outcome of an entry and the digests under its identity, nil if it is new.
func (t *Tally) recognise(keys *bolt.Bucket, e *Entry) (Result, []byte) {
	k := e.key()
	known := keys.Get(k[:])
	if known == nil {
		if hasTwin(keys, k, e) {
			return Result{Outcome: OutcomeTwin, Counted: !t.config.SkipTwins}, nil
		}
		return Result{Outcome: OutcomeCounted, Counted: true}, nil
	}
	for digest := range slices.Chunk(known, len(e.Digest)) {
		if bytes.Equal(digest, e.Digest[:]) {
			return Result{Outcome: OutcomeDuplicate}, known
		}
	}
	room := len(known) < maxVersions*len(e.Digest)
	return Result{Outcome: OutcomeConflict, Counted: t.config.CountConflicts && room}, known
}

// Peek returns what Commit would answer for an entry now, and changes nothing.
func (t *Tally) Peek(e *Entry) (result Result, err error) {
	t.mu.RLock()
	expired := t.state.totals.expired
	t.mu.RUnlock()
	if outcome := t.untimely(t.config.Now().UTC(), expired, e); outcome != "" {
		return Result{Outcome: outcome}, nil
	}
	err = t.view(func(tx *bolt.Tx) error {
		result, _ = t.recognise(tx.Bucket(bucketKeys), e)
		return nil
	})
	return result, err
}

// maxVersions bounds the contents that are counted under one identity.
const maxVersions = 8

// maxTwins bounds the search for a twin among reports of the same reporter,
// domain and period.
const maxTwins = 50

// hasTwin looks for the same records under another identity, which its keys
// keep close together. Failure reports have no twins: two failures of one
// second are two.
func hasTwin(keys *bolt.Bucket, k key, e *Entry) bool {
	if e.Kind == unpack.KindFailure {
		return false
	}
	prefix := k[:daySize+twinSize]
	c := keys.Cursor()
	n := 0
	for have, v := c.Seek(prefix); have != nil && n < maxTwins && bytes.HasPrefix(have, prefix); have, v = c.Next() {
		if len(v) >= len(e.Digest) && bytes.Equal(v[:len(e.Digest)], e.Digest[:]) {
			return true
		}
		n++
	}
	return false
}

// messages adds the messages of an aggregate report.
func (t *Tally) messages(d *delta, e *Entry) {
	for g, n := range e.Groups {
		domain := t.domainLabel(d, g.Domain, e.Domain)
		t.add(d, n, Messages, domain, disposition(g.Disposition), verdict(g.DKIM), verdict(g.SPF))
		domain = t.classes(d, domain)
		t.add(d, n, ClassMessages, domain, string(g.Class))
		d.spread(e.Begin, e.End, domain, g.Class, n)
		if g.Source != "" {
			t.add(d, n, SourceMessages, domain, t.source(d, domain, g.Source), strconv.FormatBool(g.Class.Aligned()))
		}
	}
}

// source makes both sides of a source begin together, so that a ratio never
// misses one, and returns the source that they are counted under.
func (t *Tally) source(d *delta, domain, source string) string {
	label := t.sourceLabel(d, source)
	if stands(label) {
		return label
	}
	sides := [...]string{"true", "false"}
	if _, ok := d.sums.get(keyOf(SourceMessages, domain, label, sides[0])); ok {
		return label
	}
	if d.used[poolSource]+len(sides) > t.budget[poolSource] {
		d.increase(keyOf(Overflow, poolSource.label()), 1)
		return Other
	}
	for _, side := range sides {
		t.add(d, 0, SourceMessages, domain, label, side)
	}
	return label
}

// classes makes the classes of a domain begin together, so that a ratio never
// misses a side, and returns the domain that they are counted under.
func (t *Tally) classes(d *delta, domain string) string {
	all := Classes()
	if _, ok := d.sums.get(keyOf(ClassMessages, domain, string(all[0]))); ok {
		return domain
	}
	if t.dynamic(domain) > 0 && d.used[poolDomain]+classCost > t.budget[poolDomain] {
		d.increase(keyOf(Overflow, poolDomain.label()), 1)
		return t.classes(d, Other)
	}
	for _, class := range all {
		t.add(d, 0, ClassMessages, domain, string(class))
	}
	return domain
}

// disposition returns the label of a disposition.
func disposition(s string) string {
	switch s {
	case "none", "pass", "quarantine", "reject":
		return s
	}
	return Absent
}

func verdict(pass bool) string {
	if pass {
		return "pass"
	}
	return "fail"
}

// domain notes the period and the policy of an aggregate report.
func (t *Tally) domain(d *delta, e *Entry) {
	label := t.domainLabel(d, e.Domain, e.Domain)
	if stands(label) {
		return
	}
	end := e.End
	if end.After(d.now) {
		end = d.now // a date in the future must not silence alerts until then
	}
	info, _ := d.domains.get(label)
	if end.Before(info.LastEnd) {
		return
	}
	info.LastEnd = end
	if label == e.Domain {
		policy := e.Policy
		info.Policy = &policy
	}
	d.domains.set(label, info)
}

// sessions adds the sessions of a TLS report.
func (t *Tally) sessions(d *delta, e *Entry) {
	for i := range e.TLS {
		s := &e.TLS[i]
		domain := t.domainLabel(d, s.Domain, s.Domain)
		policy := oneOf(s.Policy, tlsrpt.PolicyTypes())
		t.add(d, s.Successful, TLSSessions, domain, policy, "successful")
		t.add(d, s.Failed, TLSSessions, domain, policy, "failed")
		for kind, n := range s.Failures {
			t.add(d, n, TLSFailures, domain, oneOf(kind, tlsrpt.ResultTypes()))
		}
	}
}

// delaySum is the label of the sum of delays.
const delaySum = "sum"

// DelayBounds returns the upper bounds of the buckets of Snapshot.Delay, in seconds.
func DelayBounds() []float64 {
	const hour = 3600
	return []float64{1 * hour, 3 * hour, 6 * hour, 12 * hour, 24 * hour, 48 * hour, 96 * hour, 7 * 24 * hour, 30 * 24 * hour}
}

// delay adds the time between the end of a report and now.
func (t *Tally) delay(d *delta, end time.Time) {
	seconds := max(d.now.Sub(end).Seconds(), 0)
	label := "+Inf"
	for _, bound := range DelayBounds() {
		if seconds <= bound {
			label = formatBound(bound)
			break
		}
	}
	t.add(d, 1, delayFamily, label)
	t.add(d, int64(seconds), delayFamily, delaySum)
}

func formatBound(seconds float64) string { return strconv.FormatFloat(seconds, 'f', -1, 64) }
