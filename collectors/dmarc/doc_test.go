package dmarc_test

import (
	"testing"
	"time"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// TestMetricsDoc keeps docs/metrics/dmarc.md equal to the collectors.
func TestMetricsDoc(t *testing.T) {
	sources := func() []collector.Source {
		return []collector.Source{{
			Name: "dir:/reports", LastSuccess: time.Unix(1, 0), Inputs: map[string]uint64{"counted": 1},
			Listener: &collector.Listener{Rejections: map[string]uint64{"idle": 1}},
		}}
	}
	state := filled(t)
	if err := state.SetDomains(t.Context(), nil, tally.Tenant{Name: "acme", Domains: []string{"shop.example"}, Series: 100}); err != nil {
		t.Fatal(err)
	}
	c := collector.New(state, collector.Config{Leads: func() bool { return true }, Sources: sources})
	d := collector.NewDNS(zone{"_dmarc.example.com.": {"v=DMARC1; p=none"}}, []string{"example.com"}, collector.DNSConfig{})
	d.Lookup(t.Context())
	metrictest.MetricsDoc(t, "Metrics of dmarc_exporter", "../../docs/metrics/dmarc.md", c, d)
}
