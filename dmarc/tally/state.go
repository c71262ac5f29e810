package tally

import (
	"maps"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// domainInfo is what is known of an admitted domain besides sums.
type domainInfo struct {
	// lastEnd is the latest end of a report's period, never in the future.
	lastEnd time.Time
	// policy is the one published at lastEnd; nil when there was none.
	policy *dmarc.Policy
}

// name is an admitted label value.
type name struct {
	share
	value string
}

// state is everything committed, but for identities and marks, which stay in the store.
type state struct {
	sums    map[SeriesKey]sum
	days    map[dayKey]int64
	domains map[string]domainInfo
	names   map[name]bool
	folds   map[name]string      // admitted names by what they are known by
	sources map[string]time.Time // last delivery
	used    usage                // dynamic series that exist
	// expired is the last day whose identities were dropped, wholly or in part;
	// -1 when none was. Reports that ended on it or before cannot be
	// recognised and are too old, whatever the clock says.
	expired int64
}

func newState() *state {
	return &state{
		sums: map[SeriesKey]sum{}, days: map[dayKey]int64{}, domains: map[string]domainInfo{},
		names: map[name]bool{}, folds: map[name]string{}, sources: map[string]time.Time{}, used: usage{}, expired: -1,
	}
}

// usage is how much of each share of the budget is used.
type usage map[share]int

// spend uses n more, or less.
func (u usage) spend(s share, n int) {
	if u[s] += n; u[s] == 0 {
		delete(u, s)
	}
}

// usage returns how much of the budget a state uses.
func (t *Tally) usage(s *state) usage {
	gone, used := s.gone(), usage{}
	for k := range s.sums {
		if f, labels := k.Split(); !gone.has(f, labels) {
			used.spend(t.cost(f, labels))
		}
	}
	for n := range s.names {
		if n.pool == poolDomain && !gone[n] {
			used.spend(n.share, domainCost*t.dynamic(n.value))
		}
	}
	return used
}

// names are a set of admitted names.
type names map[name]bool

// gone returns the names that gave their room back.
func (s *state) gone() names {
	all := names{}
	for k, v := range s.sums {
		f, labels := k.Split()
		if f != evidenceFamily || !evidenceOf(v.value).gone {
			continue
		}
		if p, ok := poolOf(labels[0]); ok {
			all[name{share{strings.Join(labels[2:], ""), p}, labels[1]}] = true
		}
	}
	return all
}

// has reports whether a series has one of the names as a label.
func (all names) has(f Family, labels []string) bool {
	s, label, ok := labelOf(f, labels)
	return ok && all[name{s, label}]
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

// each calls visit with each pair.
func (o overlay[K, V]) each(visit func(K, V)) {
	for k, v := range o.base {
		if _, changed := o.changed[k]; !changed {
			visit(k, v)
		}
	}
	for k, v := range o.changed {
		visit(k, v)
	}
}

func (o overlay[K, V]) set(k K, v V) { o.changed[k] = v }

func (o overlay[K, V]) apply() { maps.Copy(o.base, o.changed) }
