package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

var version15 = postgres.Server{Address: "db:5432", Database: "app", Version: queryfile.Version{15, 8}}

// TestCacheSeconds shows a result again while it is fresh, and for a while when
// there is no newer one.
func TestCacheSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{server: version15}
		c := postgres.New(f, parse(t, "q: {query: SELECT n, cache_seconds: 60, server_label: false, metrics: [{n: {usage: GAUGE}}]}"), postgres.Config{})
		steps := []struct {
			after   time.Duration
			row     string
			fail    error
			want    map[string]float64
			queries int
		}{
			{0, "1", nil, map[string]float64{"q_n": 1}, 1},
			{59 * time.Second, "2", nil, map[string]float64{"q_n": 1}, 0},
			{time.Second, "3", nil, map[string]float64{"q_n": 3}, 1},
			{60 * time.Second, "4", errors.New("no"), map[string]float64{"q_n": 3}, 1},
			{119 * time.Second, "4", errors.New("no"), map[string]float64{"q_n": 3}, 1},
			{time.Second, "4", errors.New("no"), map[string]float64{}, 1},
			{time.Second, "5", nil, map[string]float64{"q_n": 5}, 1},
		}
		for i, s := range steps {
			time.Sleep(s.after)
			r := numbers([]string{"n"}, s.row)
			r.err = s.fail
			f.set("SELECT n", r)
			got := gather(t, c, time.Second)
			if diff := cmp.Diff(s.want, only(got, "q_n")); diff != "" {
				t.Errorf("step %d (-want +got):\n%s", i, diff)
			}
			if asked := f.statements(); len(asked) != s.queries {
				t.Errorf("step %d ran %v", i, asked)
			}
			if want := map[bool]float64{true: 1, false: 0}[s.fail == nil]; got[`pg_scrape_collector_success{collector="q"}`] != want {
				t.Errorf("step %d: success is not %v", i, want)
			}
		}
	})
}

// TestInterval runs a query in the background, at its own pace, and over
// reloads.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const file = "q: {query: SELECT n, interval: 1m, server_label: false, metrics: [{n: {usage: GAUGE}}]}\nv: {query: SELECT v, min_version: 99, interval: 1s, metrics: [{n: {usage: GAUGE}}]}"
		f := &fake{server: version15}
		f.set("SELECT n", numbers([]string{"n"}, "1"))
		c := postgres.New(f, parse(t, file), postgres.Config{})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		scrape := func(want map[string]float64, queries int) {
			t.Helper()
			got := gather(t, c, time.Second)
			if diff := cmp.Diff(want, only(got, "q_")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if asked := f.statements(); len(asked) != queries {
				t.Errorf("ran %v, want %d", asked, queries)
			}
			if got[`pg_scrape_collector_last_success_timestamp_seconds{collector="q"}`] == 0 {
				t.Error("no time of the last run")
			}
		}
		scrape(map[string]float64{"q_n": 1}, 1)
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		scrape(map[string]float64{"q_n": 1}, 5)

		f.set("SELECT n", result{err: errors.New("broken")})
		time.Sleep(time.Minute)
		scrape(map[string]float64{"q_n": 1}, 1) // the last one, for a while
		time.Sleep(2 * time.Minute)
		scrape(map[string]float64{}, 2)

		f.set("SELECT n", numbers([]string{"n"}, "7"))
		f.set("SELECT m", numbers([]string{"n"}, "8"))
		c.SetQueries(parse(t, "q: {query: SELECT m, interval: 1m, server_label: false, metrics: [{n: {usage: GAUGE}}]}"))
		synctest.Wait()
		scrape(map[string]float64{"q_n": 8}, 1) // at once
		c.SetQueries(parse(t, "\nq: {query: SELECT m, interval: 1m, server_label: false, metrics: [{n: {usage: GAUGE}}]}"))
		synctest.Wait()
		scrape(map[string]float64{"q_n": 8}, 0) // nothing has changed
		cancel()
		wg.Wait()
	})
}

// TestIntervalWithoutServer holds that a server which is away is one line in the log, and
// not one for each query, until it is back.
func TestIntervalWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const file = "q: {query: a, interval: 1m, metrics: [{n: {usage: GAUGE}}]}\nr: {query: b, interval: 1m, metrics: [{n: {usage: GAUGE}}]}"
		f := &fake{server: version15, down: errReset}
		f.set("a", numbers([]string{"n"}, "1"))
		f.set("b", result{err: errSyntax})
		var log bytes.Buffer // Only Run writes to it: nobody scrapes meanwhile.
		c := postgres.New(f, parse(t, file), postgres.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Run(ctx) })
		time.Sleep(3*time.Minute + time.Second)
		synctest.Wait()
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "server does not answer") {
			t.Errorf("without the server:\n%s", text)
		}
		log.Reset()
		f.mu.Lock()
		f.down = nil
		f.mu.Unlock()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		gather(t, c, time.Second)
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "query=r reason=syntax") || !strings.Contains(text, "server answers again") {
			t.Errorf("with the server:\n%s", text)
		}
		cancel()
		wg.Wait()
	})
}

