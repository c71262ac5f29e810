package queryfile

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Names follow the classic grammar: every tool downstream understands it.
var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelName  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// IsMetricName reports whether a metric may have this name.
func IsMetricName(name string) bool { return metricName.MatchString(name) }

// HistogramColumns returns the columns beside a histogram column: cumulative
// counts, the sum and the number of all observations.
func HistogramColumns(name string) [3]string {
	return [3]string{name + "_bucket", name + "_sum", name + "_count"}
}

// validate checks what the parser alone cannot see: names, and keys that only
// make sense together.
func (q *Query) validate() error {
	var problems []error
	report := func(at Position, format string, args ...any) {
		problems = append(problems, &FileError{At: at, Err: fmt.Errorf(format, args...)})
	}
	switch {
	case strings.TrimSpace(q.SQL) == "":
		report(q.At, "query %q has no statement", q.Name)
	case q.Cache > 0 && q.Interval > 0:
		report(q.At, "query %q has both cache_seconds and interval", q.Name)
	case q.MaxRows < 0:
		report(q.At, "query %q: max_rows is negative", q.Name)
	case q.CursorStart != "" && q.Cursor == "":
		report(q.At, "query %q has cursor_start without cursor", q.Name)
	case q.Cursor != "" && q.PerDatabase():
		report(q.At, "query %q has both cursor and databases", q.Name)
	}
	if !metricName.MatchString(q.Prefix) {
		report(q.At, "query %q: metrics cannot start with %q", q.Name, q.Prefix)
	}
	for _, pattern := range q.Databases {
		if _, err := path.Match(pattern, ""); err != nil {
			report(q.At, "query %q: databases: pattern %q: %w", q.Name, pattern, err)
		}
	}
	if !q.Settings {
		q.validateColumns(report)
	}
	return errors.Join(problems...)
}

func (q *Query) validateColumns(report func(Position, string, ...any)) {
	seen := map[string]bool{}
	metrics := map[string]bool{}
	for i := range q.Columns {
		c := &q.Columns[i]
		if seen[c.Name] {
			report(c.At, "query %q declares column %q twice", q.Name, c.Name)
			continue
		}
		seen[c.Name] = true
		if c.Usage != UsageLabel && (c.Labels != nil || c.Usage == UsageDiscard) {
			q.validateLabels(c, report)
		}
		switch {
		case c.Usage == UsageLabel && (!labelName.MatchString(c.Name) || strings.HasPrefix(c.Name, "__")):
			report(c.At, "column %q cannot be a label", c.Name)
		case c.Usage == UsageLabel && c.Name == "server" && q.ServerLabel:
			report(c.At, `column "server": the exporter sets this label, set server_label: false to replace it`)
		case c.Usage == UsageMapped && len(c.Mapping) == 0:
			report(c.At, "column %q has no metric_mapping", c.Name)
		case q.Cursor != "" && c.IsValue() && c.Usage != UsageCounter && c.Usage != UsageHistogram:
			report(c.At, "column %q: with a cursor values are added up, so it must be COUNTER or HISTOGRAM", c.Name)
		}
		if c.IsValue() {
			name := q.MetricName(c)
			if !metricName.MatchString(name) {
				report(c.At, "column %q: %q is no metric name", c.Name, name)
			}
			if metrics[name] {
				report(c.At, "query %q has metric %q twice", q.Name, name)
			}
			metrics[name] = true
		}
	}
	if len(q.Columns) > 0 && len(metrics) == 0 {
		report(q.At, "query %q has no column with a value", q.Name)
	}
	for i := range q.Columns {
		c := &q.Columns[i]
		for _, part := range HistogramColumns(c.Name) {
			if c.Usage == UsageHistogram && seen[part] {
				report(c.At, "column %q belongs to histogram %q and needs no entry", part, c.Name)
			}
		}
	}
}

func (q *Query) validateLabels(c *Column, report func(Position, string, ...any)) {
	if c.Usage == UsageDiscard && (c.Labels != nil || c.Metric != "") {
		report(c.At, "column %q is discarded, it has no name or labels", c.Name)
	}
	for _, name := range c.Labels {
		if name != "server" && !slices.ContainsFunc(q.Columns, func(l Column) bool { return l.Usage == UsageLabel && l.Name == name }) {
			report(c.At, "column %q: label %q is no LABEL column of query %q", c.Name, name, q.Name)
		}
	}
}

// CheckNames reports queries of the same name and metrics that two queries
// declare with another type or help, which Prometheus would refuse. The
// server decides which queries of disjoint version ranges run, so those may
// share a name.
func CheckNames(queries []*Query) error {
	type claim struct {
		query *Query
		usage Usage
		help  string
	}
	var problems []error
	names := map[string]*Query{}
	metrics := map[string]claim{}
	for _, q := range queries {
		if first := names[q.Name]; first != nil {
			problems = append(problems, &FileError{At: q.At, Err: fmt.Errorf("query %q exists already at %s", q.Name, first.At)})
		}
		names[q.Name] = q
		for i := range q.Columns {
			c := &q.Columns[i]
			if !c.IsValue() {
				continue
			}
			name := q.MetricName(c)
			first, taken := metrics[name]
			switch {
			case !taken:
				metrics[name] = claim{query: q, usage: c.Usage, help: c.Help}
			case first.query == q:
			case first.usage != c.Usage:
				problems = append(problems, &FileError{At: c.At, Err: fmt.Errorf("metric %q is a %s in query %q at %s", name, first.usage, first.query.Name, first.query.At)})
			case first.help != c.Help:
				problems = append(problems, &FileError{At: c.At, Err: fmt.Errorf("metric %q has another description in query %q at %s", name, first.query.Name, first.query.At)})
			}
		}
	}
	return errors.Join(problems...)
}
