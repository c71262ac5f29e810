package queryfile

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// Usage is what a column of a result becomes.
type Usage string

// The usages of the query file format.
const (
	UsageLabel     Usage = "LABEL"
	UsageCounter   Usage = "COUNTER"
	UsageGauge     Usage = "GAUGE"
	UsageHistogram Usage = "HISTOGRAM"    // an array of bounds; _bucket, _sum and _count columns beside it
	UsageMapped    Usage = "MAPPEDMETRIC" // a text that metric_mapping turns into a number
	UsageDuration  Usage = "DURATION"     // a duration, exported in milliseconds with that suffix
	UsageDiscard   Usage = "DISCARD"
	UsageUntyped   Usage = "UNTYPED" // what a column the file does not mention becomes
)

var usages = []string{
	string(UsageLabel), string(UsageCounter), string(UsageGauge), string(UsageHistogram),
	string(UsageMapped), string(UsageDuration), string(UsageDiscard), string(UsageUntyped),
}

// NullMode is what a NULL in a value column becomes.
type NullMode string

// The modes of a NULL. The empty mode of a column is the mode of its query.
const (
	NullSkip NullMode = "skip" // no sample; counted as an error unless said so in the file
	NullZero NullMode = "zero"
	NullNaN  NullMode = "nan"
)

var nullModes = []string{string(NullSkip), string(NullZero), string(NullNaN)}

// Position is a place in a query file. Lines and columns count from 1.
type Position struct {
	File string
	Line int
	Col  int
}

// String returns file:line:col, as editors understand it.
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Query is one entry of a query file: a statement and what its columns mean.
// It is made by Parse and not changed afterwards.
type Query struct {
	Name    string // the key in the file; the collector label of the query's own metrics
	Prefix  string // what metric names start with: metrics_prefix or Name
	SQL     string
	Columns []Column
	At      Position

	Alternatives []Alternative // statements for some servers instead of SQL, the first that fits
	Requires     []string      // relations without which the query is left out

	Master      bool          // only in the database the target names, not in discovered ones
	Versions    Range         // servers it runs on
	Databases   []string      // patterns of further databases to run in; nil: only the target's own
	Cache       time.Duration // a result younger than this is shown again
	Interval    time.Duration // 0: run at every scrape; else in the background, and like Cache without Run
	Timeout     time.Duration // 0: as long as the scrape lasts
	MaxRows     int           // 0: the collector's default
	Null        NullMode
	NullIsError bool   // whether a skipped NULL is counted: unless null is given
	Cursor      string // a statement for the upper bound $2 of windows whose results are added up; "": none
	CursorStart string // the first lower bound $1; "": the first upper bound
	ServerLabel bool   // whether series carry the server label

	// Settings is set where the columns are name, setting and unit of
	// pg_settings and each row is a metric of its own, whose name cannot be
	// declared. Only the core pack has such queries.
	Settings bool
	// SkipsLocked is set where the statement leaves out locked relations, so that
	// it is worth another try when a lock came in between. Only the core pack has
	// such queries.
	SkipsLocked bool

	// Console is set where the statement is one for the admin console of PgBouncer.
	// Only its pack has such queries. Their columns may be missing, and others there.
	Console bool
	// Keys are the metrics of a result whose rows are a name and a number, by name.
	Keys map[string]Column
	// Count is a metric that counts the rows with the same labels.
	Count Column

	source sqlSource
}

// Alternative is a statement for some versions of the server.
type Alternative struct {
	Versions Range
	SQL      string

	source sqlSource
}

// Statement returns the SQL for a version of the server.
func (q *Query) Statement(v Version) string {
	sql, _ := q.statement(v)
	return sql
}

// statement returns the SQL for a version and where it stands.
func (q *Query) statement(v Version) (sql string, source sqlSource) {
	for i := range q.Alternatives {
		if a := &q.Alternatives[i]; a.Versions.Contains(v) {
			return a.SQL, a.source
		}
	}
	return q.SQL, q.source
}

// Column is what one column of a result becomes.
type Column struct {
	Name     string
	Usage    Usage
	Help     string
	Metric   string             // the full metric name; "": prefix and column name
	Labels   []string           // the label columns, and "server", this metric carries; nil: those of the query
	Null     NullMode           // "": as the query
	Mapping  map[string]float64 // of UsageMapped
	Factor   float64            // that a value is multiplied by; 0: 1
	Versions Range              // servers on which the column is expected
	At       Position
}

// MetricName returns the name of the metric a value column of q becomes.
func (q *Query) MetricName(c *Column) string {
	switch {
	case c.Metric != "":
		return c.Metric
	case c.Usage == UsageDuration:
		return q.Prefix + "_" + c.Name + "_milliseconds"
	}
	return q.Prefix + "_" + c.Name
}

// IsValue reports whether the column becomes a metric.
func (c *Column) IsValue() bool { return c.Usage != UsageLabel && c.Usage != UsageDiscard }

// PerDatabase reports whether the query runs in discovered databases, too.
func (q *Query) PerDatabase() bool { return len(q.Databases) > 0 && !q.Master }

// Files are the queries of some files.
type Files struct {
	Queries []*Query
	Sums    []FileSum // one for each file, in the order read
}

// FileSum identifies the content of a query file.
type FileSum struct {
	Name   string
	SHA256 string // hexadecimal
}

// Same reports whether two queries mean the same, wherever they stand.
func (q *Query) Same(other *Query) bool {
	return reflect.DeepEqual(q.placeless(), other.placeless())
}

func (q *Query) placeless() Query {
	p := *q
	p.At, p.source = Position{}, sqlSource{}
	p.Alternatives = slices.Clone(p.Alternatives)
	for i := range p.Alternatives {
		p.Alternatives[i].source = sqlSource{}
	}
	p.Columns = slices.Clone(p.Columns)
	for i := range p.Columns {
		p.Columns[i].At = Position{}
	}
	return p
}
