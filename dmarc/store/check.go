package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Checked is what Check found.
type Checked struct {
	// Problems are what is wrong; none says that the database is whole.
	Problems []string
	// Rollups are the rollups that are damaged, for RollUpAnew: nothing is lost with them.
	Rollups []string
	// Notes are what is worth knowing and not wrong.
	Notes []string
	// Identities are the reports that were counted, as far as they are remembered;
	// Reports are those that are kept, of all kinds, with their Records.
	Identities, Reports, Records int64
	// Counted are the messages of aggregate reports that were counted, and
	// Recorded those of the records that are kept.
	Counted, Recorded int64
}

// maxProblems bounds the problems of one kind.
const maxProblems = 20

// problem adds a problem unless there are many like it.
func (c *Checked) problem(n *int, format string, args ...any) {
	if *n++; *n <= maxProblems {
		c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
	}
}

// rollup adds a rollup that is damaged, unless there are many.
func (c *Checked) rollup(of rollupOf, format string, args ...any) {
	if len(c.Rollups) < maxProblems {
		c.Rollups = append(c.Rollups, fmt.Sprintf("rollups: %s, day %d: "+format, append([]any{of.domain, of.day}, args...)...))
	}
}

// Check reads everything in a database, while another process may write it: the
// engine's own check, the checksums of rows and of the identities of each day,
// and whether the records add up to what their reports have, and are no more than
// what was counted. An error says that it could not be checked at all.
func Check(ctx context.Context, engine Engine) (*Checked, error) {
	v, err := engine.View(ctx)
	if err != nil {
		return nil, err
	}
	c := &Checked{}
	return c, errors.Join(c.check(ctx, v), v.Close())
}

func (c *Checked) check(ctx context.Context, v *View) (err error) {
	if c.Problems, c.Notes, err = v.config.Integrity(ctx); err != nil {
		return c.damage(err)
	}
	for _, step := range []func(context.Context, *View) error{c.checkCounts, c.checkMarks, c.checkContents, c.checkReports, c.checkRollups} {
		if err := c.damage(step(ctx, v)); err != nil {
			return err
		}
	}
	return nil
}

// damage makes a problem of an error that says that the database is damaged.
func (c *Checked) damage(err error) error {
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	var known *Error
	if errors.As(err, &known) {
		err = known.Err // The database is named already.
	}
	c.Problems = append(c.Problems, err.Error())
	return nil
}

// checkCounts checks the counts and the identities, and compares with the records.
func (c *Checked) checkCounts(ctx context.Context, v *View) error {
	rows, l, err := readCounts(ctx, v)
	if err != nil {
		return err
	}
	if err := tally.New(tally.Config{}).Load(rows); err != nil {
		return Damaged(v.Name(), "%w", err)
	}
	c.Identities = l.totals[totalIdentities]
	if err := c.checkIdentities(ctx, v, l); err != nil {
		return err
	}
	return c.compare(ctx, v, rows)
}

// checkIdentities holds the identities of each day to what they must come to.
func (c *Checked) checkIdentities(ctx context.Context, v *View, l *ledger) error {
	got := map[tally.Day]identityDay{}
	var last []byte
	n := 0
	err := v.Query(ctx, func(row []any) error {
		key, _ := row[0].([]byte)
		digests, _ := row[1].([]byte)
		if len(key) != tally.KeySize || bytes.Compare(last, key) >= 0 {
			c.problem(&n, "identities: %x is out of order or cut", key)
			return nil
		}
		last = append(last[:0], key...)
		day := tally.Key(key).Day()
		d := got[day]
		got[day] = identityDay{d.identities + 1, d.checksums + checksum(key, digests)}
		return nil
	}, "SELECT key, digests FROM identities ORDER BY key")
	if err != nil {
		return err
	}
	for day, want := range l.days {
		if got[day] != want {
			c.problem(&n, "identities of day %d: %d with a checksum of %x, not %d with %x",
				day, got[day].identities, got[day].checksums, want.identities, want.checksums)
		}
		delete(got, day)
	}
	for day, d := range got {
		c.problem(&n, "identities of day %d: %d that nothing knows of", day, d.identities)
	}
	return nil
}

