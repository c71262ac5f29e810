package redis

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// moduleMetrics are what modules write into INFO MODULES.
type moduleMetrics struct{ fields fieldMetrics }

func newModuleMetrics(t *collect.Families) moduleMetrics {
	m := moduleMetrics{fieldMetrics{}}
	m.fields.add(t, prometheus.GaugeValue, moduleGauges)
	m.fields.add(t, prometheus.CounterValue, moduleCounters)
	return m
}

// write writes INFO MODULES.
func (m *moduleMetrics) write(s *scrape, replies []reply) error {
	text, err := replies[0].text()
	if err != nil {
		return err
	}
	m.fields.writeOf(s, parseInfo(text))
	return nil
}
