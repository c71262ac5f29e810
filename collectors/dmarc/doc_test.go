package dmarc

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// TestMetricsDoc keeps docs/metrics/dmarc.md equal to the table.
func TestMetricsDoc(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Metrics of dmarc_exporter\n\nWritten by `make generate` from the table in `collectors/dmarc`.\n\n| metric | type | labels | |\n|---|---|---|---|\n")
	for _, r := range table() {
		kind := "gauge"
		if r.kind == prometheus.CounterValue {
			kind = "counter"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.name, kind, strings.Join(r.labels, ", "), r.help)
	}
	metrictest.File(t, b.Bytes(), "../../docs/metrics/dmarc.md")
}
