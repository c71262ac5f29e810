package postgres_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// queryCase is a query file and everything it must lead to.
type queryCase struct {
	name   string
	query  string   // the entry called q
	series []string // "labels value" of q_*, without server
	errors []string // "reason count"
	failed bool
	// direct are the errors where the statement is run without being prepared
	// first, if they differ.
	direct []string
	// costly is set for a case that is enough to run once.
	costly bool
}

const two = `
  metrics:
    - a: {usage: LABEL}
    - n: {usage: GAUGE}`

var queryCases = []queryCase{
	{
		name:   "duplicate rows",
		query:  `query: SELECT * FROM (VALUES ('x', 1), ('y', 2), ('x', 3)) AS t (a, n)` + two,
		series: []string{`q_n{a="x"} 1`, `q_n{a="y"} 2`}, errors: []string{"duplicate 1"},
	},
	{
		name:   "NULL and empty labels are the same",
		query:  `query: SELECT * FROM (VALUES (NULL, 1), ('', 2), ('y', 3)) AS t (a, n)` + two,
		series: []string{`q_n{a=""} 1`, `q_n{a="y"} 3`}, errors: []string{"duplicate 1"},
	},
	{
		name:   "NULL value is skipped and counted",
		query:  `query: SELECT * FROM (VALUES ('x', NULL), ('y', 2)) AS t (a, n)` + two,
		series: []string{`q_n{a="y"} 2`}, errors: []string{"null 1"},
	},
	{
		name: "NULL value as the file wants it",
		query: `
  query: SELECT * FROM (VALUES (NULL::int, NULL::int, NULL::int)) AS t (a, b, c)
  "null": skip
  metrics: [{a: {usage: GAUGE, "null": zero}}, {b: {usage: COUNTER, "null": nan}}, {c: {usage: GAUGE}}]`,
		series: []string{`q_a 0`, `q_b NaN`},
	},
	{
		name:   "text is no number, the rest is shown",
		query:  `query: SELECT * FROM (VALUES ('x', 'many'), ('y', ' 2 ')) AS t (a, n)` + two,
		series: []string{`q_n{a="y"} 2`}, errors: []string{"value 1"},
	},
	{
		name:   "NaN and infinity pass",
		query:  `query: SELECT * FROM (VALUES ('x', 'NaN'::float8), ('y', '-Infinity')) AS t (a, n)` + two,
		series: []string{`q_n{a="x"} NaN`, `q_n{a="y"} -Inf`},
	},
	{
		name: "types",
		query: `
  query: >
    SELECT true AS bool, interval '1 day 1.5 seconds' AS pause, timestamptz '2026-01-02 03:04:05+02' AS at,
      timestamp '1970-01-01 00:01:00' AS local, 12345678901.25::numeric AS exact, 4611686018427387904::bigint AS big, '16/B374D848'::pg_lsn AS lsn
  metrics: [{bool: {usage: GAUGE}}, {pause: {usage: GAUGE}}, {at: {usage: GAUGE}}, {local: {usage: GAUGE}}, {exact: {usage: COUNTER}}, {big: {usage: COUNTER}}, {lsn: {usage: GAUGE}}]`,
		series: []string{`q_at 1.767315845e+09`, `q_big 4.611686018427388e+18`, `q_bool 1`, `q_exact 1.234567890125e+10`, `q_local 60`, `q_lsn 9.7500059720e+10`, `q_pause 86401.5`},
	},
	{
		name: "mapped, duration, discarded",
		query: `
  query: SELECT 'open' AS mode, 'ajar' AS other, '1m30s' AS pause, interval '2 s' AS rest, 'x' AS note
  metrics:
    - mode: {usage: MAPPEDMETRIC, metric_mapping: {open: 1, closed: 0}}
    - other: {usage: MAPPEDMETRIC, metric_mapping: {open: 1, closed: 0}}
    - pause: {usage: DURATION}
    - rest: {usage: DURATION}
    - note: {usage: DISCARD}`,
		series: []string{`q_mode 1`, `q_pause_milliseconds 90000`, `q_rest_milliseconds 2000`}, errors: []string{"value 1"},
	},
	{
		name: "histogram",
		query: `
  query: SELECT 'x' AS a, ARRAY[0.5, 1, 'Infinity'::float8] AS s, ARRAY[1, 3, 4] AS s_bucket, 7.5 AS s_sum, 4 AS s_count
  metrics: [{a: {usage: LABEL}}, {s: {usage: HISTOGRAM}}]`,
		series: []string{`q_s_bucket{a="x",le="0.5"} 1`, `q_s_bucket{a="x",le="1"} 3`, `q_s_count{a="x"} 4`, `q_s_sum{a="x"} 7.5`},
	},
	{
		name: "what is no histogram is not shown as one",
		query: `
  query: >
    SELECT * FROM (VALUES ('short', ARRAY[1, 2], ARRAY[1], 1, 1), ('shrinks', ARRAY[1, 2], ARRAY[2, 1], 1, 2),
      ('unsorted', ARRAY[2, 1], ARRAY[1, 2], 1, 2), ('over', ARRAY[1], ARRAY[3], 1, 2), ('null', NULL, NULL, 0, 0)) AS t (a, s, s_bucket, s_sum, s_count)
  metrics: [{a: {usage: LABEL}}, {s: {usage: HISTOGRAM}}]`,
		errors: []string{"null 1", "value 4"},
	},
	{
		name:   "label column is not in the result",
		query:  `query: SELECT 1 AS n` + two,
		errors: []string{"column 1"}, failed: true,
	},
	{
		name: "value column is not in the result, the rest is shown",
		query: `
  query: SELECT 1 AS n
  metrics: [{n: {usage: GAUGE}}, {m: {usage: GAUGE}}]`,
		series: []string{`q_n 1`}, errors: []string{"column 1"},
	},
	{
		name: "columns the file does not mention are untyped",
		query: `
  query: SELECT 1 AS n, 2 AS m, 'x' AS t, 3 AS "?"
  metrics: [{n: {usage: GAUGE}}]`,
		series: []string{`q_m 2`, `q_n 1`}, errors: []string{"column 1", "value 1"},
	},
	{
		name: "an undeclared column does not take a name that is taken",
		query: `
  query: SELECT 1 AS n, 2 AS m
  metrics: [{n: {usage: GAUGE, name: q_m}}]`,
		series: []string{`q_m 1`}, errors: []string{"clash 1"},
	},
	{
		name:   "no rows",
		query:  `query: SELECT 'x' AS a, 1 AS n WHERE false` + two,
		series: nil,
	},
	{
		name:   "too many rows",
		query:  "max_rows: 2\n  query: SELECT i::text AS a, i AS n FROM generate_series(1, 100000) AS i" + two,
		series: []string{`q_n{a="1"} 1`, `q_n{a="2"} 2`}, errors: []string{"truncated 1"},
	},
	{
		name:   "exactly as many rows as allowed",
		query:  "max_rows: 2\n  query: SELECT i::text AS a, i AS n FROM generate_series(1, 2) AS i" + two,
		series: []string{`q_n{a="1"} 1`, `q_n{a="2"} 2`},
	},
	{
		name:   "a label that is too long",
		query:  `query: SELECT repeat('é', 1000) AS a, 1 AS n` + two,
		series: []string{`q_n{a="` + strings.Repeat("é", 512) + `"} 1`}, errors: []string{"truncated 1"},
	},
	{name: "missing table", query: `query: SELECT * FROM nothing` + two, errors: []string{"undefined 1"}, failed: true},
	{name: "missing column", query: `query: SELECT nothing FROM written` + two, errors: []string{"undefined 1"}, failed: true},
	{name: "syntax", query: `query: SELEKT 1` + two, errors: []string{"syntax 1"}, failed: true},
	{name: "several commands", query: `query: SELECT 1 AS a, 1 AS n; DELETE FROM written` + two, errors: []string{"syntax 1"}, failed: true},
	{name: "division by zero", query: `query: SELECT 'x' AS a, 1/0 AS n` + two, errors: []string{"server 1"}, failed: true},
	{name: "fails after some rows", query: `query: SELECT 'x' AS a, 1/(3-i) AS n FROM generate_series(1, 5) AS i` + two, errors: []string{"server 1"}, failed: true},
	{name: "timeout", query: "timeout: 50ms\n  query: SELECT 'x' AS a, 1 AS n FROM pg_sleep(30)" + two, errors: []string{"timeout 1"}, failed: true},
	{name: "update", query: `query: UPDATE written SET n = n + 1` + two, errors: []string{"syntax 1"}, direct: []string{"read_only 1"}, failed: true},
	{name: "update returning", query: `query: UPDATE written SET n = n + 1 RETURNING 'x' AS a, n` + two, errors: []string{"read_only 1"}, failed: true},
	{name: "insert in a common table expression", query: `query: WITH w AS (INSERT INTO written VALUES (1) RETURNING n) SELECT 'x' AS a, n FROM w` + two, errors: []string{"read_only 1"}, failed: true},
	{name: "function that writes", query: `query: SELECT 'x' AS a, write() AS n` + two, errors: []string{"read_only 1"}, failed: true},
	{name: "set", query: `query: SET default_transaction_read_only = off` + two, errors: []string{"syntax 1"}, failed: true},
	{name: "copy out", query: `query: COPY written TO STDOUT` + two, errors: []string{"syntax 1"}, failed: true},
	{name: "copy in", query: `query: COPY written FROM STDIN` + two, errors: []string{"syntax 1"}, direct: []string{"read_only 1"}, failed: true},
	{name: "begin", query: `query: BEGIN` + two, errors: []string{"syntax 1"}, failed: true},
	{
		name:   "a session that was made writable is not used again",
		query:  `query: SELECT set_config('default_transaction_read_only', 'off', false) AS a, 1 AS n` + two,
		series: []string{`q_n{a="off"} 1`},
	},
	{name: "write after that", query: `query: SELECT 'x' AS a, write() AS n` + two, errors: []string{"read_only 1"}, failed: true},
	{name: "row that is too large", query: `query: SELECT repeat('x', 20000000) AS a, 1 AS n` + two, errors: []string{"truncated 1"}, failed: true, costly: true},
	{name: "after that", query: `query: SELECT 'x' AS a, 1 AS n` + two, series: []string{`q_n{a="x"} 1`}},
	{name: "version too old", query: "min_version: 99\n  query: SELEKT" + two},
	{name: "version in range", query: "runonserver: \">=9.0.0 <99.0.0\"\n  query: SELECT 'x' AS a, 1 AS n" + two, series: []string{`q_n{a="x"} 1`}},
	{
		name: "column of another version",
		query: `
  query: SELECT 1 AS n
  metrics: [{n: {usage: GAUGE}}, {m: {usage: GAUGE, pg_version: ">=99.0.0"}}, {l: {usage: LABEL, pg_version: "<9.0.0"}}]`,
		series: []string{`q_n 1`},
	},
	{
		name: "metrics with some of the labels",
		query: `
  query: SELECT * FROM (VALUES ('x', 'b', 1, 5), ('y', 'b', 2, NULL)) AS t (a, b, n, m)
  metrics: [{a: {usage: LABEL}}, {b: {usage: LABEL}}, {n: {usage: GAUGE}}, {m: {usage: GAUGE, labels: [b], name: q_by_b, "null": skip}}]`,
		series: []string{`q_by_b{b="b"} 5`, `q_n{a="x",b="b"} 1`, `q_n{a="y",b="b"} 2`},
	},
}

