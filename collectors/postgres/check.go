package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/internal/session"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

// Finding is something that Check found out about a query.
type Finding struct {
	At    queryfile.Position
	Error bool // the query or a part of it does not work; else a warning
	Text  string
}

// Checked is what one run of a query showed.
type Checked struct {
	Query    *queryfile.Query
	Skipped  string // why it did not run, "" if it did
	Rows     int
	Took     time.Duration
	Series   []string // name{labels} value, in the order of the rows
	Findings []Finding
}

// Check runs each query once on a server and reports what it gives and what is
// wrong with it. It reads only, like a scrape. The error is that of a server
// which cannot be reached.
func Check(ctx context.Context, db Querier, queries []*queryfile.Query, visit func(Checked)) error {
	server, err := db.Server(ctx, "")
	if err != nil {
		return err
	}
	c := New(db, queries, Config{})
	for _, t := range c.set.Load().tasks {
		visit(c.check(ctx, t, server))
	}
	return nil
}

func (c *Collector) check(ctx context.Context, t *task, server Server) Checked {
	q := t.query
	out := Checked{Query: q}
	if !t.runsOn(server) {
		out.Skipped = "not for version " + server.Version.String()
		if server.Console {
			out.Skipped = "not for the console of a pooler, which only knows SHOW"
		}
		return out
	}
	t.running.Lock()
	defer t.running.Unlock()
	ran, _ := c.runTask(ctx, t, server)
	if errors.Is(ran.err, errNotHere) {
		out.Skipped = ran.err.Error()
		return out
	}
	out.Rows, out.Took = ran.rows, ran.took
	for i := range ran.samples {
		out.Series = append(out.Series, ran.samples[i].String())
	}
	if ran.err != nil {
		out.Findings = append(out.Findings, Finding{At: errorPosition(q, server.Version, ran.err), Error: true, Text: explain(ran.err)})
		return out
	}
	out.Findings = append(out.Findings, t.columnFindings(server.Version)...)
	for _, reason := range rowReasons {
		if n := ran.problems[reason]; n > 0 {
			out.Findings = append(out.Findings, Finding{At: q.At, Text: fmt.Sprintf(rowTexts[reason], n)})
		}
	}
	if !server.Console {
		out.Findings = append(out.Findings, c.planFindings(ctx, q, server.Version)...)
	}
	return out
}

// rowReasons are what can be wrong with rows, in the order of the findings.
var rowReasons = []Reason{ReasonDuplicate, ReasonNull, ReasonValue, ReasonUTF8, ReasonTruncated}

var rowTexts = map[Reason]string{
	ReasonDuplicate: "%d rows have the labels of an earlier one and are left out",
	ReasonNull:      "%d values are NULL and are left out (set null: to choose)",
	ReasonValue:     "%d values are no numbers and are left out",
	ReasonUTF8:      "%d labels are not UTF-8",
	ReasonTruncated: "%d times something was cut off: rows past max_rows, or a label that is too long",
}

// errorPosition returns the place in the statement the server complains about.
func errorPosition(q *queryfile.Query, v queryfile.Version, err error) queryfile.Position {
	if at := session.Position(err); at > 0 {
		return q.Position(v, at)
	}
	if own, ok := errors.AsType[*queryfile.FileError](err); ok {
		return own.At
	}
	return q.At
}

// explain puts an error in words for the author of a query file.
func explain(err error) string {
	if own, ok := errors.AsType[*queryfile.FileError](err); ok {
		return own.Err.Error()
	}
	return session.Explain(err)
}

// columnFindings compares the declared columns with those of the result.
func (t *task) columnFindings(v queryfile.Version) []Finding {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.query.Settings {
		return nil
	}
	var out []Finding
	known := map[string]bool{}
	for i := range t.query.Columns {
		c := &t.query.Columns[i]
		names := []string{c.Name}
		if c.Usage == queryfile.UsageHistogram {
			parts := queryfile.HistogramColumns(c.Name)
			names = append(names, parts[:]...)
		}
		for _, name := range names {
			known[name] = true
			if c.IsValue() && c.Versions.Contains(v) && !t.hasField(name) {
				out = append(out, Finding{At: c.At, Error: true, Text: fmt.Sprintf("column %q is not in the result", name)})
			}
		}
	}
	for _, l := range t.layouts {
		for _, f := range l.fields {
			if !known[f.Name] {
				known[f.Name] = true
				out = append(out, Finding{At: t.query.At, Text: fmt.Sprintf("column %q is not declared: it becomes untyped (DISCARD hides it)", f.Name)})
			}
		}
	}
	return out
}

func (t *task) hasField(name string) bool {
	for _, l := range t.layouts {
		if !slices.ContainsFunc(l.fields, func(f Field) bool { return f.Name == name }) {
			return false
		}
	}
	return true
}

// seqScan matches a line of a plan that reads a whole table, with its rows.
var seqScan = regexp.MustCompile(`Seq Scan on (\S+).* rows=(\d+)`)

// manyRows is from how many rows on reading a whole table is worth a warning.
const manyRows = 100_000

// planFindings warns about queries that read large tables in every scrape.
func (c *Collector) planFindings(ctx context.Context, q *queryfile.Query, v queryfile.Version) []Finding {
	if q.Interval > 0 || q.Cache > 0 {
		return nil
	}
	sql := q.Statement(v)
	var out []Finding
	_, err := c.db.Query(ctx, Statement{SQL: "EXPLAIN " + sql}, func(_ []Field, values [][]byte) {
		m := seqScan.FindStringSubmatch(string(values[0]))
		if m == nil {
			return
		}
		if rows, err := strconv.Atoi(m[2]); err == nil && rows >= manyRows {
			out = append(out, Finding{At: q.At, Text: fmt.Sprintf("every scrape reads all %d rows of %s, an interval would help", rows, m[1])})
		}
	})
	if err != nil {
		return []Finding{{At: q.At, Text: "cannot be explained: " + explain(err)}}
	}
	return out
}
