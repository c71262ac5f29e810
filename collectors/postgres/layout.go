package postgres

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// layout is what to do with each column of a result. It is made once for a
// query and the columns its statement turned out to have, and is not changed
// afterwards, but for how many samples the next run is likely to have.
type layout struct {
	fields   []Field
	sets     []labelSet
	values   []valueColumn
	flaws    problems                   // what is wrong whatever the rows are
	settings *settings                  // instead of values
	keys     map[string]*collect.Family // the same
	count    *collect.Family            // the same
	expected atomic.Int64               // samples: as many as the last run had
}

// labelSet is a selection of the row's labels, in the order of their names.
type labelSet struct {
	labels []labelColumn
}

// labelColumn is a label and where it comes from: a column, or a constant.
type labelColumn struct {
	name   string
	column int // -1: constant
	value  string
}

// valueColumn is a column, or the four columns of a histogram, that becomes a
// metric.
type valueColumn struct {
	column             int
	bucket, sum, count int // of a histogram
	declared           *queryfile.Column
	oid                uint32
	family             *collect.Family
	shared             bool // another query may have the same metric
	set                int
	null               queryfile.NullMode
	countNull          bool
}

// scope is what a layout depends on beside the columns.
type scope struct {
	version  queryfile.Version
	server   string                // value of the server label, "" for none
	constant []labelColumn         // labels that all series of the query carry
	uses     func(name string) int // how many queries declare the metric
	console  bool                  // of a pooler, whose statements cannot name columns
}

// valueType returns the type of the metric a column becomes.
func valueType(u queryfile.Usage) prometheus.ValueType {
	switch u {
	case queryfile.UsageCounter:
		return prometheus.CounterValue
	case queryfile.UsageUntyped:
		return prometheus.UntypedValue
	}
	return prometheus.GaugeValue
}

// newLayout binds the columns of a result to the declaration of a query.
func newLayout(q *queryfile.Query, fields []Field, sc scope) (*layout, error) {
	l := &layout{fields: fields, flaws: problems{}}
	if q.Settings {
		l.settings = &settings{}
		l.setOf(nil, sc, q.ServerLabel)
		return l, nil
	}
	if q.Keys != nil {
		l.setOf(nil, sc, false)
		l.keys = map[string]*collect.Family{}
		for name, c := range q.Keys {
			l.keys[name] = l.newFamily(c.Metric, c.Help, prometheus.GaugeValue, 0)
		}
		return l, nil
	}
	index := func(name string) int {
		return slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
	}
	used := make([]bool, len(fields))
	var all []labelColumn
	for i := range q.Columns {
		c := &q.Columns[i]
		at := index(c.Name)
		if at >= 0 {
			used[at] = true
		}
		if c.Usage != queryfile.UsageLabel || !c.Versions.Contains(sc.version) {
			continue
		}
		if at < 0 {
			return nil, &collect.Error{Reason: ReasonColumn, Err: &queryfile.FileError{At: c.At, Err: fmt.Errorf("LABEL column %q is not in the result", c.Name)}}
		}
		all = append(all, labelColumn{name: c.Name, column: at})
	}
	if q.Count.Metric != "" {
		l.count = l.newFamily(q.Count.Metric, q.Count.Help, prometheus.GaugeValue, l.setOf(all, sc, false))
	}
	for i := range q.Columns {
		c := &q.Columns[i]
		if c.IsValue() && c.Versions.Contains(sc.version) {
			l.addDeclared(q, c, all, sc, index, used)
		}
	}
	if q.Console {
		l.flaws = problems{}
		return l, nil
	}
	for i, f := range fields {
		if !used[i] {
			l.addUndeclared(q, i, f, all, sc)
		}
	}
	return l, nil
}

func (l *layout) addDeclared(q *queryfile.Query, c *queryfile.Column, all []labelColumn, sc scope, index func(string) int, used []bool) {
	v := valueColumn{column: index(c.Name), declared: c, null: c.Null}
	need := []string{c.Name}
	if c.Usage == queryfile.UsageHistogram {
		names := queryfile.HistogramColumns(c.Name)
		for i, part := range []*int{&v.bucket, &v.sum, &v.count} {
			name := names[i]
			if *part = index(name); *part >= 0 {
				used[*part] = true
			}
			need = append(need, name)
		}
	}
	for _, name := range need {
		if index(name) < 0 {
			l.flaws[ReasonColumn]++
			return
		}
	}
	if v.null == "" {
		v.null, v.countNull = q.Null, q.NullIsError
	}
	labels := all
	withServer := q.ServerLabel
	if c.Labels != nil {
		withServer = slices.Contains(c.Labels, "server")
		labels = nil
		for _, one := range all {
			if slices.Contains(c.Labels, one.name) {
				labels = append(labels, one)
			}
		}
	}
	v.oid = l.fields[v.column].OID
	v.set = l.setOf(labels, sc, withServer)
	name := q.MetricName(c)
	v.family, v.shared = l.newFamily(name, c.Help, valueType(c.Usage), v.set), sc.uses(name) > 1
	l.values = append(l.values, v)
}

// addUndeclared makes an untyped metric of a column the file does not mention,
// if its name allows it: that is what postgres_exporter does.
func (l *layout) addUndeclared(q *queryfile.Query, column int, f Field, all []labelColumn, sc scope) {
	const text = 25 // the OID of that type
	if sc.console && f.OID == text {
		return
	}
	name := q.Prefix + "_" + f.Name
	if !queryfile.IsMetricName(name) {
		l.flaws[ReasonColumn]++
		return
	}
	taken := func(v valueColumn) bool { return v.family.Name == name }
	if sc.uses(name) > 0 || slices.ContainsFunc(l.values, taken) {
		l.flaws[ReasonClash]++
		return
	}
	v := valueColumn{column: column, declared: &queryfile.Column{}, oid: f.OID, null: queryfile.NullSkip}
	v.set = l.setOf(all, sc, q.ServerLabel)
	v.family, v.shared = l.newFamily(name, "", prometheus.UntypedValue, v.set), true
	l.values = append(l.values, v)
}

func (l *layout) newFamily(name, help string, kind prometheus.ValueType, set int) *collect.Family {
	if help == "" {
		help = "Read by a query whose file does not describe it."
	}
	return collect.NewFamily(kind, name, help, l.labelNames(set), nil)
}

// labelNames returns the names of the labels of a set.
func (l *layout) labelNames(set int) []string {
	var names []string
	for _, label := range l.sets[set].labels {
		names = append(names, label.name)
	}
	return names
}

// setOf returns the index of the set of the given labels and the constant ones.
// A label of the row hides a constant one of the same name.
func (l *layout) setOf(labels []labelColumn, sc scope, withServer bool) int {
	labels = slices.Clone(labels)
	constants := sc.constant
	if withServer && sc.server != "" {
		constants = append(slices.Clone(constants), labelColumn{name: "server", column: -1, value: sc.server})
	}
	for _, constant := range constants {
		if !slices.ContainsFunc(labels, func(o labelColumn) bool { return o.name == constant.name }) {
			labels = append(labels, constant)
		}
	}
	slices.SortFunc(labels, func(a, b labelColumn) int { return strings.Compare(a.name, b.name) })
	for i, set := range l.sets {
		if slices.Equal(set.labels, labels) {
			return i
		}
	}
	l.sets = append(l.sets, labelSet{labels: labels})
	return len(l.sets) - 1
}
