package store

import (
	"context"
	"maps"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// rollupOf names a rollup.
type rollupOf struct {
	domain string
	day    tally.Day
}

// late counts the records that the rollups of some days lack, and those that
// they have, as far as this process has seen them.
type late map[rollupOf]*struct{ records, rolled int64 }

// The number of records from which a rollup is made. A larger one is made anew
// only when it has grown by a part, so that a record is not read again and again.
const (
	fewestLate = 1000
	lateShare  = 2
)

// maxLate bounds the days that are watched.
const maxLate = 20_000

// note counts the records of a report, and reports whether a rollup is due.
func (l late) note(of rollupOf, records int64) bool {
	n := l[of]
	if n == nil {
		if len(l) >= maxLate {
			clear(l)
		}
		n = &struct{ records, rolled int64 }{}
		l[of] = n
	}
	n.records += records
	return n.records >= max(fewestLate, n.rolled/lateShare)
}

// noteLate notes which rollups are due after a transaction that kept reports.
func (s *Store) noteLate(reports []kept) {
	if s.config.Once {
		return
	}
	for i := range reports {
		r := &reports[i]
		if r.entry.Kind != unpack.KindAggregate {
			continue
		}
		if of := (rollupOf{clean(r.entry.Domain), tally.DayOf(r.entry.End)}); s.late.note(of, r.details.kept) {
			s.due[of] = true
		}
	}
}

// rollUpDue makes the rollups that are due after a transaction, some in each one
// more. Rollups only make answers faster: what goes wrong shows with the next
// transaction.
func (s *Store) rollUpDue(ctx context.Context) {
	const atOnce = 8 // are in memory
	for some := range slices.Chunk(slices.Collect(maps.Keys(s.due)), atOnce) {
		var all []*request
		for _, of := range some {
			delete(s.due, of)
			all = append(all, s.rollUp(ctx, of))
		}
		if err := s.commit(ctx, all); err != nil {
			return
		}
	}
}

// RollUp makes all rollups that are worth it, so that questions about many
// records are answered at once. A Store does so by itself while reports come in,
// and soon after the start for what an older version has kept.
func (s *Store) RollUp(ctx context.Context) error {
	var all []rollupOf
	err := eachRow(ctx, s.db.SQL(), func(row []any) error {
		c := cells{row: row}
		all = append(all, rollupOf{c.text(), tally.Day(c.number())})
		return nil
	}, "SELECT r.domain, r.day FROM reports r WHERE r.kind = $1"+lateSQL+" GROUP BY r.domain, r.day HAVING sum(r.kept) >= $2",
		string(unpack.KindAggregate), int64(fewestLate/lateShare))
	if err != nil {
		return err
	}
	for _, of := range all {
		if err := s.do(ctx, s.rollUp(ctx, of)); err != nil {
			return err
		}
	}
	return nil
}

// rollUp returns the request that makes a rollup. The writer reads what was
// committed before its transaction, and nobody else writes.
func (s *Store) rollUp(ctx context.Context, of rollupOf) *request {
	var records int64
	return &request{
		run: func(w *writing) error {
			if w.dropped {
				return nil // It may be of this very day.
			}
			row, err := s.readRollup(ctx, of)
			if err != nil || row == nil {
				return err
			}
			records, _ = row[3].(int64)
			return w.tx.Add(sheetRollups, rowsOf([][]any{row}))
		},
		after: func(context.Context) {
			if n := s.late[of]; n != nil && records > 0 {
				n.records, n.rolled = 0, records
			}
		},
	}
}

// readRollup returns the row of a rollup with all reports that there are, nil
// when there are no later ones than it has.
func (s *Store) readRollup(ctx context.Context, of rollupOf) ([]any, error) {
	db, name := s.db.SQL(), s.db.Name()
	roll := newRollup()
	var last, records int64
	err := eachRow(ctx, db, func(row []any) error {
		c := cells{row: row}
		last, records = c.number(), c.number()
		data, _ := c.row[0].([]byte)
		if err := roll.decode(data); err != nil {
			return Damaged(name, "rollups: %s, day %d: %w", of.domain, of.day, err)
		}
		return nil
	}, "SELECT last, records, data FROM rollups WHERE domain = $1 AND day = $2", of.domain, int64(of.day))
	if err != nil {
		return nil, err
	}
	type report struct {
		org  string
		sent tally.Day
	}
	reports := map[int64]report{}
	read := func(ids []int64) error {
		return eachRow(ctx, db, func(row []any) error {
			c := cells{row: row}
			r, key := reports[c.number()], rollupKey{source: c.text(), content: c.number()}
			key.day = r.sent
			roll.add(key, c.number(), r.org)
			records++
			return nil
		}, recordsSQL(ids), int64(of.day), int64(of.day))
	}
	var late []int64
	err = eachRow(ctx, db, func(row []any) error {
		c := cells{row: row}
		id := c.number()
		late = append(late, id)
		reports[id] = report{c.text(), sentDay(c.number())}
		return nil
	}, "SELECT r.id, r.org_name, "+sentSQL+" FROM reports r WHERE r.domain = $1 AND r.day = $2 AND r.kind = $3 AND r.id > $4 AND r.kept > 0",
		of.domain, int64(of.day), string(unpack.KindAggregate), last)
	if err != nil || len(late) == 0 {
		return nil, err
	}
	for some := range slices.Chunk(late, mostListed) {
		if err := read(some); err != nil {
			return nil, err
		}
	}
	last = max(last, slices.Max(late))
	return []any{of.domain, int64(of.day), last, records, roll.encode()}, nil
}

// decode adds what encode wrote.
func (r *rollup) decode(data []byte) error {
	var from rollupReader
	if err := from.open(data); err != nil {
		return err
	}
	for len(from.data) > 0 {
		day, content, messages, err := from.next()
		if err != nil {
			return err
		}
		key := rollupKey{day, string(from.source), from.contents[content]}
		for i, o := range from.by {
			r.add(key, messages, from.orgs[o])
			if i == 0 {
				messages = 0
			}
		}
	}
	return nil
}
