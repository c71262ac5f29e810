package tally

import (
	"maps"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Family names a group of sums with the same labels.
type Family string

// The families of sums and their labels.
const (
	Messages         Family = "messages"          // domain, disposition, dkim, spf
	ClassMessages    Family = "class_messages"    // domain, class
	ReporterMessages Family = "reporter_messages" // reporter
	Reports          Family = "reports"           // kind, reporter, outcome
	Refusals         Family = "refusals"          // reason
	Warnings         Family = "warnings"          // code
	TLSSessions      Family = "tls_sessions"      // domain, policy type, result (successful or failed)
	TLSFailures      Family = "tls_failures"      // domain, result type
	Failures         Family = "failures"          // domain, auth failure
	Authenticated    Family = "authenticated"     // auth
	Overflow         Family = "overflow"          // label (domain or reporter)
)

// Series is one committed sum.
type Series struct {
	Labels []string
	Value  int64
	// Created is when the series began at 0.
	Created time.Time
}

// sum is the value of a series in memory and in the file.
type sum struct {
	value   int64
	created int64 // Unix seconds
}

// seriesKey is a family and its label values, separated by NUL.
type seriesKey string

func keyOf(f Family, labels ...string) seriesKey {
	return seriesKey(string(f) + "\x00" + strings.Join(labels, "\x00"))
}

func (k seriesKey) split() (Family, []string) {
	family, rest, _ := strings.Cut(string(k), "\x00")
	return Family(family), strings.Split(rest, "\x00")
}

// dayKey is a complete day of one domain and class.
type dayKey struct {
	day    uint32
	domain string
	class  Class
}

// domainInfo is what is known of a domain besides sums.
type domainInfo struct {
	// LastEnd is the latest end of a report's period, never in the future.
	LastEnd time.Time `json:"last_end"`
	// Policy is the one published at LastEnd.
	Policy dmarc.Policy `json:"policy"`
	// Seen is whether Policy was ever set.
	Seen bool `json:"seen"`
}

// state is everything committed, but for keys, marks and cursors, which stay in the file.
type state struct {
	sums      map[seriesKey]sum
	days      map[dayKey]int64
	domains   map[string]domainInfo // admitted domains
	reporters map[string]bool       // admitted reporters
}

func newState() *state {
	return &state{
		sums: map[seriesKey]sum{}, days: map[dayKey]int64{}, domains: map[string]domainInfo{}, reporters: map[string]bool{},
	}
}

// delta is what one transaction adds to a state. It reads through to the base.
type delta struct {
	base      *state
	now       time.Time
	sums      map[seriesKey]sum
	days      map[dayKey]int64
	domains   map[string]domainInfo
	reporters map[string]bool
}

func newDelta(base *state, now time.Time) *delta {
	return &delta{
		base: base, now: now,
		sums: map[seriesKey]sum{}, days: map[dayKey]int64{}, domains: map[string]domainInfo{}, reporters: map[string]bool{},
	}
}

// add adds n to a series, which begins now when it is new.
func (d *delta) add(n int64, f Family, labels ...string) {
	k := keyOf(f, labels...)
	s, ok := d.sums[k]
	if !ok {
		if s, ok = d.base.sums[k]; !ok {
			s.created = d.now.Unix()
		}
	}
	s.value += n
	d.sums[k] = s
}

func (d *delta) domain(name string) (domainInfo, bool) {
	if info, ok := d.domains[name]; ok {
		return info, true
	}
	info, ok := d.base.domains[name]
	return info, ok
}

// apply makes the delta part of its base.
func (d *delta) apply() {
	maps.Copy(d.base.sums, d.sums)
	maps.Copy(d.base.domains, d.domains)
	maps.Copy(d.base.reporters, d.reporters)
	for k, n := range d.days {
		d.base.days[k] += n
	}
	oldest := dayOf(d.now) - keptDays
	for k := range d.base.days {
		if k.day < oldest {
			delete(d.base.days, k)
		}
	}
}