// verdict is what messages have in common in both the counts and the records.
type verdict struct{ disposition, dkim, spf string }

// compare holds that there are no more messages in records than were counted.
func (c *Checked) compare(ctx context.Context, v *View, rows *tally.Rows) error {
	counted, recorded := map[verdict]int64{}, map[verdict]int64{}
	for i := range rows.Sums {
		if family, labels := rows.Sums[i].Key.Split(); family == tally.Messages && len(labels) == 4 {
			counted[verdict{labels[1], labels[2], labels[3]}] += rows.Sums[i].Value
			c.Counted += rows.Sums[i].Value
		}
	}
	err := v.Query(ctx, func(row []any) error {
		disposition, _ := row[0].(string)
		dkim, _ := row[1].(string)
		spf, _ := row[2].(string)
		messages, _ := row[3].(int64)
		records, _ := row[4].(int64)
		recorded[verdict{disposition, dkim, spf}] += messages
		c.Recorded += messages
		c.Records += records
		return nil
	}, `SELECT coalesce(c.disposition, '`+tally.Absent+`'), CASE WHEN c.dkim = 'pass' THEN 'pass' ELSE 'fail' END,
		CASE WHEN c.spf = 'pass' THEN 'pass' ELSE 'fail' END, CAST(sum(k.messages) AS BIGINT), count(*)
		FROM records k LEFT JOIN record_contents c ON c.id = k.content GROUP BY 1, 2, 3`)
	if err != nil {
		return err
	}
	n := 0
	for key, messages := range recorded {
		if messages > counted[key] {
			c.problem(&n, "records with disposition %s, DKIM %s and SPF %s have %d messages, more than the %d that were counted",
				key.disposition, key.dkim, key.spf, messages, counted[key])
		}
	}
	return nil
}

// checkMarks checks what sources noted.
func (c *Checked) checkMarks(ctx context.Context, v *View) error {
	n := 0
	return v.Query(ctx, func(row []any) error {
		source, _ := row[0].(string)
		key, _ := row[1].(string)
		value, _ := row[2].(string)
		if row[3] != newMark(source, key, value).Guard {
			c.problem(&n, "marks: wrong checksum of %q of %s: its input is read again", key, source)
		}
		return nil
	}, "SELECT source, input, value, guard FROM marks")
}

// checkContents checks what records have in common: the id is a hash of it.
func (c *Checked) checkContents(ctx context.Context, v *View) error {
	n := 0
	return v.Query(ctx, func(row []any) error {
		var columns [contentColumns - 1]string // without the sender
		for i := range columns {
			columns[i], _ = row[1+i].(string)
		}
		if id := hashID(text.AppendFields(nil, columns[:]...)); row[0] != id {
			c.problem(&n, "record_contents %v: its hash is %d", row[0], id)
		}
		return nil
	}, "SELECT id, "+strings.Join(sheetContents.Columns[2:], ", ")+" FROM record_contents")
}

// checkRollups holds rollups to the reports that they are of.
func (c *Checked) checkRollups(ctx context.Context, v *View) error {
	type sums struct{ records, messages int64 }
	has := map[rollupOf]sums{}
	err := v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		of, one := rollupOf{r.text(), tally.Day(r.number())}, sums{records: r.number()}
		data, _ := r.row[0].([]byte)
		roll := newRollup()
		if err := roll.decode(data); err != nil {
			c.rollup(of, "%v", err)
			return nil
		}
		for i := range roll.entries {
			one.messages = tally.Add(one.messages, roll.entries[i].messages)
		}
		has[of] = one
		return nil
	}, "SELECT domain, day, records, data FROM rollups")
	if err != nil {
		return err
	}
	return v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		of, want, whole := rollupOf{r.text(), tally.Day(r.number())}, sums{r.number(), r.number()}, r.number() == 0
		got, ok := has[of]
		if ok && (got.records != want.records || whole && got.messages != want.messages) {
			c.rollup(of, "%d records with %d messages, not %d with %d", got.records, got.messages, want.records, want.messages)
		}
		return nil
	}, "SELECT u.domain, u.day, "+totalSQL("r.kept")+", "+totalSQL("r.messages")+", "+totalSQL("r.records - r.kept")+
		" FROM rollups u JOIN reports r ON r.domain = u.domain AND r.day = u.day AND r.id <= u.last AND r.kind = 'aggregate' GROUP BY u.domain, u.day")
}

