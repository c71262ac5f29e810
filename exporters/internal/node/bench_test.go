package node

import (
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
)

// BenchmarkScrape scrapes this machine with the collectors that are on by default.
func BenchmarkScrape(b *testing.B) {
	exportertest.BenchmarkScrape(b, "node_exporter", exportertest.Variant{Name: "default", Args: []string{"--web.listen-address=ADDR"}})
}
