package tally

import (
	"slices"
	"strconv"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// futureSlack is how far in the future a report may end: clocks and time zones differ.
const futureSlack = 48 * time.Hour

// Count adds an entry and returns what became of it. The Delta must know the
// identities that it may be recognised by.
func (d *Delta) Count(e *Entry) Result {
	d.entry, d.tenant = e, d.t.tenantOf(e.Domain)
	result, confirmed := d.decide(e)
	reporter := d.reporterLabel(e.Org, e.Email)
	d.add(1, Reports, d.ofReporter(reporter, string(e.Kind), reporter, string(result.Outcome))...)
	if confirmed && e.Kind == unpack.KindAggregate {
		d.confirm(e, reporter)
	}
	if !result.Counted {
		return result
	}
	for _, code := range e.WarningCodes() {
		d.add(1, Warnings, d.t.vocabulary.code(code))
	}
	d.delay(e.End)
	switch e.Kind {
	case unpack.KindTLS:
		d.sessions(e)
	case unpack.KindFailure:
		d.add(e.Messages, Failures, d.domainLabel(e.Domain, e.Domain), oneOf(e.AuthFailure, failure.AuthFailures()))
	default:
		d.add(e.Messages, ReporterMessages, d.ofReporter(reporter, reporter)...)
		d.reporterEnd(e.End, reporter)
		if e.Authentic {
			d.add(e.Messages, AuthenticReporterMessages, d.ofReporter(reporter, reporter)...)
		}
		d.messages(e)
		d.signers(e, reporter)
		d.domain(e)
	}
	return result
}

// Refuse counts an input, or a part of one, that was refused.
func (d *Delta) Refuse(reason dmarc.Reason) {
	d.add(1, Refusals, string(reason))
	d.add(1, Reports, Unknown, Unknown, string(OutcomeInvalid))
}

// Authenticate counts the outcome of authenticating the mail that carried a
// report or a refused input, one of Auths.
func (d *Delta) Authenticate(auth string) { d.add(1, Authenticated, oneOf(auth, Auths())) }

// Deliver notes that a delivery of a source is committed.
func (d *Delta) Deliver(source string) { d.sources.set(source, d.now.Truncate(time.Millisecond)) }

// BeginSeries begins the series that exist from the start, as far as they do not,
// and those of tenants that SetDomains is about to be given.
func (d *Delta) BeginSeries(more ...Tenant) {
	for n := range d.names.base { // those that an earlier version admitted
		d.know(n, d.evidence(n))
	}
	d.dropTenants()
	for _, k := range fixedSeries(append(slices.Clone(d.t.config.Tenants), more...)) {
		if _, ok := d.sums.base[k]; !ok {
			f, labels := k.Split()
			d.increase(0, f, labels...)
		}
	}
}

// untimely returns the outcome of an entry that its date decides, or nothing.
func (d *Delta) untimely(e *Entry) Outcome {
	switch {
	case e.End.Before(d.now.Add(-d.t.config.Horizon)), int64(DayOf(e.End)) <= d.expired, e.End.IsZero():
		return OutcomeTooOld
	case e.Early(d.now):
		return OutcomeFuture
	}
	return ""
}

// Early reports whether an entry ends in the future: OutcomeFuture.
func (e *Entry) Early(now time.Time) bool { return e.End.After(now.Add(futureSlack)) }

// messages adds the messages of an aggregate report.
func (d *Delta) messages(e *Entry) {
	for g, n := range e.Groups {
		domain := d.domainLabel(g.Domain, e.Domain)
		d.add(n, Messages, domain, disposition(g.Disposition), verdict(g.DKIM), verdict(g.SPF))
		domain = d.classes(domain)
		d.add(n, ClassMessages, domain, string(g.Class))
		d.vouch(e, domain, g.Class, n)
		d.spread(e.Begin, e.End, domain, g.Class, n)
		if g.Source != "" {
			d.add(n, SourceMessages, domain, d.source(domain, g.Source), strconv.FormatBool(g.Class.Aligned()))
		}
	}
}

// source makes both sides of a source begin together, so that a ratio never
// misses one, and returns the source that they are counted under.
func (d *Delta) source(domain, source string) string {
	sides := [...]string{"true", "false"}
	if known := clean(source); d.t.mine[domain] != "" && d.sums.find(SourceMessages, domain, known, sides[0]) {
		return known // maybe of a time when the domain was another tenant's
	}
	label := d.sourceLabel(domain, source)
	if stands(label) {
		return label
	}
	if d.sums.find(SourceMessages, domain, label, sides[0]) {
		return label
	}
	if part := (share{d.t.mine[domain], poolSource}); d.used[part]+len(sides) > d.t.budget[part] {
		d.overflow(part)
		return Other
	}
	for _, side := range sides {
		d.add(0, SourceMessages, domain, label, side)
	}
	return label
}

// classes makes the classes of a domain begin together, so that a ratio never
// misses a side, and returns the domain that they are counted under.
func (d *Delta) classes(domain string) string {
	all := Classes()
	if d.sums.find(ClassMessages, domain, string(all[0])) {
		return domain
	}
	if part := (share{"", poolDomain}); d.t.dynamic(domain) > 0 && d.used[part]+classCost > d.t.budget[part] {
		d.overflow(part)
		return d.classes(Other)
	}
	for _, class := range all {
		d.add(0, ClassMessages, domain, string(class))
	}
	return domain
}

// vouch adds messages of an authentic report to those that are known to be.
func (d *Delta) vouch(e *Entry, domain string, class Class, n int64) {
	if e.Authentic && domain != Foreign && domain != Unknown {
		d.add(n, AuthenticMessages, d.authentic(domain), string(class))
	}
}

// confirm makes a report authentic that somebody else has sent before it came
// from its reporter. Its messages are counted already.
func (d *Delta) confirm(e *Entry, reporter string) {
	d.add(e.Messages, AuthenticReporterMessages, d.ofReporter(reporter, reporter)...)
	for g, n := range e.Groups {
		d.vouch(e, d.classes(d.domainLabel(g.Domain, e.Domain)), g.Class, n)
	}
	d.domain(e)
}

// authentic makes the classes of authentic reports begin together, and returns
// the domain that they are counted under.
func (d *Delta) authentic(domain string) string {
	all := Classes()
	if d.sums.find(AuthenticMessages, domain, string(all[0])) {
		return domain
	}
	if part := (share{"", poolDomain}); d.t.dynamic(domain) > 0 && d.used[part]+len(all) > d.t.budget[part] {
		d.overflow(part)
		return d.authentic(Other)
	}
	for _, class := range all {
		d.add(0, AuthenticMessages, domain, string(class))
	}
	return domain
}

// forgotten is for how many days after an authentic report about a domain other
// reports say nothing about its policy.
const forgotten = 14

// decides reports whether an entry may say what is published for a domain, and
// whether it outweighs whatever was said before: while authentic reports come,
// only these may.
func (d *Delta) decides(e *Entry, label string) (may, outweighs bool) {
	d.sums.find(authenticFamily, label)
	last, today := Day(d.sums.value()), DayOf(d.now)
	current := last > 0 && last+forgotten >= today && last <= today+1
	if e.Authentic && last != today {
		d.sums.set(int64(today), d.now)
	}
	return e.Authentic || !current, e.Authentic && !current
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
func (d *Delta) domain(e *Entry) {
	label := d.domainLabel(e.Domain, e.Domain)
	if stands(label) {
		return
	}
	end := e.End
	if end.After(d.now) {
		end = d.now.Truncate(time.Millisecond) // a date in the future must not silence alerts until then
	}
	may, outweighs := d.decides(e, label)
	if !may {
		return
	}
	info, _ := d.domains.get(label)
	if !outweighs && end.Before(info.lastEnd) && credible(info.lastEnd, d.now) {
		return
	}
	info.lastEnd = end
	if label == e.Domain {
		policy := e.Policy
		info.policy = &policy
	}
	d.domains.set(label, info)
}

// reporterEnd notes when the period of a report ended, for one reporter alone.
func (d *Delta) reporterEnd(end time.Time, reporter string) {
	if stands(reporter) {
		return
	}
	if end.After(d.now) {
		end = d.now // as for domains
	}
	labels := d.ofReporter(reporter, reporter)
	if !d.sums.find(reporterEndFamily, labels...) {
		p, cost := d.t.cost(reporterEndFamily, labels)
		if d.used[p]+cost > d.t.budget[p] {
			d.overflow(p)
			return
		}
		d.used.spend(p, cost)
	}
	if last := time.Unix(d.sums.value(), 0); end.After(last) || !credible(last, d.now) {
		d.sums.set(end.Unix(), d.now)
	}
}

// credible reports whether the end of a period is one that was noted by this
// clock: one that was far ahead for a while must not silence alerts until then.
func credible(end, now time.Time) bool { return !end.After(now.Add(futureSlack)) }

// sessions adds the sessions of a TLS report.
func (d *Delta) sessions(e *Entry) {
	for i := range e.TLS {
		s := &e.TLS[i]
		domain := d.domainLabel(s.Domain, s.Domain)
		policy := oneOf(s.Policy, tlsrpt.PolicyTypes())
		d.add(s.Successful, TLSSessions, domain, policy, "successful")
		d.add(s.Failed, TLSSessions, domain, policy, "failed")
		for kind, n := range s.Failures {
			d.add(n, TLSFailures, domain, oneOf(kind, tlsrpt.ResultTypes()))
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
func (d *Delta) delay(end time.Time) {
	seconds := max(d.now.Sub(end).Seconds(), 0)
	label := "+Inf"
	for _, bound := range DelayBounds() {
		if seconds <= bound {
			label = formatBound(bound)
			break
		}
	}
	d.add(1, delayFamily, label)
	d.add(int64(seconds), delayFamily, delaySum)
}

func formatBound(seconds float64) string { return strconv.FormatFloat(seconds, 'f', -1, 64) }
