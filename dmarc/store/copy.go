package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Maker is an Engine that can make a database of what is in another one.
type Maker interface {
	Engine
	// Make makes the database, which must not be there yet (ErrExists), and calls
	// fill in the transaction that does: others see all of it or nothing.
	Make(ctx context.Context, meta Meta, fill func(Tx) error) error
}

// Copy makes a database with everything that is committed in another one, while
// another process may write that: who opens the copy goes on where the other one
// stood. It returns what Check says of both. A database that is damaged is not
// copied. Progress is called with the number of rows that were copied, again and
// again; it may be nil.
func Copy(ctx context.Context, from Engine, to Maker, progress func(rows int64)) (*Checked, error) {
	v, err := from.View(ctx)
	if err != nil {
		return nil, err
	}
	checked, err := copyView(ctx, v, to, progress)
	if err := errors.Join(err, v.Close()); err != nil {
		return nil, err
	}
	copied, err := Check(ctx, to)
	if err != nil {
		return nil, err
	}
	copied.Notes, checked.Notes = nil, nil
	if len(copied.Problems) > 0 || fmt.Sprint(*copied) != fmt.Sprint(*checked) {
		return nil, fmt.Errorf("the copy is not whole, delete it: %+v, and in %s %+v", *copied, v.Name(), *checked)
	}
	return copied, nil
}

// copyView copies a snapshot that is whole.
func copyView(ctx context.Context, v *View, to Maker, progress func(rows int64)) (*Checked, error) {
	checked, err := whole(ctx, v)
	if err != nil {
		return nil, err
	}
	meta, err := v.meta(ctx)
	if err != nil {
		return nil, err
	}
	return checked, to.Make(ctx, meta, func(tx Tx) error {
		c := &copying{ctx: ctx, view: v, tx: tx, progress: progress}
		return c.all()
	})
}

// whole checks a snapshot. One that is damaged is an error.
func whole(ctx context.Context, v *View) (*Checked, error) {
	c := &Checked{}
	err := c.check(ctx, v)
	if err == nil && len(c.Problems) > 0 {
		err = Damaged(v.Name(), "%s", strings.Join(c.Problems, "; "))
	}
	return c, err
}

// meta reads what the database says about itself.
func (v *View) meta(ctx context.Context) (m Meta, err error) {
	var created string
	err = v.Query(ctx, func(row []any) error {
		created, _ = row[0].(string)
		m.Generation, _ = row[1].(string)
		return nil
	}, "SELECT c.value, g.value FROM meta c, meta g WHERE c.name = 'created' AND g.name = 'generation'")
	if err == nil {
		if m.Created, err = strconv.ParseInt(created, 10, 64); err != nil {
			err = Damaged(v.Name(), "meta: it has no creation time or no generation")
		}
	}
	return m, err
}

// copying is a copy at work. It is over when the Make that it is for returns, and
// so it may hold the context of that.
type copying struct {
	ctx      context.Context
	view     *View
	tx       Tx
	progress func(rows int64)
	copied   int64
}

// copied are the tables of reports, as rows of a new database, in the order that
// they are read in.
func copiedSheets() []*Sheet {
	ordered := func(s *Sheet, order string) *Sheet { return &Sheet{Name: s.Name, Columns: s.Columns, Key: order} }
	addresses := &Sheet{Name: sheetAddresses.Name, Columns: slices.Concat(sheetAddresses.Columns, sheetHosts.Columns[1:])}
	return []*Sheet{
		// Partitions are made for reports, before their records.
		ordered(sheetReports, "id"), ordered(sheetHeaders, "id"), ordered(sheetContents, "id"), ordered(addresses, "source_ip"),
		ordered(sheetRecords, "report, n"), ordered(sheetPolicies, "report, n"), ordered(sheetSessions, "report, policy, n"),
		ordered(sheetFailures, "report"), ordered(sheetRollups, "domain, day"), ordered(sheetRefusals, "id"),
	}
}

func (c *copying) all() error {
	for _, table := range append(counted(), tableTotals) {
		if err := c.table(table); err != nil {
			return err
		}
	}
	for _, step := range []func() error{c.identities, c.marks} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, sheet := range copiedSheets() {
		if err := c.sheet(sheet); err != nil {
			return err
		}
	}
	return nil
}

// What is written at once.
const (
	copyRows  = 500
	copyBytes = 1 << 20
)

// some collects rows, and hands them to put when there are many.
type some[T any] struct {
	copying *copying
	put     func(rows []T) error
	rows    []T
	bytes   int
}

func (s *some[T]) add(row T, bytes int) error {
	s.rows, s.bytes = append(s.rows, row), s.bytes+bytes
	if len(s.rows) < copyRows && s.bytes < copyBytes {
		return nil
	}
	return s.flush()
}

// flush writes what was collected.
func (s *some[T]) flush() error {
	if len(s.rows) == 0 {
		return nil
	}
	if err := s.put(s.rows); err != nil {
		return err
	}
	c := s.copying
	c.copied += int64(len(s.rows))
	s.rows, s.bytes = s.rows[:0], 0
	if c.progress != nil {
		c.progress(c.copied)
	}
	return c.ctx.Err()
}

// table copies a table of counts.
func (c *copying) table(t *Table) error {
	rows := &some[Row]{copying: c, put: func(rows []Row) error { return c.tx.Put(t, rows) }}
	err := readTable(c.ctx, c.view, t, func(values []any) error {
		deltas := make([]int64, 0, t.Until-t.Added)
		for _, v := range values[t.Added:t.Until] {
			n, _ := v.(int64)
			deltas = append(deltas, n)
		}
		return rows.add(t.grown(deltas, values...), sizeOf(values))
	}, nil)
	if err != nil {
		return err
	}
	return rows.flush()
}

// identities copies the identities.
func (c *copying) identities() error {
	rows := &some[tally.IdentityRow]{copying: c, put: c.tx.PutIdentities}
	err := c.view.Query(c.ctx, func(row []any) error {
		key, _ := row[0].([]byte)
		digests, _ := row[1].([]byte)
		return rows.add(tally.IdentityRow{Key: tally.Key(key), Digests: slices.Clone(digests)}, sizeOf(row))
	}, "SELECT key, digests FROM identities ORDER BY key")
	if err != nil {
		return err
	}
	return rows.flush()
}

// marks copies what sources noted.
func (c *copying) marks() error {
	rows := &some[Mark]{copying: c, put: c.tx.PutMarks}
	err := c.view.Query(c.ctx, func(row []any) error {
		source, _ := row[0].(string)
		key, _ := row[1].(string)
		value, _ := row[2].(string)
		return rows.add(newMark(source, key, value), sizeOf(row))
	}, "SELECT source, input, value FROM marks")
	if err != nil {
		return err
	}
	return rows.flush()
}

// sheet copies a table of reports, whose Key is the order of its rows.
func (c *copying) sheet(s *Sheet) error {
	into := &Sheet{Name: s.Name, Columns: s.Columns}
	rows := &some[[]any]{copying: c, put: func(rows [][]any) error { return c.tx.Add(into, rowsOf(rows)) }}
	err := c.view.Query(c.ctx, func(row []any) error { return rows.add(slices.Clone(row), sizeOf(row)) },
		"SELECT "+strings.Join(s.Columns, ", ")+" FROM "+s.Name+" ORDER BY "+s.Key)
	if err != nil {
		return err
	}
	return rows.flush()
}

// sizeOf returns about how many bytes a row takes.
func sizeOf(row []any) (n int) {
	for _, v := range row {
		n += 16
		switch v := v.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		}
	}
	return n
}
