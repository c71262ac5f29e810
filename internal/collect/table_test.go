package collect

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// in is what the metrics of example are made of.
type in struct {
	n    int
	name string
}

var example = []Row[in]{
	{"shop_up", "Whether the shop is open.", prometheus.GaugeValue, nil, func(i in, s Series) { s.Flag(i.n > 0) }},
	{"shop_orders_total", "Orders by name.", prometheus.CounterValue, []string{"name", "a"}, func(i in, s Series) {
		s.Since(float64(i.n), time.Unix(1_700_000_000, 0), i.name, "first")
		s.Value(2, "another", "second")
	}},
	{"shop_size", "Size of something.", prometheus.UntypedValue, nil, func(_ in, s Series) { s.Value(7) }},
	{"shop_seconds", "Times of orders.", 0, []string{"name"}, func(i in, s Series) {
		s.Histogram(Buckets(3, 1.5, map[float64]uint64{1: 2, 0.1: 1}, time.Time{}), i.name)
	}},
}

type exampleCollector struct{ *Table[in] }

func (e exampleCollector) Collect(ch chan<- prometheus.Metric) {
	e.Table.Collect(in{n: 3, name: "bad \xff"}, ch)
}

func TestTable(t *testing.T) {
	c := exampleCollector{NewTable(example, prometheus.Labels{"branch": "north"})}
	metrictest.Golden(t, c, filepath.Join("testdata", "table.prom"))
}

func TestSamples(t *testing.T) {
	families := Families{Namespace: "shop"}
	gauge, summary := families.Gauge("gauge", "A gauge."), families.Add(0, "summary", "A summary.", "name")
	var o, other Output
	for i := range 2 * block { // Blocks are used up on the way.
		o.Add(gauge, float64(i))
	}
	other.Summary(summary, 2, 3, map[float64]float64{0.9: 2, 0.5: 1}, "a")
	o.Join(&other)
	for i, s := range o.Samples()[:2*block] {
		if s.Value != float64(i) {
			t.Fatalf("sample %d is %v", i, s.Value)
		}
	}
	var m dto.Metric
	if err := o.Samples()[2*block].Write(&m); err != nil {
		t.Fatal(err)
	}
	if q := m.GetSummary().GetQuantile(); len(q) != 2 || q[0].GetQuantile() != 0.5 || m.GetLabel()[0].GetValue() != "a" {
		t.Errorf("the summary is %v", &m)
	}
}
