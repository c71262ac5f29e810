package store

import (
	"context"
	"errors"
	"maps"
	"math"
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

// The number of late records from which a rollup is made at once, and every hour: a
// rollup takes as long to read as some ten records. A larger one is made anew only
// when it has grown by a part, so that a record is not read again and again.
const (
	fewestLate   = 1000
	lateShare    = 2
	fewestOld    = 10
	oldShare     = 20
	settleAtMost = 200 // so that commits do not wait long
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

// rollupsPerTx is how many rollups a transaction makes: all are in memory.
const rollupsPerTx = 8

// rollUpDue makes the rollups that are due after a transaction, some in each one
// more. Rollups only make answers faster: what goes wrong shows with the next
// transaction.
func (s *Store) rollUpDue(ctx context.Context) error {
	for some := range slices.Chunk(slices.Collect(maps.Keys(s.due)), rollupsPerTx) {
		for _, of := range some {
			delete(s.due, of)
		}
		if err := s.commit(ctx, []*request{s.rollUp(ctx, some)}); err != nil {
			return err
		}
	}
	return nil
}

// settle makes some rollups due that lack few records, and reports whether there are
// more. Most domains never have the records for which one is made at once.
func (s *Store) settle() (more bool) {
	for of, n := range s.late {
		if len(s.due) >= settleAtMost {
			return true
		}
		if n.records >= max(fewestOld, n.rolled/oldShare) {
			s.due[of] = true
		}
	}
	return false
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
	}, "SELECT r.domain, r.day FROM reports r LEFT JOIN rollups u ON u.domain = r.domain AND u.day = r.day"+
		" WHERE r.kind = $1 AND r.kept > 0 AND r.id > coalesce(u.last, 0) GROUP BY r.domain, r.day, u.records"+
		" HAVING sum(r.kept) >= $2 AND sum(r.kept) * $3 >= coalesce(u.records, 0)",
		string(unpack.KindAggregate), int64(fewestOld), int64(oldShare))
	if err != nil {
		return err
	}
	for some := range slices.Chunk(all, rollupsPerTx) {
		if err := s.do(ctx, s.rollUp(ctx, some)); err != nil {
			return err
		}
	}
	return nil
}

// RollUpAnew makes all rollups anew, for one that Check finds damaged.
func (s *Store) RollUpAnew(ctx context.Context) error {
	err := s.do(ctx, &request{
		run:   func(w *writing) error { return w.tx.DropBefore(tableRollups, math.MaxInt32) },
		after: func(context.Context) { clear(s.late) },
	})
	if err != nil {
		return err
	}
	return s.RollUp(ctx)
}

// rollUp returns the request that makes rollups of what was committed before its
// transaction.
func (s *Store) rollUp(ctx context.Context, all []rollupOf) *request {
	records := map[rollupOf]int64{}
	return &request{
		run: func(w *writing) error {
			if w.dropped {
				return nil // It may be of this very day.
			}
			q, ok := w.tx.(contentReader)
			if !ok {
				q = committed{s.db} // Nobody else writes rollups.
			}
			var rows [][]any
			for _, of := range all {
				row, n, err := readRollup(ctx, q, of)
				switch {
				case errors.Is(err, ErrDamaged): // Questions say so, and counting goes on.
				case err != nil:
					return err
				case row != nil:
					rows, records[of] = append(rows, row), n
				}
			}
			return w.tx.Add(sheetRollups, rowsOf(rows))
		},
		after: func(context.Context) {
			for of, n := range records {
				if late := s.late[of]; late != nil {
					late.records, late.rolled = 0, n
				}
			}
		},
	}
}

// committed is a database as far as it is committed.
type committed struct{ Database }

// Query calls visit with the values of each row of a query.
func (c committed) Query(ctx context.Context, visit func(row []any) error, query string, args ...any) error {
	return eachRow(ctx, c.SQL(), visit, query, args...)
}

// readRollup returns the row of a rollup with all reports that there are, and how
// many records it has; nil when there are no later ones than it has.
func readRollup(ctx context.Context, q contentReader, of rollupOf) (row []any, records int64, err error) {
	roll, last, records, err := oldRollup(ctx, q, of)
	if err != nil {
		return nil, 0, err
	}
	type report struct {
		org  string
		sent tally.Day
	}
	reports := map[int64]report{}
	read := func(ids []int64) error {
		return q.Query(ctx, func(row []any) error {
			c := cells{row: row}
			r, key := reports[c.number()], rollupKey{source: c.text(), content: c.number()}
			key.day = r.sent
			roll.add(key, c.number(), r.org)
			records++
			return nil
		}, recordsSQL(ids), int64(of.day), int64(of.day))
	}
	var late []int64
	err = q.Query(ctx, func(row []any) error {
		c := cells{row: row}
		id := c.number()
		late = append(late, id)
		reports[id] = report{c.text(), sentDay(c.number())}
		return nil
	}, "SELECT r.id, r.org_name, "+sentSQL+" FROM reports r WHERE r.domain = $1 AND r.day = $2 AND r.kind = $3 AND r.id > $4 AND r.kept > 0",
		of.domain, int64(of.day), string(unpack.KindAggregate), last)
	if err != nil || len(late) == 0 {
		return nil, 0, err
	}
	for some := range slices.Chunk(late, mostListed) {
		if err := read(some); err != nil {
			return nil, 0, err
		}
	}
	known := contentFacts{}
	if err := known.read(ctx, q, roll.unknown()); err != nil {
		return nil, 0, err
	}
	for id, f := range known {
		roll.outcomes[id] = f.outcome
	}
	last = max(last, slices.Max(late))
	return []any{of.domain, int64(of.day), last, records, roll.encode()}, records, nil
}

// oldRollup returns the rollup that there is, with the last report and the number
// of records that it has. One that is damaged begins anew.
func oldRollup(ctx context.Context, q contentReader, of rollupOf) (roll *rollup, last, records int64, err error) {
	roll = newRollup()
	err = q.Query(ctx, func(row []any) error {
		c := cells{row: row}
		last, records = c.number(), c.number()
		data, _ := c.row[0].([]byte)
		if roll.decode(data) != nil {
			roll, last, records = newRollup(), 0, 0
		}
		return nil
	}, "SELECT last, records, data FROM rollups WHERE domain = $1 AND day = $2", of.domain, int64(of.day))
	return roll, last, records, err
}

// decode adds what encode wrote.
func (r *rollup) decode(data []byte) error {
	var from rollupReader
	if err := from.open(data); err != nil {
		return err
	}
	for _, c := range from.contents {
		r.outcomes[c.id] = outcome{tally.Class(from.classes[c.class]), string(from.senders[c.sentBy])}
	}
	for len(from.data) > 0 {
		day, content, messages, err := from.next()
		if err != nil {
			return err
		}
		key := rollupKey{day, string(from.source), from.contents[content].id}
		for i, o := range from.by {
			r.add(key, messages, string(from.orgs[o]))
			if i == 0 {
				messages = 0
			}
		}
	}
	return nil
}
