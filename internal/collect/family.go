package collect

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Family is a metric: its name, help, type and the names of its labels.
type Family struct {
	Name   string
	Help   string
	Kind   prometheus.ValueType
	Labels []string // in the order in which their values are given

	desc  *prometheus.Desc
	pairs []pair // in the order of their names
}

// pair is a label of a family: where its value comes from.
type pair struct {
	name  string
	value string // if it is the same for all samples
	from  int    // else the index of its value, or -1
}

// NewFamily declares a metric. The constant labels are part of every sample.
func NewFamily(kind prometheus.ValueType, name, help string, labels []string, constant prometheus.Labels) *Family {
	f := &Family{
		Name: name, Help: help, Kind: kind, Labels: labels,
		desc: prometheus.NewDesc(name, help, labels, constant),
	}
	for i, l := range labels {
		f.pairs = append(f.pairs, pair{name: l, from: i})
	}
	for _, l := range slices.Sorted(maps.Keys(constant)) {
		f.pairs = append(f.pairs, pair{name: l, value: constant[l], from: -1})
	}
	slices.SortFunc(f.pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	return f
}

// Families declares metrics of one collector and remembers them.
type Families struct {
	// Namespace is put in front of every name; "" leaves names as they are.
	Namespace string
	// Constant are labels of every sample.
	Constant prometheus.Labels

	all []*Family
}

// Gauge declares a metric that goes up and down.
func (f *Families) Gauge(name, help string, labels ...string) *Family {
	return f.Add(prometheus.GaugeValue, name, help, labels...)
}

// Counter declares a metric that only grows.
func (f *Families) Counter(name, help string, labels ...string) *Family {
	return f.Add(prometheus.CounterValue, name, help, labels...)
}

// Add declares a metric.
func (f *Families) Add(kind prometheus.ValueType, name, help string, labels ...string) *Family {
	one := NewFamily(kind, prometheus.BuildFQName(f.Namespace, "", name), help, labels, f.Constant)
	f.all = append(f.all, one)
	return one
}

// WithLabels returns a metric of the same name, help and type that has more
// labels, for samples that have something to say there. It is not described: to
// a registry it is the same metric.
func (f *Families) WithLabels(of *Family, labels ...string) *Family {
	return NewFamily(of.Kind, of.Name, of.Help, slices.Concat(of.Labels, labels), f.Constant)
}

// All returns what has been declared, in that order.
func (f *Families) All() []*Family { return f.all }

// Describe sends the descriptors of what has been declared.
func (f *Families) Describe(ch chan<- *prometheus.Desc) {
	for _, one := range f.all {
		ch <- one.desc
	}
}
