package tally

import (
	"slices"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Window is a number of complete days that messages are summed over.
type Window struct {
	Name string // 1d, 7d or 30d
	Days int
}

// Windows returns the windows, in the order of documentation.
func Windows() []Window { return []Window{{"1d", 1}, {"7d", 7}, {"30d", 30}} }

// WindowMessages are the messages of one domain and class within a window.
type WindowMessages struct {
	Domain   string
	Window   string
	Class    Class
	Messages int64
}

// Domain is what is known of an admitted domain besides its sums.
type Domain struct {
	Name string
	// LastEnd is when the period of its latest report ended; the zero time
	// when there was none.
	LastEnd time.Time
	// Policy is the one that report saw published; nil when there was none.
	Policy *dmarc.Policy
}

// Snapshot is the committed state at one moment. It is the caller's.
type Snapshot struct {
	Series     map[Family][]Series
	Windows    []WindowMessages
	Domains    []Domain
	Created    time.Time
	Generation string
}

// Snapshot returns the committed state: nothing in it can be lost by a crash.
func (t *Tally) Snapshot() *Snapshot {
	now := t.config.Now().UTC()
	s := &Snapshot{Series: map[Family][]Series{}, Created: t.meta.Created, Generation: t.meta.Generation}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for k, v := range t.state.sums {
		family, labels := k.split()
		s.Series[family] = append(s.Series[family], Series{labels, v.value, time.Unix(v.created, 0).UTC()})
	}
	for _, series := range s.Series {
		slices.SortFunc(series, func(a, b Series) int { return slices.Compare(a.Labels, b.Labels) })
	}
	for name, info := range t.state.domains {
		d := Domain{Name: name, LastEnd: info.LastEnd}
		if info.Seen {
			policy := info.Policy
			d.Policy = &policy
		}
		s.Domains = append(s.Domains, d)
	}
	slices.SortFunc(s.Domains, func(a, b Domain) int { return strings.Compare(a.Name, b.Name) })
	s.Windows = t.state.windows(dayOf(now))
	return s
}

// windows sums the complete days before today. A domain that has any day has
// every class of every window, so that a ratio never misses a side.
func (s *state) windows(today uint32) []WindowMessages {
	sums := map[WindowMessages]int64{}
	domains := map[string]bool{}
	for k, n := range s.days {
		domains[k.domain] = true
		for _, w := range Windows() {
			if k.day < today && k.day+uint32(w.Days) >= today {
				sums[WindowMessages{Domain: k.domain, Window: w.Name, Class: k.class}] += n
			}
		}
	}
	for name := range s.domains {
		domains[name] = true
	}
	var names []string
	for name := range domains {
		names = append(names, name)
	}
	slices.Sort(names)
	var all []WindowMessages
	for _, name := range names {
		for _, w := range Windows() {
			for _, class := range Classes() {
				k := WindowMessages{Domain: name, Window: w.Name, Class: class}
				n := sums[k]
				k.Messages = n
				all = append(all, k)
			}
		}
	}
	return all
}
