package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// layout says what to do with each column of a result. It is made once for a
// query and the columns its statement turned out to have, and is not changed
// afterwards.
type layout struct {
	fields []Field
	sets   []labelSet
	values []valueColumn
	flaws  problems // what is wrong whatever the rows are
	decode decoder  // instead of values
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
	declared           *Column
	oid                uint32
	family             *family
	set                int
	null               NullMode
	countNull          bool
}

// scope is what a layout depends on beside the columns.
type scope struct {
	version  Version
	server   string                // value of the server label, "" for none
	constant []labelColumn         // labels that all series of the query carry
	uses     func(name string) int // how many queries declare the metric
}

// valueType returns the type of the metric a column becomes.
func (u Usage) valueType() prometheus.ValueType {
	switch u {
	case UsageCounter:
		return prometheus.CounterValue
	case UsageUntyped:
		return prometheus.UntypedValue
	}
	return prometheus.GaugeValue
}

// newLayout binds the columns of a result to the declaration of a query.
func newLayout(q *Query, fields []Field, sc scope) (*layout, error) {
	l := &layout{fields: fields, flaws: problems{}, decode: q.decode}
	if q.decode != nil {
		l.setOf(nil, sc, q.ServerLabel)
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
		if c.Usage != UsageLabel || !c.Versions.Contains(sc.version) {
			continue
		}
		if at < 0 {
			return nil, &queryError{ReasonColumn, &FileError{c.At, fmt.Errorf("LABEL column %q is not in the result", c.Name)}}
		}
		all = append(all, labelColumn{name: c.Name, column: at})
	}
	for i := range q.Columns {
		c := &q.Columns[i]
		if c.isValue() && c.Versions.Contains(sc.version) {
			l.addDeclared(q, c, all, sc, index, used)
		}
	}
	for i, f := range fields {
		if !used[i] {
			l.addUndeclared(q, i, f, all, sc)
		}
	}
	return l, nil
}

func (l *layout) addDeclared(q *Query, c *Column, all []labelColumn, sc scope, index func(string) int, used []bool) {
	v := valueColumn{column: index(c.Name), declared: c, null: c.Null}
	need := []string{c.Name}
	if c.Usage == UsageHistogram {
		for i, part := range []*int{&v.bucket, &v.sum, &v.count} {
			name := c.Name + histogramSuffixes[i]
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
	v.family = l.newFamily(q.metricName(c), c.Help, c.Usage.valueType(), v.set, sc)
	l.values = append(l.values, v)
}

// addUndeclared makes an untyped metric of a column the file does not mention,
// if its name allows it: that is what postgres_exporter does.
func (l *layout) addUndeclared(q *Query, column int, f Field, all []labelColumn, sc scope) {
	name := q.Prefix + "_" + f.Name
	if !metricName.MatchString(name) {
		l.flaws[ReasonColumn]++
		return
	}
	taken := func(v valueColumn) bool { return v.family.name == name }
	if sc.uses(name) > 0 || slices.ContainsFunc(l.values, taken) {
		l.flaws[ReasonClash]++
		return
	}
	v := valueColumn{column: column, declared: &Column{}, oid: f.OID, null: NullSkip}
	v.set = l.setOf(all, sc, q.ServerLabel)
	v.family = l.newFamily(name, "", prometheus.UntypedValue, v.set, sc)
	v.family.shared = true
	l.values = append(l.values, v)
}

func (l *layout) newFamily(name, help string, kind prometheus.ValueType, set int, sc scope) *family {
	if help == "" {
		help = "Read by a query whose file does not describe it."
	}
	return &family{name: name, kind: kind, desc: prometheus.NewDesc(name, help, l.labelNames(set), nil), shared: sc.uses(name) > 1}
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
