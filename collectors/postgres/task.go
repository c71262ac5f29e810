package postgres

import (
	"context"
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

// querySet is what one load of the query files gave. It is replaced as a whole.
type querySet struct {
	tasks []*task
	names map[string]int // how many queries declare a metric
}

// task is a query at work.
type task struct {
	query   *queryfile.Query
	names   map[string]int
	maxRows int
	seed    maphash.Seed
	stats   *stats

	running sync.Mutex // held by the one run of a query whose result is kept

	mu      sync.Mutex             // guards what follows
	layouts map[string]boundLayout // by database
	kept    *outcome               // of a query with cache_seconds or interval
	window  window
}

type boundLayout struct {
	*layout
	server Server
}

// newQuerySet prepares queries. What previous has learned about those that did
// not change is kept: a reload must not reset counters.
func newQuerySet(queries []*queryfile.Query, defaultMaxRows int, previous *querySet) *querySet {
	set := &querySet{names: map[string]int{}}
	queries = slices.DeleteFunc(slices.Clone(queries), func(q *queryfile.Query) bool { return q == nil })
	for _, q := range queries {
		for i := range q.Columns {
			if c := &q.Columns[i]; c.IsValue() {
				set.names[q.MetricName(c)]++
			}
		}
	}
	for _, q := range queries {
		t := &task{
			query: q, names: set.names, maxRows: q.MaxRows, seed: maphash.MakeSeed(),
			stats: newStats(), layouts: map[string]boundLayout{},
		}
		if t.maxRows == 0 {
			t.maxRows = defaultMaxRows
		}
		if old := previous.find(q.Name); old != nil {
			t.stats = old.stats
			if old.query.Same(q) {
				old.mu.Lock()
				t.kept, t.window = old.kept, old.window
				old.mu.Unlock()
			}
		}
		set.tasks = append(set.tasks, t)
	}
	return set
}

func (s *querySet) find(name string) *task {
	if s == nil {
		return nil
	}
	for _, t := range s.tasks {
		if t.query.Name == name {
			return t
		}
	}
	return nil
}

// outcome is what one run of a query gave.
type outcome struct {
	samples  []sample
	rows     int
	problems problems
	err      error // why there are no samples
	took     time.Duration
	at       time.Time // when it began
}

// target is a database a query runs in, and the labels that tell it apart.
type target struct {
	database string // "": the target's own
	constant []labelColumn
}

// reading is one execution of a query in one database under way.
type reading struct {
	task    *task
	server  Server
	to      target
	began   time.Time
	scanner *scanner
	unbound error // why the columns do not fit the declaration
}

func (t *task) read(server Server, to target) *reading {
	return &reading{task: t, server: server, to: to, began: time.Now()}
}

// statement returns what to run. args are the bounds of a window.
func (r *reading) statement(args []string) Statement {
	q := r.task.query
	sql := q.Statement(r.server.Version)
	return Statement{Database: r.to.database, SQL: sql, Args: args, MaxRows: r.task.maxRows, Timeout: q.Timeout}
}

func (r *reading) bind(fields []Field) {
	if r.scanner == nil && r.unbound == nil {
		var l *layout
		if l, r.unbound = r.task.layoutFor(r.to, fields, r.server); r.unbound == nil {
			r.scanner = newScanner(l, r.task.seed)
		}
	}
}

// visit takes a row.
func (r *reading) visit(fields []Field, values [][]byte) {
	if r.bind(fields); r.scanner != nil {
		r.scanner.row(values)
	}
}

// outcome ends the reading.
func (r *reading) outcome(result Result, err error, took time.Duration) outcome {
	if err == nil {
		r.bind(result.Fields) // for a result without rows
		err = r.unbound
	}
	out := outcome{rows: result.Rows, err: err, took: took, at: r.began}
	if err == nil {
		out.samples, out.problems = r.scanner.samples, r.scanner.problems
		r.scanner.layout.expected.Store(int64(len(out.samples)))
		if result.Truncated {
			out.problems[ReasonTruncated]++
		}
	}
	return out
}

// runIn executes the query in one database.
func (t *task) runIn(ctx context.Context, db Querier, server Server, to target, args []string) outcome {
	r := t.read(server, to)
	result, err := db.Query(ctx, r.statement(args), r.visit)
	return r.outcome(result, err, time.Since(r.began))
}

// layoutFor returns the layout for the columns of a result: the last one, if
// nothing has changed.
func (t *task) layoutFor(to target, fields []Field, server Server) (*layout, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.layouts[to.database]; ok && last.server == server && slices.Equal(last.fields, fields) {
		return last.layout, nil
	}
	sc := scope{version: server.Version, server: server.Address, constant: to.constant, console: server.Console, uses: func(name string) int { return t.names[name] }}
	l, err := newLayout(t.query, slices.Clone(fields), sc)
	if err != nil {
		return nil, err
	}
	t.layouts[to.database] = boundLayout{l, server}
	return l, nil
}

// run executes the query in all its databases and joins the outcomes. It fails
// with the first error, showing what the other databases gave.
func (t *task) run(ctx context.Context, db Querier, server Server, targets []target) outcome {
	if t.query.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.query.Timeout)
		defer cancel()
	}
	if t.query.Cursor != "" {
		return t.runWindow(ctx, db, server, targets[0])
	}
	all := outcome{at: time.Now(), problems: problems{}}
	for _, to := range targets {
		one := t.runIn(ctx, db, server, to, nil)
		all.samples = append(all.samples, one.samples...)
		all.rows += one.rows
		for reason, n := range one.problems {
			all.problems[reason] += n
		}
		if all.err == nil {
			all.err = one.err
		}
	}
	all.took = time.Since(all.at)
	return all
}

// keeps reports whether results are shown more than once.
func (t *task) keeps() bool { return t.period() > 0 }

// period is how long a result is good for.
func (t *task) period() time.Duration { return max(t.query.Cache, t.query.Interval) }

// stalePeriods is after how many periods a result is not shown any more, if no
// newer one could be had. Totals stay: they are true as far as they go.
const stalePeriods = 3

// fresh returns the kept outcome while it is good, and stale while it may be
// shown for want of a better one.
func (t *task) fresh() *outcome { return t.keptFor(t.period()) }

func (t *task) stale() *outcome {
	if t.query.Cursor != "" {
		return t.keptFor(math.MaxInt64)
	}
	return t.keptFor(stalePeriods * t.period())
}

func (t *task) keptFor(age time.Duration) *outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept == nil || time.Since(t.kept.at) >= age {
		return nil
	}
	return t.kept
}

// runAndKeep runs a query whose results are kept and returns what is to be
// shown: nil if there is nothing. The caller holds t.running.
func (t *task) runAndKeep(ctx context.Context, db Querier, server Server, targets []target) (ran outcome, show *outcome) {
	ran = t.run(ctx, db, server, targets)
	if ran.err != nil {
		return ran, t.stale()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = &ran
	return ran, t.kept
}
