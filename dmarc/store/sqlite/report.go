package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// ReportIDs returns ids after the largest.
func (t *tx) ReportIDs(n int) ([]int64, error) {
	last, err := t.number("SELECT coalesce(max(id), 0) FROM reports")
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = last + 1 + int64(i)
	}
	return ids, err
}

// rowsAtOnce is how many rows one statement adds, as far as there are as many.
const rowsAtOnce = 8

// Add adds rows.
func (t *tx) Add(sheet *store.Sheet, rows store.RowReader) error {
	args := make([]any, 0, rowsAtOnce*len(sheet.Columns))
	many := ""
	for {
		row, err := rows()
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		if args = append(args, row...); len(args) < cap(args) {
			continue
		}
		if many == "" {
			many = add(sheet, rowsAtOnce)
		}
		if err := t.exec(many, args...); err != nil {
			return err
		}
		args = args[:0]
	}
	if len(args) == 0 {
		return nil
	}
	one := add(sheet, 1)
	for row := range slices.Chunk(args, len(sheet.Columns)) {
		if err := t.exec(one, row...); err != nil {
			return err
		}
	}
	return nil
}

// add returns the statement that adds some rows.
func add(sheet *store.Sheet, rows int) string {
	row := "(" + places(len(sheet.Columns)) + ")"
	query := fmt.Sprintf("INSERT INTO %s (%s) VALUES %s%s", sheet.Name, strings.Join(sheet.Columns, ", "), row, strings.Repeat(", "+row, rows-1))
	switch {
	case sheet.Raised != "":
		return query + fmt.Sprintf(" ON CONFLICT (%s) DO UPDATE SET %[2]s = excluded.%[2]s WHERE excluded.%[2]s > %[2]s", sheet.Key, sheet.Raised)
	case sheet.Key != "":
		var set []string
		for _, c := range sheet.Columns {
			if c != sheet.Key {
				set = append(set, c+" = excluded."+c)
			}
		}
		return query + fmt.Sprintf(" ON CONFLICT (%s) DO UPDATE SET %s", sheet.Key, strings.Join(set, ", "))
	}
	return query
}

// KeepNewest drops all rows but the newest.
func (t *tx) KeepNewest(sheet *store.Sheet, most int) error {
	return t.exec(fmt.Sprintf("DELETE FROM %[1]s WHERE id <= (SELECT max(id) FROM %[1]s) - ?", sheet.Name), int64(most))
}

// DropReports drops the oldest reports.
func (t *tx) DropReports(before tally.Day, most int) (dropped int, err error) {
	var ids []int64
	err = t.query(func(row []driver.Value) error {
		id, _ := row[0].(int64)
		ids = append(ids, id)
		return nil
	}, "SELECT id FROM reports WHERE day < ? ORDER BY day, id LIMIT ?", int64(before), int64(most))
	for _, id := range ids {
		if err != nil || dropped >= most {
			return dropped, err
		}
		var n int
		n, err = t.dropReport(id, most-dropped)
		dropped += n
	}
	return dropped, err
}

// dropReport drops a report, or up to most of its records.
func (t *tx) dropReport(id int64, most int) (int, error) {
	n, err := t.count("DELETE FROM records WHERE report = ?1 AND n IN (SELECT n FROM records WHERE report = ?1 LIMIT ?2)", id, int64(most))
	if err != nil || n >= most {
		return n, err
	}
	for _, table := range []string{"tls_policies", "tls_details", "failures"} {
		if err := t.exec("DELETE FROM "+table+" WHERE report = ?", id); err != nil {
			return n, err
		}
	}
	return n + 1, t.exec("DELETE FROM reports WHERE id = ?", id)
}

// FindReports returns reports that are kept.
func (t *tx) FindReports(day tally.Day, domain string, digest []byte) (found []store.KeptReport, err error) {
	err = t.query(func(row []driver.Value) error {
		var r store.KeptReport
		r.ID, _ = row[0].(int64)
		r.Kind, _ = row[1].(string)
		r.Org, _ = row[2].(string)
		r.ReportID, _ = row[3].(string)
		r.Kept, _ = row[4].(int64)
		found = append(found, r)
		return nil
	}, "SELECT id, kind, org_name, report_id, kept FROM reports WHERE domain = ? AND day = ? AND digest = ?", domain, int64(day), digest)
	return found, err
}

// DropReport drops a report.
func (t *tx) DropReport(_ tally.Day, id int64) error {
	for {
		const most = 1 << 20
		n, err := t.dropReport(id, most)
		if err != nil || n < most {
			return err
		}
	}
}

// DropUnused drops what no report uses.
func (t *tx) DropUnused(month int64) error {
	for _, table := range []string{"record_contents", "report_headers"} {
		if err := t.exec("DELETE FROM "+table+" WHERE month < ?", month); err != nil {
			return err
		}
	}
	return t.exec("DELETE FROM addresses WHERE NOT EXISTS (SELECT 1 FROM records r WHERE r.source_ip = addresses.source_ip)")
}

// vacuumPages is how many free pages Shrink gives back at a time.
const vacuumPages = 2000

// Shrink gives free pages back.
func (d *database) Shrink(context.Context) (more bool, err error) {
	err = d.guarded(func() error {
		// The pragma works while its rows are read.
		err := d.writer.query(func([]driver.Value) error { return nil }, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages))
		if err != nil {
			return d.writeError(err)
		}
		left, err := d.writer.number("PRAGMA freelist_count")
		more = left >= vacuumPages
		return d.writeError(err)
	})
	return more, err
}
