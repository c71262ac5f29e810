package tally

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Domain is what is known of one of our domains besides its sums.
type Domain struct {
	Name string
	// LastEnd is when the period of its latest report ended, at most the time
	// when it was counted; the zero time when there was none.
	LastEnd time.Time
	// Policy is the one that report saw published; nil when there was none.
	Policy *dmarc.Policy
	// Configured says that the domain was named in Config.Domains.
	Configured bool
}

// Reporter is what is known of a reporter that has a label besides its sums.
type Reporter struct {
	Name string
	// LastEnd is when the period of its latest aggregate report ended, at most the
	// time when it was counted, in seconds.
	LastEnd time.Time
}

// Delay is the distribution of the time between the end of a report's period
// and its being counted.
type Delay struct {
	// Buckets are cumulative counts by upper bound in seconds.
	Buckets map[float64]uint64
	Count   uint64
	// Sum is in seconds.
	Sum float64
	// Created is that of the Snapshot.
	Created time.Time
}

// Snapshot is the committed state at one moment. It is the caller's.
type Snapshot struct {
	// Series are sorted by their labels.
	Series map[Family][]Series
	// Windows are sorted by domain, window and class.
	Windows []WindowMessages
	// Domains are the configured ones, or else the learnt ones, sorted by name.
	Domains []Domain
	// Reporters are those with a label of their own that have sent aggregate
	// reports, sorted by name.
	Reporters []Reporter
	// Tenants are those of the configuration, sorted by name.
	Tenants []TenantSeries
	// LastDelivery is when a delivery of a source was last committed.
	LastDelivery map[string]time.Time
	Delay        Delay

	// What follows is known to a store, and zero without one.

	// Created is when the store began at zero, and Generation changes with it.
	Created    time.Time
	Generation string
	// Identities is how many reports the store remembers, Bytes its size.
	Identities, Bytes int64
	// Err is why the last transaction failed; nil when it succeeded. What is
	// in the Snapshot is committed all the same.
	Err error
	// Clock is why the clock is not believed and nothing is counted; nil when it is.
	Clock error
}

// Snapshot returns what was counted.
func (t *Tally) Snapshot() *Snapshot {
	now := t.config.Now()
	s := &Snapshot{Series: map[Family][]Series{}, Delay: Delay{Buckets: map[float64]uint64{}}}
	t.mu.RLock()
	defer t.mu.RUnlock()
	gone, parts, ends := t.state.gone(), t.state.parts(), map[string]time.Time{}
	for k, v := range t.state.sums {
		family, labels := k.Split()
		if family == delayFamily {
			s.Delay.add(labels[0], v.value)
		}
		if family == reporterEndFamily && v.value > 0 && !gone.has(family, labels) {
			if end := time.Unix(v.value, 0).UTC(); credible(end, now) && end.After(ends[labels[0]]) {
				ends[labels[0]] = end
			}
		}
		if family == delayFamily || family == evidenceFamily || family == authenticFamily || family == reporterEndFamily || gone.has(family, labels) ||
			family == TenantOverflow && !t.isTenant(labels[0]) {
			continue
		}
		parts.add(s, family, Series{labels, v.value, time.UnixMilli(v.created).UTC()})
	}
	for name, end := range ends {
		s.Reporters = append(s.Reporters, Reporter{name, end})
	}
	for _, series := range s.Series {
		slices.SortFunc(series, func(a, b Series) int { return slices.Compare(a.Labels, b.Labels) })
	}
	s.Windows = t.state.windows(DayOf(now), gone)
	slices.SortFunc(s.Windows, func(a, b WindowMessages) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Window, b.Window), cmp.Compare(a.Class, b.Class))
	})
	slices.SortFunc(s.Reporters, func(a, b Reporter) int { return strings.Compare(a.Name, b.Name) })
	s.Domains, s.Tenants = t.domains(now, gone), t.tenants()
	s.LastDelivery = maps.Clone(t.state.sources)
	return s
}

// domains returns our domains.
func (t *Tally) domains(now time.Time, gone names) []Domain {
	var all []Domain
	for name := range t.mine {
		all = append(all, Domain{Name: name, Configured: true})
	}
	for n := range t.state.names {
		if n.pool == poolDomain && len(t.mine) == 0 && !gone[n] {
			all = append(all, Domain{Name: n.value})
		}
	}
	for i := range all {
		info := t.state.domains[all[i].Name]
		if credible(info.lastEnd, now) {
			all[i].LastEnd = info.lastEnd
		}
		if info.policy != nil {
			policy := *info.policy
			all[i].Policy = &policy
		}
	}
	slices.SortFunc(all, func(a, b Domain) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// add adds one committed sum of the family delay.
func (d *Delay) add(label string, n int64) {
	if label == delaySum {
		d.Sum = float64(n)
		return
	}
	d.Count += uint64(n)
	for _, bound := range DelayBounds() {
		if own, err := strconv.ParseFloat(label, 64); err == nil && own <= bound {
			d.Buckets[bound] += uint64(n)
		} else if _, ok := d.Buckets[bound]; !ok {
			d.Buckets[bound] = 0
		}
	}
}
