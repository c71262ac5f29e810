package store

import (
	"cmp"
	"maps"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// identityDay is what the identities of one day must come to.
type identityDay struct {
	identities int64
	checksums  int64 // their sum, in any order
}

// The names of totals, beside those of tables.
const (
	totalIdentities = "identities"
	totalExpired    = "expired" // the last day whose identities were dropped
)

// totalNames returns the names of all totals.
func totalNames() []string {
	names := []string{totalIdentities, totalExpired}
	for _, t := range counted() {
		names = append(names, t.Name)
	}
	return names
}

// ledger is what the rows of a database come to.
type ledger struct {
	days   map[tally.Day]identityDay
	totals map[string]int64 // how many rows tables have, and more
}

// ledgerDelta is a ledger with changes that are not committed.
type ledgerDelta struct {
	base   *ledger
	days   map[tally.Day]identityDay
	totals map[string]int64
}

// identities returns how many identities all days have.
func (l *ledger) identities() (n int64) {
	for _, day := range l.days {
		n += day.identities
	}
	return n
}

func (l *ledger) begin() *ledgerDelta {
	return &ledgerDelta{l, map[tally.Day]identityDay{}, maps.Clone(l.totals)}
}

// apply makes the changes part of the ledger.
func (l *ledgerDelta) apply() {
	maps.Copy(l.base.days, l.days)
	maps.DeleteFunc(l.base.days, func(_ tally.Day, d identityDay) bool { return d.identities == 0 })
	l.base.totals = l.totals
}

func (l *ledgerDelta) day(day tally.Day) identityDay {
	if d, ok := l.days[day]; ok {
		return d
	}
	return l.base.days[day]
}

// oldest returns the first day with identities, or a late one.
func (l *ledgerDelta) oldest() tally.Day {
	oldest := ^tally.Day(0)
	for day := range l.base.days {
		oldest = min(oldest, day)
	}
	return oldest
}

// count notes rows that a table has more.
func (l *ledgerDelta) count(t *Table, n int) { l.totals[t.Name] += int64(n) }

func (l *ledgerDelta) countNew(t *Table, isNew bool) {
	if isNew {
		l.count(t, 1)
	}
}

// keep notes identities that are new or changed.
func (l *ledgerDelta) keep(rows []tally.IdentityRow) {
	for i := range rows {
		r := &rows[i]
		d := l.day(r.Key.Day())
		if r.Before == nil {
			d.identities++
			l.totals[totalIdentities]++
		} else {
			d.checksums -= checksum(r.Key[:], r.Before)
		}
		d.checksums += checksum(r.Key[:], r.Digests)
		l.days[r.Key.Day()] = d
	}
}

// drop notes that an identity was deleted.
func (l *ledgerDelta) drop(key tally.Key, digests []byte) {
	d := l.day(key.Day())
	d.identities--
	d.checksums -= checksum(key[:], digests)
	if d.identities < 0 {
		d = identityDay{} // of a day that was damaged
	}
	l.days[key.Day()] = d
	l.totals[totalIdentities]--
}

// dayRows returns the rows of days that changed, and the days that are empty now.
func (l *ledgerDelta) dayRows() (rows []Row, empty []int64) {
	for day, d := range l.days {
		before, known := l.base.days[day]
		if d.identities == 0 {
			if known {
				empty = append(empty, int64(day))
				l.count(tableIdentityDays, -1)
			}
			continue
		}
		l.countNew(tableIdentityDays, !known)
		deltas := []int64{d.identities - before.identities, d.checksums - before.checksums}
		rows = append(rows, tableIdentityDays.grown(deltas, int64(day), d.identities, d.checksums))
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Values[0].(int64), b.Values[0].(int64)) })
	slices.Sort(empty)
	return rows, empty
}

// totalRows returns the totals that changed.
func (l *ledgerDelta) totalRows() (rows []Row) {
	for _, name := range totalNames() {
		n, before := l.totals[name], l.base.totals[name]
		if _, known := l.base.totals[name]; n != before || !known {
			rows = append(rows, tableTotals.grown([]int64{n - before}, name, n))
		}
	}
	return rows
}
