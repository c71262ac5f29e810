package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// ReportIDs returns ids that no report has had.
func (t *tx) ReportIDs(n int) ([]int64, error) {
	rows, err := t.tx.Query(t.ctx, "SELECT nextval('report_ids') FROM generate_series(1, $1)", n)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// Add adds rows: by COPY, unless they may be there already.
func (t *tx) Add(sheet *store.Sheet, rows store.RowReader) error {
	if sheet.Key != "" {
		return t.addKeyed(sheet, rows)
	}
	first, err := rows()
	if first == nil || err != nil {
		return err
	}
	if sheet.Name == "reports" { // They come before their records.
		return t.addReports(sheet, first, rows)
	}
	_, err = t.tx.CopyFrom(t.ctx, pgx.Identifier{sheet.Name}, sheet.Columns, pgx.CopyFromFunc(func() ([]any, error) {
		if first != nil {
			row := first
			first = nil
			return row, nil
		}
		return rows()
	}))
	return err
}

// addReports adds reports after the partitions that they and their records need.
func (t *tx) addReports(sheet *store.Sheet, row []any, rows store.RowReader) (err error) {
	var all [][]any
	for ; row != nil && err == nil; row, err = rows() {
		day, _ := row[0].(int64)
		if err := t.part(tally.Day(day)); err != nil {
			return err
		}
		all = append(all, row)
	}
	if err == nil {
		_, err = t.tx.CopyFrom(t.ctx, pgx.Identifier{sheet.Name}, sheet.Columns, pgx.CopyFromRows(all))
	}
	return err
}

// month is a month: its number since the year 0.
type month int

func monthOf(day tally.Day) month {
	at := time.Unix(int64(day)*24*60*60, 0).UTC()
	return month(at.Year()*12 + int(at.Month()) - 1)
}

// suffix ends the names of the partitions of a month.
func (m month) suffix() string { return fmt.Sprintf("_%04d_%02d", int(m)/12, int(m)%12+1) }

// first returns the first day of a month.
func (m month) first() tally.Day {
	return tally.DayOf(time.Date(int(m)/12, time.Month(int(m)%12+1), 1, 0, 0, 0, 0, time.UTC))
}

// parted returns the tables that are partitioned by month.
func parted() []string { return []string{"reports", "records"} }

// part makes the partitions for a day.
func (t *tx) part(day tally.Day) error {
	m := monthOf(day)
	if t.d.parts[m] {
		return nil
	}
	for _, table := range parted() {
		name := table + m.suffix()
		var there bool
		// Even to find out that a partition exists, CREATE would wait for its readers.
		if err := t.tx.QueryRow(t.ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&there); err != nil {
			return err
		}
		if there {
			continue
		}
		if _, err := t.exec(fmt.Sprintf("CREATE TABLE %s PARTITION OF %s FOR VALUES FROM (%d) TO (%d)", name, table, m.first(), (m + 1).first())); err != nil {
			return err
		}
	}
	t.d.parts[m] = true
	return nil
}

// addKeyed adds rows that may be there, some at a time.
func (t *tx) addKeyed(sheet *store.Sheet, rows store.RowReader) error {
	const most = 200
	query := addKeyed(sheet)
	batch := &pgx.Batch{}
	for {
		row, err := rows()
		if err != nil {
			return err
		}
		if row != nil {
			batch.Queue(query, append([]any(nil), row...)...)
		}
		if n := batch.Len(); n == most || row == nil && n > 0 {
			if err := t.tx.SendBatch(t.ctx, batch).Close(); err != nil {
				return err
			}
			batch = &pgx.Batch{}
		}
		if row == nil {
			return nil
		}
	}
}

func addKeyed(sheet *store.Sheet) string {
	places := make([]string, len(sheet.Columns))
	var set []string
	for i, c := range sheet.Columns {
		places[i] = "$" + strconv.Itoa(i+1)
		if c != sheet.Key {
			set = append(set, c+" = excluded."+c)
		}
	}
	query := fmt.Sprintf("INSERT INTO %s AS t (%s) VALUES (%s) ON CONFLICT (%s) DO UPDATE SET ",
		sheet.Name, columns(sheet.Columns), columns(places), sheet.Key)
	if sheet.Raised != "" {
		return query + fmt.Sprintf("%[1]s = excluded.%[1]s WHERE excluded.%[1]s > t.%[1]s", sheet.Raised)
	}
	return query + columns(set)
}

// KeepNewest drops all rows but the newest.
func (t *tx) KeepNewest(sheet *store.Sheet, most int) error {
	_, err := t.exec(fmt.Sprintf("DELETE FROM %[1]s WHERE id <= (SELECT max(id) FROM %[1]s) - $1::bigint", sheet.Name), most)
	return err
}

// DropReports drops the oldest reports: whole months while there are some, then
// single reports.
func (t *tx) DropReports(before tally.Day, most int) (int, error) {
	rows, err := t.tx.Query(t.ctx, "SELECT relname::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'reports'::regclass ORDER BY 1")
	if err != nil {
		return 0, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		var year, number int
		if _, err := fmt.Sscanf(strings.ReplaceAll(name, "_", " "), "reports %d %d", &year, &number); err != nil {
			continue // It is not one of ours.
		}
		if m := month(year*12 + number - 1); (m + 1).first() <= before {
			return 1, t.dropMonth(m)
		}
	}
	return t.dropOldest(before, most)
}

// dropMonth drops everything of a month.
func (t *tx) dropMonth(m month) error {
	for _, table := range []string{"tls_policies", "tls_details", "failures"} {
		if _, err := t.exec("DELETE FROM " + table + " WHERE report IN (SELECT id FROM reports" + m.suffix() + ")"); err != nil {
			return err
		}
	}
	for _, table := range parted() {
		if _, err := t.exec("DROP TABLE " + table + m.suffix()); err != nil {
			return err
		}
	}
	delete(t.d.parts, m)
	return nil
}

// dropOldest drops single reports.
func (t *tx) dropOldest(before tally.Day, most int) (dropped int, err error) {
	rows, err := t.tx.Query(t.ctx, "SELECT id, kept FROM reports WHERE day < $1 ORDER BY day, id LIMIT $2", int64(before), most)
	if err != nil {
		return 0, err
	}
	var ids []int64
	var id, kept int64
	_, err = pgx.ForEachRow(rows, []any{&id, &kept}, func() error {
		if dropped < most {
			ids = append(ids, id)
			dropped += 1 + int(kept)
		}
		return nil
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if err := t.dropParts(ids); err != nil {
		return 0, err
	}
	_, err = t.exec("DELETE FROM reports WHERE day < $1 AND id = ANY($2)", int64(before), ids)
	return dropped, err
}

// dropParts drops what is kept of reports beside themselves.
func (t *tx) dropParts(ids []int64) error {
	for _, table := range []string{"records", "tls_policies", "tls_details", "failures"} {
		if _, err := t.exec("DELETE FROM "+table+" WHERE report = ANY($1)", ids); err != nil {
			return err
		}
	}
	return nil
}

// FindReports returns reports that are kept.
func (t *tx) FindReports(day tally.Day, domain string, digest []byte) ([]store.KeptReport, error) {
	rows, err := t.tx.Query(t.ctx, "SELECT id, kind, org_name, report_id, kept FROM reports WHERE domain = $1 AND day = $2 AND digest = $3",
		domain, int64(day), digest)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[store.KeptReport])
}

// DropReport drops a report.
func (t *tx) DropReport(day tally.Day, id int64) error {
	if err := t.dropParts([]int64{id}); err != nil {
		return err
	}
	_, err := t.exec("DELETE FROM reports WHERE day = $1 AND id = $2", int64(day), id)
	return err
}

// DropUnused drops what no report uses.
func (t *tx) DropUnused(month int64) error {
	for _, table := range []string{"record_contents", "report_headers"} {
		if _, err := t.exec("DELETE FROM "+table+" WHERE month < $1", month); err != nil {
			return err
		}
	}
	_, err := t.exec("DELETE FROM addresses a WHERE NOT EXISTS (SELECT 1 FROM records r WHERE r.source_ip = a.source_ip)")
	return err
}