const windowFile = `
w:
  query: SELECT a, n, s FROM t WHERE at > $1 AND at <= $2
  cursor: SELECT now
  server_label: false
  metrics: [{a: {usage: LABEL}}, {n: {usage: COUNTER}}, {s: {usage: HISTOGRAM}}]
`

// TestWindow adds up what appears between two cursors.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{server: version15}
		c := postgres.New(f, parse(t, windowFile), postgres.Config{})
		columns := []string{"a", "n", "s", "s_bucket", "s_sum", "s_count"}
		const sql = "SELECT a, n, s FROM t WHERE at > $1 AND at <= $2"
		step := func(cursor string, rows [][]string, want map[string]float64, asked ...string) {
			t.Helper()
			f.set("SELECT now", numbers([]string{"now"}, cursor))
			r := numbers(columns)
			r.rows = rows
			f.set(sql, r)
			got := gather(t, c, time.Second)
			if diff := cmp.Diff(want, only(got, "w_")); diff != "" {
				t.Errorf("at %s (-want +got):\n%s", cursor, diff)
			}
			if got := f.statements(); !slices.Equal(got, asked) {
				t.Errorf("at %s: ran %q, want %q", cursor, got, asked)
			}
			time.Sleep(30 * time.Second)
		}
		step("10", [][]string{{"x", "0", "{1,5}", "{0,0}", "0", "0"}},
			map[string]float64{`w_n{a="x"}`: 0, `w_s_bucket{a="x",le="1"}`: 0, `w_s_bucket{a="x",le="5"}`: 0, `w_s_sum{a="x"}`: 0, `w_s_count{a="x"}`: 0},
			"SELECT now", sql+"[10 10]")
		step("20", [][]string{{"x", "2", "{1,5}", "{1,2}", "4.5", "2"}, {"y", "1", "{1,5}", "{0,0}", "9", "1"}},
			map[string]float64{
				`w_n{a="x"}`: 2, `w_s_bucket{a="x",le="1"}`: 1, `w_s_bucket{a="x",le="5"}`: 2, `w_s_sum{a="x"}`: 4.5, `w_s_count{a="x"}`: 2,
				`w_n{a="y"}`: 1, `w_s_bucket{a="y",le="1"}`: 0, `w_s_bucket{a="y",le="5"}`: 0, `w_s_sum{a="y"}`: 9, `w_s_count{a="y"}`: 1,
			},
			"SELECT now", sql+"[10 20]")
		// Rows were deleted, nothing new has come: totals stay.
		totals := map[string]float64{
			`w_n{a="x"}`: 3, `w_s_bucket{a="x",le="1"}`: 2, `w_s_bucket{a="x",le="5"}`: 3, `w_s_sum{a="x"}`: 5, `w_s_count{a="x"}`: 3,
			`w_n{a="y"}`: 1, `w_s_bucket{a="y",le="1"}`: 0, `w_s_bucket{a="y",le="5"}`: 0, `w_s_sum{a="y"}`: 9, `w_s_count{a="y"}`: 1,
		}
		step("30", [][]string{{"x", "1", "{1,5}", "{1,1}", "0.5", "1"}}, totals, "SELECT now", sql+"[20 30]")
		// A failure moves nothing, the next window is as wide as needed.
		f.down = errors.New("down")
		gather(t, c, time.Second)
		f.down = nil
		f.statements()
		// A reload that changes nothing keeps the totals and the cursor.
		c.SetQueries(parse(t, "# moved\n"+windowFile))
		step("50", nil, totals, "SELECT now", sql+"[30 50]")
	})
}

// TestWindowStart counts from a given cursor on, and survives a cursor without
// a value.
func TestWindowStart(t *testing.T) {
	f := &fake{server: version15}
	c := postgres.New(f, parse(t, "w: {query: $1 $2, cursor: max, cursor_start: \"0\", server_label: false, metrics: [{n: {usage: COUNTER}}]}"), postgres.Config{})
	f.set("max", numbers([]string{"max"}, "NULL"))
	got := gather(t, c, time.Second)
	if got[`pg_scrape_collector_errors_total{collector="w",reason="column"}`] != 1 {
		t.Errorf("errors = %v", only(got, "pg_scrape_collector_errors"))
	}
	f.set("max", numbers([]string{"max"}, "7"))
	f.set("$1 $2", numbers([]string{"n"}, "5"))
	f.statements()
	if got := gather(t, c, time.Second); got["w_n"] != 5 {
		t.Errorf("w_n = %v", got["w_n"])
	}
	if want, got := []string{"max", "$1 $2[0 7]"}, f.statements(); !slices.Equal(got, want) {
		t.Errorf("ran %q, want %q", got, want)
	}
}