// testQueries runs each case next to a healthy query, all on one set of
// sessions.
func testQueries(t *testing.T, server *realtest.PostgresServer) {
	runCases(t, server, server.DSN(writableDatabase(t, server)), postgres.SessionsConfig{}, false)
}

func (tt queryCase) run(t *testing.T, db postgres.Querier, direct bool) {
	t.Helper()
	file := "q:\n  " + strings.TrimPrefix(tt.query, "\n  ") + "\n  server_label: false\nother:\n  query: SELECT 1 AS n\n  metrics: [{n: {usage: GAUGE}}]\n  server_label: false\n"
	c := postgres.New(db, parse(t, file), postgres.Config{})
	got := gather(t, c, realtest.Patience)
	want := map[string]float64{"other_n": 1, "pg_up": 1}
	for _, s := range tt.series {
		put(t, want, s)
	}
	errors := tt.errors
	if direct && tt.direct != nil {
		errors = tt.direct
	}
	for _, e := range errors {
		reason, count, _ := strings.Cut(e, " ")
		put(t, want, `pg_scrape_collector_errors_total{collector="q",reason="`+reason+`"} `+count)
	}
	if len(tt.series)+len(tt.errors) > 0 || tt.name == "no rows" {
		put(t, want, `pg_scrape_collector_success{collector="q"} `+map[bool]string{true: "0", false: "1"}[tt.failed])
	}
	put(t, want, `pg_scrape_collector_success{collector="other"} 1`)
	if diff := cmp.Diff(want, only(got, "q_", "other_", "pg_up", "pg_scrape_collector_errors", "pg_scrape_collector_success"), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

// testLatin1 reads texts that are not UTF-8, which a database without an
// encoding of its own hands out as they are.
func testLatin1(t *testing.T, server *realtest.PostgresServer) {
	server.SQL(t, "postgres", "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
	server.SQL(t, "ascii", `CREATE TABLE t AS SELECT convert_from('\x63616680', 'SQL_ASCII') AS a, 1 AS n`)
	sessions := open(t, server.DSN("ascii"), postgres.SessionsConfig{})
	queryCase{
		query:  `query: SELECT a, n FROM t` + two,
		series: []string{"q_n{a=\"caf\uFFFD\"} 1"}, errors: []string{"utf8 1"},
	}.run(t, sessions, false)
}

// testSchemaChange alters a table under a prepared statement.
func testSchemaChange(t *testing.T, server *realtest.PostgresServer) {
	server.CreateDatabase(t, "altered", "CREATE TABLE t (a text, n int); INSERT INTO t VALUES ('x', 1)")
	c := postgres.New(open(t, server.DSN("altered"), postgres.SessionsConfig{}), parse(t, "q:\n  query: SELECT * FROM t\n  server_label: false"+two+"\n"), postgres.Config{})
	want := map[string]float64{`q_n{a="x"}`: 1}
	for _, change := range []string{"SELECT 1", "ALTER TABLE t ADD COLUMN b int", "ALTER TABLE t DROP COLUMN b, ALTER COLUMN n TYPE numeric", "DEALLOCATE ALL"} {
		server.SQL(t, "altered", change)
		if diff := cmp.Diff(want, only(gather(t, c, realtest.Patience), "q_n", "pg_scrape_collector_errors")); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", change, diff)
		}
	}
}

// testSharedNames has two queries with the same metric, one of them with a
// series that the other has as well.
func testSharedNames(t *testing.T, server *realtest.PostgresServer) {
	const file = `
one: {query: "SELECT 'x' AS a, 1 AS n", server_label: false, metrics: [{a: {usage: LABEL}}, {n: {usage: GAUGE, name: shared}}]}
two: {query: "SELECT * FROM (VALUES ('x', 2), ('y', 3)) AS t (a, n)", server_label: false, metrics: [{a: {usage: LABEL}}, {n: {usage: GAUGE, name: shared}}]}
`
	c := postgres.New(open(t, server.DSN("postgres"), postgres.SessionsConfig{}), parse(t, file), postgres.Config{})
	got := only(gather(t, c, realtest.Patience), "shared", "pg_scrape_collector_errors")
	delete(got, `shared{a="x"}`) // Which of the two comes first depends on their speed.
	var duplicates float64
	for name, value := range only(got, "pg_scrape_collector_errors") {
		duplicates += value
		delete(got, name)
	}
	if diff := cmp.Diff(map[string]float64{`shared{a="y"}`: 3}, got); diff != "" || duplicates != 1 {
		t.Errorf("%v duplicates, series (-want +got):\n%s", duplicates, diff)
	}
}

// testSelect runs parts of the queries.
func testSelect(t *testing.T, server *realtest.PostgresServer) {
	const file = `
a: {query: SELECT 1 AS n, server_label: false, metrics: [{n: {usage: GAUGE}}]}
b: {query: SELECT 2 AS n, server_label: false, metrics: [{n: {usage: GAUGE}}]}
`
	c := postgres.New(open(t, server.DSN("postgres"), postgres.SessionsConfig{}), parse(t, file), postgres.Config{})
	tests := []struct {
		collect, exclude []string
		want             map[string]float64
	}{
		{nil, nil, map[string]float64{"a_n": 1, "b_n": 2}},
		{[]string{"b"}, nil, map[string]float64{"b_n": 2}},
		{nil, []string{"b"}, map[string]float64{"a_n": 1}},
		{[]string{"a", "b"}, []string{"a"}, map[string]float64{"b_n": 2}},
		{[]string{"c"}, nil, map[string]float64{}},
	}
	for _, tt := range tests {
		selection := c.Select(tt.collect, tt.exclude)
		if diff := cmp.Diff(tt.want, only(gather(t, selection, 10*time.Second), "a_", "b_")); diff != "" {
			t.Errorf("Select(%q, %q) (-want +got):\n%s", tt.collect, tt.exclude, diff)
		}
	}
	if c.Select([]string{"a", "b"}, nil) != c.Select([]string{"b", "a", "b"}, nil) {
		t.Error("equal selections differ")
	}
}

// put parses "series value" into m.
func put(t *testing.T, m map[string]float64, line string) {
	t.Helper()
	i := strings.LastIndexByte(line, ' ')
	value, err := strconv.ParseFloat(line[i+1:], 64)
	if err != nil {
		t.Fatal(err)
	}
	m[line[:i]] = value
}
