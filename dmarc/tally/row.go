package tally

import (
	"fmt"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Rows are what a store keeps: of a Delta those that it changes, for Load all
// of them. Those of a Delta are sorted.
type Rows struct {
	Sums       []SumRow
	Days       []DayRow
	Domains    []DomainRow
	Names      []NameRow
	Sources    []SourceRow
	Identities []IdentityRow // never given to Load
	// Expired is the last day whose identities were dropped, -1 when none was.
	Expired int64
}

// SumRow is one series.
type SumRow struct {
	Key   SeriesKey
	Value int64
	// Added is what a Delta adds to the value before.
	Added   int64
	Created time.Time // in milliseconds
	// New says that a Delta begins the series.
	New bool
}

// DayRow is the number of messages of one day, domain and class.
type DayRow struct {
	Day      Day
	Domain   string
	Class    Class
	Messages int64
	// Added is what a Delta adds to the number before.
	Added int64
	New   bool
}

// DomainRow is what is known of an admitted domain besides its sums.
type DomainRow struct {
	Domain  string
	LastEnd time.Time
	// Policy is nil when no report told one.
	Policy *dmarc.Policy
	New    bool
}

// NameRow is a label value that was admitted to a part of the budget.
type NameRow struct {
	// Pool is the kind of label, and after a space the tenant, if there is one.
	Pool, Name string
}

// SourceRow is when a delivery of a source was last committed.
type SourceRow struct {
	Source string
	Last   time.Time // in milliseconds
	New    bool
}

// IdentityRow is an identity and the digests of what was counted under it.
type IdentityRow struct {
	Key     Key
	Digests []byte
	// Before are the digests that the row had; nil when it is new.
	Before []byte
}

// Held is how many rows of each kind a Tally holds.
type Held struct{ Sums, Days, Domains, Names, Sources int }

// held counts the rows of a state.
func (s *state) held() Held {
	return Held{len(s.sums), len(s.days), len(s.domains), len(s.names), len(s.sources)}
}

// set sets what rows are of.
func (s *state) set(rows *Rows) error {
	s.expired = rows.Expired
	for _, r := range rows.Sums {
		s.sums[r.Key] = sum{counted(r.Value), r.Created.UnixMilli()}
	}
	for _, r := range rows.Days {
		s.days[dayKey{r.Day, r.Domain, r.Class}] = counted(r.Messages)
	}
	for _, r := range rows.Domains {
		s.domains[r.Domain] = domainInfo{r.LastEnd, r.Policy}
	}
	for _, r := range rows.Names {
		p, ok := shareOf(r.Pool)
		if !ok {
			return fmt.Errorf("a name of the unknown part %q", r.Pool)
		}
		s.names[name{p, r.Name}] = true
		// Earlier versions admitted several spellings.
		if fold := foldOf(p, r.Name); s.folds[fold] == "" || r.Name > s.folds[fold] {
			s.folds[fold] = r.Name
		}
	}
	for _, r := range rows.Sources {
		s.sources[r.Source] = r.Last
	}
	return nil
}

// Changes returns the rows that the Delta changes.
func (d *Delta) Changes() *Rows {
	rows := &Rows{Expired: d.expired, Identities: d.identities.changes()}
	for k, v := range d.sums.changed {
		row := SumRow{Key: k, Value: v.value, Added: v.value - v.before, Created: time.UnixMilli(v.created).UTC(), New: v.isNew}
		rows.Sums = append(rows.Sums, row)
	}
	for k, v := range d.days.changed {
		before, known := d.days.base[k]
		rows.Days = append(rows.Days, DayRow{k.day, k.domain, k.class, v, v - before, !known})
	}
	for k, v := range d.domains.changed {
		_, known := d.domains.base[k]
		rows.Domains = append(rows.Domains, DomainRow{k, v.lastEnd, v.policy, !known})
	}
	for k := range d.names.changed {
		rows.Names = append(rows.Names, NameRow{k.label(), k.value})
	}
	for k, v := range d.sources.changed {
		_, known := d.sources.base[k]
		rows.Sources = append(rows.Sources, SourceRow{k, v, !known})
	}
	rows.sort()
	return rows
}
