package dmarc_test

import (
	"testing"
	"time"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// TestMetricsDoc keeps docs/metrics/dmarc.md equal to the collector.
func TestMetricsDoc(t *testing.T) {
	sources := func() []collector.Source {
		return []collector.Source{{Name: "dir:/reports", LastSuccess: time.Unix(1, 0), Inputs: map[string]uint64{"counted": 1}}}
	}
	c := collector.New(filled(t), collector.Config{Sources: sources})
	metrictest.MetricsDoc(t, "Metrics of dmarc_exporter", "../../docs/metrics/dmarc.md", c)
}