// TestDatabases runs a query in the databases that match.
func TestDatabases(t *testing.T) {
	f := &fake{server: version15}
	list := result{fields: []postgres.Field{{Name: "datname", OID: 19}}, rows: [][]string{{"app"}, {"app_2"}, {"other"}}}
	f.set(listSQL(t, f), list)
	f.set("SELECT n", numbers([]string{"n"}, "1"))
	f.set("SELECT m", numbers([]string{"n"}, "2"))
	f.statements()
	c := postgres.New(f, parse(t, "q: {query: SELECT n, databases: 'app*', metrics: [{n: {usage: GAUGE}}]}\nm: {query: SELECT m, databases: '*', master: true, metrics: [{n: {usage: GAUGE}}]}"), postgres.Config{Labels: map[string]string{"site": "here"}})
	got := gather(t, c, time.Second)
	want := map[string]float64{
		`q_n{datname="app",server="db:5432",site="here"}`: 1, `q_n{datname="app_2",server="db:5432",site="here"}`: 1,
		`m_n{server="db:5432",site="here"}`: 2, `pg_up{site="here"}`: 1,
	}
	if diff := cmp.Diff(want, only(got, "q_", "m_", "pg_up")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	asked := f.statements()
	if !slices.Contains(asked, "app_2: SELECT n") || !slices.Contains(asked, "SELECT n") || slices.Contains(asked, "other: SELECT n") {
		t.Errorf("ran %q", asked)
	}
}

var errSyntax = &pgconn.PgError{Severity: "ERROR", Code: "42601", Message: "syntax error"}

// errReset is the error of a connection that the server has reset.
var errReset = fmt.Errorf("read: %w", syscall.ECONNRESET)

// listSQL finds out how the collector asks for databases.
func listSQL(t *testing.T, f *fake) string {
	t.Helper()
	c := postgres.New(f, parse(t, "q: {query: SELECT n, databases: '*', metrics: [{n: {usage: GAUGE}}]}"), postgres.Config{})
	gather(t, c, time.Second)
	asked := f.statements()
	if len(asked) != 1 {
		t.Fatalf("ran %q", asked)
	}
	return asked[0]
}

// TestRequires leaves a query out while its table does not exist.
func TestRequires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const exists = "SELECT pg_catalog.to_regclass('it''s') IS NOT NULL"
		f := &fake{server: version15}
		f.set("SELECT n", numbers([]string{"n"}, "1"))
		f.set(exists, numbers([]string{"e"}, "f"))
		c := postgres.New(f, parse(t, "q: {query: SELECT n, requires: \"it's\", server_label: false, metrics: [{n: {usage: GAUGE}}]}"), postgres.Config{})
		if got := only(gather(t, c, time.Second), "q_", "pg_scrape_collector"); len(got) > 0 {
			t.Errorf("without the table: %v", got)
		}
		f.set(exists, numbers([]string{"e"}, "t"))
		time.Sleep(time.Minute)
		got := only(gather(t, c, time.Second), "q_", "pg_scrape_collector_success")
		if diff := cmp.Diff(map[string]float64{"q_n": 1, `pg_scrape_collector_success{collector="q"}`: 1}, got); diff != "" {
			t.Errorf("with the table (-want +got):\n%s", diff)
		}
		f.statements()
		gather(t, c, time.Second)
		if got := f.statements(); len(got) != 1 {
			t.Errorf("asks again: %q", got)
		}
	})
}

// TestSlowestLast runs a query that was slow after the quick ones.
func TestSlowestLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{server: version15}
		slow := numbers([]string{"n"}, "1")
		slow.delay = 50 * time.Millisecond
		f.set("slow", slow)
		f.set("quick", numbers([]string{"n"}, "1"))
		c := postgres.New(f, parse(t, "a: {query: slow, metrics: [{n: {usage: GAUGE}}]}\nb: {query: quick, metrics: [{n: {usage: GAUGE}}]}"), postgres.Config{})
		for _, want := range [][]string{{"slow", "quick"}, {"quick", "slow"}} {
			gather(t, c, time.Second)
			if got := f.statements(); !slices.Equal(got, want) {
				t.Errorf("ran %q, want %q", got, want)
			}
		}
	})
}
