package tally

import (
	"maps"
	"math"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// domainInfo is what is known of an admitted domain besides sums.
type domainInfo struct {
	// LastEnd is the latest end of a report's period, never in the future.
	LastEnd time.Time `json:"last_end"`
	// Policy is the one published at LastEnd; nil when there was none.
	Policy *dmarc.Policy `json:"policy,omitempty"`
}

// name is an admitted label value.
type name struct {
	pool  pool
	value string
}

// totals are the numbers about the file itself.
type totals struct {
	keys int64 // identities in the file
	// expired is the last day whose identities were dropped, wholly or in part;
	// -1 when none was. Reports that ended on it or before can not be
	// recognised and are too old, whatever the clock says.
	expired int64
	size    int64 // bytes of the file
	rows    [len(rowBuckets)]int64
}

// state is everything committed, but for keys, marks and cursors, which stay in the file.
type state struct {
	sums    map[seriesKey]sum
	days    map[dayKey]int64
	domains map[string]domainInfo
	names   map[name]bool
	sources map[string]time.Time // last delivery
	keyDays map[uint32]keyDay
	used    [pools]int // dynamic series that exist
	totals  totals
}

func newState() *state {
	return &state{
		sums: map[seriesKey]sum{}, days: map[dayKey]int64{}, domains: map[string]domainInfo{},
		names: map[name]bool{}, sources: map[string]time.Time{},
		keyDays: map[uint32]keyDay{}, totals: totals{expired: -1},
	}
}

// overlay is a map with changes that are not committed. Reads see them.
type overlay[K comparable, V any] struct{ base, changed map[K]V }

func over[K comparable, V any](base map[K]V) overlay[K, V] {
	return overlay[K, V]{base, map[K]V{}}
}

func (o overlay[K, V]) get(k K) (V, bool) {
	if v, ok := o.changed[k]; ok {
		return v, true
	}
	v, ok := o.base[k]
	return v, ok
}

func (o overlay[K, V]) set(k K, v V) { o.changed[k] = v }

// added returns how many keys are not in the base yet.
func (o overlay[K, V]) added() (n int64) {
	for k := range o.changed {
		if _, ok := o.base[k]; !ok {
			n++
		}
	}
	return n
}

func (o overlay[K, V]) apply() { maps.Copy(o.base, o.changed) }

// delta is what one transaction changes in a state.
type delta struct {
	base    *state
	now     time.Time
	sums    overlay[seriesKey, sum]
	days    overlay[dayKey, int64]
	domains overlay[string, domainInfo]
	names   overlay[name, bool]
	sources overlay[string, time.Time]
	keyDays overlay[uint32, keyDay]
	used    [pools]int
	totals  totals
}

func newDelta(base *state, now time.Time) *delta {
	return &delta{
		base: base, now: now, sums: over(base.sums), days: over(base.days), domains: over(base.domains),
		names: over(base.names), sources: over(base.sources), keyDays: over(base.keyDays), used: base.used, totals: base.totals,
	}
}

// apply makes the delta part of its base.
func (d *delta) apply() {
	d.sums.apply()
	d.days.apply()
	d.domains.apply()
	d.names.apply()
	d.sources.apply()
	d.keyDays.apply()
	maps.DeleteFunc(d.base.keyDays, func(_ uint32, one keyDay) bool { return one.keys == 0 })
	d.base.used, d.base.totals = d.used, d.totals
	oldest := oldestDay(d.now)
	maps.DeleteFunc(d.base.days, func(k dayKey, _ int64) bool { return k.day < oldest })
}

// increase adds n to a series, which begins now when it is new.
func (d *delta) increase(k seriesKey, n int64) {
	s, ok := d.sums.get(k)
	if !ok {
		s.created = d.now.UnixMilli()
	}
	if s.value += n; s.value < 0 {
		s.value = math.MaxInt64 // a counter stays at its end rather than going backwards
	}
	d.sums.set(k, s)
}
