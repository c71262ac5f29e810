package store

import (
	"encoding/json"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// saveRows writes rows of counts, and what all rows come to.
func saveRows(tx Tx, l *ledgerDelta, rows *tally.Rows) error {
	var domains, names, sources []Row
	for _, r := range rows.Domains {
		policy, err := policyText(r.Policy)
		if err != nil {
			return err
		}
		domains = append(domains, tableDomains.row(r.Domain, r.LastEnd.UnixMilli(), policy))
		l.countNew(tableDomains, r.New)
	}
	for _, r := range rows.Names {
		names = append(names, tableNames.row(r.Pool, r.Name))
		l.countNew(tableNames, true)
	}
	for _, r := range rows.Sources {
		sources = append(sources, tableSources.row(quoteMark(r.Source), r.Last.UnixMilli()))
		l.countNew(tableSources, r.New)
	}
	for _, put := range []struct {
		table *Table
		rows  []Row
	}{
		{tableSums, sumRows(l, rows.Sums)},
		{tableDays, dayRows(l, rows.Days)},
		{tableDomains, domains},
		{tableNames, names},
		{tableSources, sources},
	} {
		if len(put.rows) > 0 {
			if err := tx.Put(put.table, put.rows); err != nil {
				return err
			}
		}
	}
	return saveLedger(tx, l, rows.Expired)
}

func sumRows(l *ledgerDelta, sums []tally.SumRow) []Row {
	rows := make([]Row, 0, len(sums))
	for i := range sums {
		r := &sums[i]
		family, labels := r.Key.Split()
		rows = append(rows, tableSums.grown([]int64{r.Added}, string(family), labelText(labels), r.Value, r.Created.UnixMilli()))
		l.countNew(tableSums, r.New)
	}
	return rows
}

func dayRows(l *ledgerDelta, days []tally.DayRow) []Row {
	rows := make([]Row, 0, len(days))
	for i := range days {
		r := &days[i]
		rows = append(rows, tableDays.grown([]int64{r.Added}, int64(r.Day), r.Domain, string(r.Class), r.Messages))
		l.countNew(tableDays, r.New)
	}
	return rows
}

// labelText writes labels as a JSON array, which both people and databases read.
func labelText(labels []string) string {
	text, _ := json.Marshal(labels) // Strings have no values that JSON lacks.
	return string(text)
}

// saveLedger writes what the rows come to.
func saveLedger(tx Tx, l *ledgerDelta, expired int64) error {
	days, empty := l.dayRows()
	if len(days) > 0 {
		if err := tx.Put(tableIdentityDays, days); err != nil {
			return err
		}
	}
	if len(empty) > 0 {
		if err := tx.Drop(tableIdentityDays, empty); err != nil {
			return err
		}
	}
	l.totals[totalExpired] = expired
	if totals := l.totalRows(); len(totals) > 0 {
		return tx.Put(tableTotals, totals)
	}
	return nil
}

// Filling fills a new database with what another one held.
type Filling struct {
	tx     Tx
	ledger *ledgerDelta
}

// NewFilling returns a Filling of a database without any counts.
func NewFilling(tx Tx) *Filling {
	return &Filling{tx, (&ledger{map[tally.Day]identityDay{}, map[string]int64{}}).begin()}
}

// Identities adds identities.
func (f *Filling) Identities(rows []tally.IdentityRow) error {
	f.ledger.keep(rows)
	return f.tx.PutIdentities(rows)
}

// Mark adds what a source noted about an input.
func (f *Filling) Mark(source, key, value string) error {
	return f.tx.PutMarks([]Mark{newMark(quoteMark(source), quoteMark(key), quoteMark(value))})
}

// Counts adds the counts, as the last step.
func (f *Filling) Counts(rows *tally.Rows) error {
	for i := range rows.Sums {
		rows.Sums[i].Added, rows.Sums[i].New = rows.Sums[i].Value, true
	}
	for i := range rows.Days {
		rows.Days[i].Added, rows.Days[i].New = rows.Days[i].Messages, true
	}
	for i := range rows.Domains {
		rows.Domains[i].New = true
	}
	for i := range rows.Sources {
		rows.Sources[i].New = true
	}
	return saveRows(f.tx, f.ledger, rows)
}
