package exporter

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// ran returns a run that has sent metrics, and returned.
func ran(metrics ...prometheus.Metric) *run {
	r := newRun("", fake(func(_ context.Context, ch chan<- prometheus.Metric) {
		for _, m := range metrics {
			ch <- m
		}
	}))
	r.collect(context.Background(), newStats("test_exporter"))
	return r
}

// textOf returns a page in a format.
func textOf(t *testing.T, p *page, as expfmt.Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.write(&b, as, true, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// formats are those that scrapers ask for.
func formats() map[string]expfmt.Format {
	all := map[string]expfmt.Format{}
	for name, accept := range map[string]string{
		"text": "", "openmetrics": "application/openmetrics-text;version=1.0.0",
		"protobuf": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
	} {
		all[name] = format(http.Header{"Accept": {accept}})
	}
	return all
}

// TestPageIsThatOfRegistry holds that samples which stay small are written as a
// registry would have them.
func TestPageIsThatOfRegistry(t *testing.T) {
	var families collect.Families
	kinds := []*collect.Family{
		families.Gauge("a_gauge", "A \\ gauge\nof \"two\" lines.", "x", "y"), families.Counter("a_total", "A counter.", "x", "y"), families.Counter("odd", "A counter.", "x", "y"),
		families.Add(prometheus.UntypedValue, "z_untyped", "Untyped.", "x", "y"), families.Gauge("alone", "One without labels."), families.Gauge("with.dots", "One in quotes.", "x", "y"),
	}
	values := []float64{0, math.Copysign(0, -1), 1, -1, 3, 999999, 1e6, 123456789, -1e6, 1e21, 0.1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64}
	more := families.WithLabels(kinds[0], "z")
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		var out collect.Output
		var shared []prometheus.Metric
		for i := range r.IntN(40) {
			x, y := fmt.Sprint(r.IntN(5)), fmt.Sprintf("ü\"%d\\n\n", i)
			out.Add(kinds[0], values[r.IntN(len(values))]*r.Float64(), x, y)
			out.Add(more, 1, x, y, "z")
			out.Since(kinds[1], 2, Built(), x, y)
			// These share their labels, as those of a row do.
			row := &collect.Sample{Family: kinds[2], Value: values[r.IntN(len(values))]}
			pair := func(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }
			row.Labels = []*dto.LabelPair{pair("x", x), pair("y", y)}
			shared = append(shared, row, &collect.Sample{Family: kinds[3], Value: 4, Labels: row.Labels})
		}
		out.Add(kinds[4], 5)
		out.Add(kinds[5], 6, "x", "y")
		metrics := shared
		for _, s := range out.Samples() {
			metrics = append(metrics, s)
		}
		metrics = append(metrics, gauge("m_slow", 1, "l", "v"))
		runs := []*run{ran(metrics[:len(metrics)/2]...), ran(metrics[len(metrics)/2:]...)}
		s := newStats("test_exporter")
		fast := s.page(runs, nil)
		if len(fast.bulks) == 0 || len(fast.families) != 1 {
			t.Fatalf("round %d: %d and %d families, want samples apart", round, len(fast.bulks), len(fast.families))
		}
		want, err := s.gather(runs, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		slow := &page{families: want}
		if fast.series() != slow.series() {
			t.Errorf("round %d: %d series, want %d", round, fast.series(), slow.series())
		}
		for name, as := range formats() {
			if diff := cmp.Diff(textOf(t, slow, as), textOf(t, fast, as)); diff != "" {
				t.Fatalf("round %d, %s (-want +got):\n%s", round, name, diff)
			}
		}
	}
}

// TestPageOfClashes holds that a registry decides where samples do not go together,
// among them or with other metrics.
func TestPageOfClashes(t *testing.T) {
	var families collect.Families
	number := func(f *collect.Family, labels ...string) prometheus.Metric {
		var out collect.Output
		out.Add(f, 1, labels...)
		return out.Samples()[0]
	}
	one := families.Gauge("one", "One.", "l")
	histogram := prometheus.MustNewConstHistogram(prometheus.NewDesc("h", "H.", nil, nil), 1, 1, map[float64]uint64{1: 1})
	broken := number(one, "text")
	broken.(*collect.Sample).Labels[0].Value = new("\xff")
	for name, metrics := range map[string][]prometheus.Metric{
		"duplicate":           {number(one, "a"), number(one, "b"), number(one, "a")},
		"without labels":      {number(families.Gauge("none", "None.")), number(families.Gauge("none", "None."))},
		"other help":          {number(one, "a"), number(families.Gauge("one", "Two.", "l"), "b")},
		"other type":          {number(one, "a"), number(families.Counter("one", "One.", "l"), "b")},
		"invalid name":        {number(families.Gauge("a name", "A.", "\xff"), "a")},
		"invalid value":       {number(one, "a"), broken},
		"name of another":     {number(one, "a"), gauge("one", 1, "l", "b")},
		"same as another":     {number(one, "a"), gauge("one", 1, "l", "a")},
		"part of a histogram": {number(families.Gauge("h_count", "H.")), histogram},
	} {
		t.Run(name, func(t *testing.T) {
			runs := []*run{ran(append(metrics, number(families.Gauge("steady", "Steady.")))...)}
			s, other := newStats("test_exporter"), newStats("test_exporter")
			got := s.page(runs, nil)
			want, err := other.gather(runs, nil, true)
			other.drop(err)
			as := formats()["text"]
			if diff := cmp.Diff(textOf(t, &page{families: want}, as), textOf(t, got, as)); diff != "" {
				t.Errorf("page (-want +got):\n%s", diff)
			}
			if a, b := value(t, s.dropped), value(t, other.dropped); a != b {
				t.Errorf("%v dropped, want %v", a, b)
			}
			if !strings.Contains(textOf(t, got, as), "steady 1") {
				t.Error("what is valid is gone, too")
			}
		})
	}
}
