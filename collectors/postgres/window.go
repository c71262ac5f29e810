package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// window is the state of a query with a cursor: how far its rows were counted
// and what they added up to. Windows join without gap or overlap, so the totals
// only grow, whatever is deleted from the tables.
type window struct {
	started bool
	from    string
	totals  map[string]*sample
	order   []string // of totals, as first seen
}

// errNoCursor is the error of a cursor without a value.
var errNoCursor = &collect.Error{Reason: ReasonColumn, Err: errors.New("the cursor must return one value")}

// runWindow counts the rows between the last cursor and the present one. The
// caller holds t.running.
func (t *task) runWindow(ctx context.Context, db Querier, server Server, to target) outcome {
	began := time.Now()
	fail := func(err error) outcome { return outcome{at: began, took: time.Since(began), err: err} }
	until, err := scalar(ctx, db, Statement{Database: to.database, SQL: t.query.Cursor, MaxRows: 2, Timeout: t.query.Timeout})
	if err != nil {
		return fail(fmt.Errorf("cursor: %w", err))
	}
	t.mu.Lock()
	w := t.window
	t.mu.Unlock()
	if !w.started {
		w.from = until
		if t.query.CursorStart != "" {
			w.from = t.query.CursorStart
		}
	}
	out := t.runIn(ctx, db, server, to, []string{w.from, until})
	out.at, out.took = began, time.Since(began)
	if out.err != nil {
		return out
	}
	w = w.add(&out, t.maxRows)
	w.started, w.from = true, until
	t.mu.Lock()
	t.window = w
	t.mu.Unlock()
	out.samples = w.samples()
	return out
}

// scalar returns the one value of a statement.
func scalar(ctx context.Context, db Querier, st Statement) (string, error) {
	value, rows := "", 0
	_, err := db.Query(ctx, st, func(_ []Field, values [][]byte) {
		if len(values) == 1 && values[0] != nil {
			value = string(values[0])
			rows++
		}
	})
	if err == nil && rows != 1 {
		err = errNoCursor
	}
	return value, err
}

// add returns the window with the samples of out added to its totals, at most
// maxSeries of each metric's.
func (w window) add(out *outcome, maxSeries int) window {
	next := window{totals: make(map[string]*sample, len(w.totals)), order: slices.Clone(w.order)}
	for key, s := range w.totals {
		next.totals[key] = s
	}
	for i := range out.samples {
		s := &out.samples[i]
		key := s.key()
		total, known := next.totals[key]
		switch {
		case !known && len(next.order) >= maxSeries*maxMetrics:
			out.problems[ReasonTruncated]++
			continue
		case !known:
			next.order = append(next.order, key)
			next.totals[key] = s
			continue
		}
		sum := *total
		sum.Family, sum.Value = s.Family, total.Value+s.Value
		if s.Histogram != nil {
			h, ok := plus(total.Histogram, s.Histogram)
			if !ok { // other bounds: the file has changed
				out.problems[ReasonValue]++
			}
			sum.Histogram = h
		}
		next.totals[key] = &sum
	}
	return next
}

// maxMetrics is how many metrics of a query max_rows is multiplied with to
// bound the series that add up.
const maxMetrics = 16

func (w window) samples() []sample {
	out := make([]sample, 0, len(w.order))
	for _, key := range w.order {
		out = append(out, *w.totals[key])
	}
	return out
}
