package tally

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Delta is what one transaction of a store changes in a Tally. It serves one
// goroutine.
type Delta struct {
	t          *Tally
	now        time.Time
	sums       sums
	days       overlay[dayKey, int64]
	domains    overlay[string, domainInfo]
	names      overlay[name, bool]
	folds      overlay[name, string]
	sources    overlay[string, time.Time]
	identities identities
	used       usage
	entry      *Entry // that is counted
	tenant     string // of the entry
	expired    int64
	oldest     Day // days before it are dropped
}

func newDelta(t *Tally, now time.Time) *Delta {
	base := t.state
	return &Delta{
		t: t, now: now, sums: sums{base: base.sums, changed: map[SeriesKey]*change{}}, days: over(base.days), domains: over(base.domains),
		names: over(base.names), folds: over(base.folds), sources: over(base.sources), used: maps.Clone(base.used), expired: base.expired,
	}
}

// apply makes the delta part of its base.
func (d *Delta) apply() {
	for k, c := range d.sums.changed {
		d.sums.base[k] = c.sum
	}
	d.days.apply()
	d.domains.apply()
	d.names.apply()
	d.folds.apply()
	d.sources.apply()
	state := d.t.state
	state.used, state.expired = d.used, d.expired
	maps.DeleteFunc(state.days, func(k dayKey, _ int64) bool { return k.day < d.oldest })
}

// Expire notes that identities of a day were dropped. Reports that ended on it
// or before are too old from then on.
func (d *Delta) Expire(day Day) { d.expired = max(d.expired, int64(day)) }

// OldestDay returns the first day whose messages a window can still ask for,
// and how many of the rows before it exist, which a store drops with the Delta.
// Without the call they stay.
func (d *Delta) OldestDay() (oldest Day, before int) {
	d.oldest = oldestDay(d.now)
	for k := range d.days.base {
		if k.day < d.oldest {
			before++
		}
	}
	return d.oldest, before
}

// change is a sum with what it was before.
type change struct {
	sum
	before int64
	isNew  bool
}

// sums is an overlay whose keys are built in a buffer, which most of the time
// names a series that exists.
type sums struct {
	base    map[SeriesKey]sum
	changed map[SeriesKey]*change
	key     []byte
}

// find puts a key together and reports whether it is known.
func (s *sums) find(f Family, labels ...string) bool {
	s.key = append(s.key[:0], f...)
	for _, label := range labels {
		s.key = append(append(s.key, 0), label...)
	}
	if _, ok := s.changed[SeriesKey(s.key)]; ok {
		return true
	}
	_, ok := s.base[SeriesKey(s.key)]
	return ok
}

// add adds n to the series of the last find, which begins now when it is new.
func (s *sums) add(n int64, now time.Time) {
	c := s.changed[SeriesKey(s.key)]
	if c == nil {
		known, ok := s.base[SeriesKey(s.key)]
		c = &change{known, known.value, !ok}
		if !ok {
			c.created = now.UnixMilli()
		}
		s.changed[SeriesKey(s.key)] = c
	}
	c.value = Add(c.value, n)
}

// value returns the value of the series of the last find.
func (s *sums) value() int64 {
	if c := s.changed[SeriesKey(s.key)]; c != nil {
		return c.value
	}
	return s.base[SeriesKey(s.key)].value
}

// set replaces the value of the series of the last find.
func (s *sums) set(value int64, now time.Time) {
	s.add(0, now)
	s.changed[SeriesKey(s.key)].value = value
}

// each calls visit with each series.
func (s *sums) each(visit func(SeriesKey)) {
	for k := range s.base {
		visit(k)
	}
	for k, c := range s.changed {
		if c.isNew {
			visit(k)
		}
	}
}

// increase adds n to a series.
func (d *Delta) increase(n int64, f Family, labels ...string) {
	d.sums.find(f, labels...)
	d.sums.add(n, d.now)
}

// sort sorts the rows, so that any two writers of a database take its locks in
// the same order.
func (r *Rows) sort() {
	slices.SortFunc(r.Sums, func(a, b SumRow) int { return strings.Compare(string(a.Key), string(b.Key)) })
	slices.SortFunc(r.Days, func(a, b DayRow) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), strings.Compare(a.Domain, b.Domain), strings.Compare(string(a.Class), string(b.Class)))
	})
	slices.SortFunc(r.Domains, func(a, b DomainRow) int { return strings.Compare(a.Domain, b.Domain) })
	slices.SortFunc(r.Names, func(a, b NameRow) int {
		return cmp.Or(strings.Compare(a.Pool, b.Pool), strings.Compare(a.Name, b.Name))
	})
	slices.SortFunc(r.Sources, func(a, b SourceRow) int { return strings.Compare(a.Source, b.Source) })
}