// checkReports holds the parts of reports to what the reports have.
func (c *Checked) checkReports(ctx context.Context, v *View) error {
	if err := v.Query(ctx, func(row []any) error {
		c.Reports, _ = row[0].(int64)
		return nil
	}, "SELECT count(*) FROM reports"); err != nil {
		return err
	}
	n := 0
	for _, query := range []string{
		// Records of aggregate reports, and their messages if all records are kept.
		`SELECT r.id, r.org_name, r.report_id, r.domain, r.kept, coalesce(k.kept, 0), r.messages, coalesce(k.messages, 0), coalesce(k.lost, 0)
		FROM reports r LEFT JOIN (SELECT report, count(*) AS kept, CAST(sum(messages) AS BIGINT) AS messages,
			CAST(sum(CASE WHEN c.dkim = 'pass' OR c.spf = 'pass' THEN messages ELSE 0 END) AS BIGINT) AS pass,
			CAST(sum(CASE WHEN c.id IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS lost
			FROM records LEFT JOIN record_contents c ON c.id = content GROUP BY report) k ON k.report = r.id
		WHERE r.kind = 'aggregate' AND (r.kept <> coalesce(k.kept, 0) OR coalesce(k.lost, 0) > 0
			OR r.kept = r.records AND (r.messages <> coalesce(k.messages, 0) OR r.pass_messages <> coalesce(k.pass, 0)))`,
		// Policies of TLS reports, and their sessions.
		`SELECT r.id, r.org_name, r.report_id, r.domain, r.kept, coalesce(k.kept, 0), r.messages, coalesce(k.messages, 0), 0
		FROM reports r LEFT JOIN (SELECT report, count(*) AS kept, CAST(sum(successful_sessions + failed_sessions) AS BIGINT) AS messages,
			CAST(sum(successful_sessions) AS BIGINT) AS pass FROM tls_policies GROUP BY report) k ON k.report = r.id
		WHERE r.kind = 'tls' AND (r.kept <> coalesce(k.kept, 0) OR r.messages <> coalesce(k.messages, 0) OR r.pass_messages <> coalesce(k.pass, 0))`,
		// Failure reports, and their incidents.
		`SELECT r.id, r.org_name, r.report_id, r.domain, r.kept, CASE WHEN f.report IS NULL THEN 0 ELSE 1 END, r.messages, coalesce(f.incidents, 0), 0
		FROM reports r LEFT JOIN failures f ON f.report = r.id
		WHERE r.kind = 'failure' AND (f.report IS NULL OR f.incidents <> r.messages)`,
	} {
		err := v.Query(ctx, func(row []any) error {
			c.problem(&n, "report %v (%q of %q about %v): %v records of %v, %v messages of %v, %v records without content",
				row[0], row[2], row[1], row[3], row[5], row[4], row[7], row[6], row[8])
			return nil
		}, query)
		if err != nil {
			return err
		}
	}
	for _, part := range []string{"records", "tls_policies", "failures"} {
		err := v.Query(ctx, func(row []any) error {
			if row[0] != int64(0) {
				c.problem(&n, "%s: %v rows belong to no report", part, row[0])
			}
			return nil
		}, "SELECT count(*) FROM "+part+" k WHERE NOT EXISTS (SELECT 1 FROM reports r WHERE r.id = k.report)")
		if err != nil {
			return err
		}
	}
	return nil
}
