package metrictest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// MetricsDoc compares a reference of the metrics that cs expose, a table in
// Markdown under the heading title, with file. With -update it writes the file.
// cs should expose every metric they have at least once.
func MetricsDoc(t testing.TB, title, file string, cs ...prometheus.Collector) {
	t.Helper()
	reg := prometheus.NewRegistry()
	for _, c := range cs {
		if err := reg.Register(c); err != nil {
			t.Fatalf("register: %v", err)
		}
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	File(t, metricsDoc(title, families), file)
}

func metricsDoc(title string, families []*dto.MetricFamily) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n<!-- Generated from the collectors by `make generate`. Do not edit. -->\n\n", title)
	b.WriteString("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, f := range families {
		help := strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "\n", " ").Replace(f.GetHelp())
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), labels(f), help)
	}
	return b.Bytes()
}

// labels returns the names of the labels that the series of f have.
func labels(f *dto.MetricFamily) string {
	set := map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			set["`"+l.GetName()+"`"] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}
