package nginx

import (
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// BenchmarkScrape scrapes stub_status of a real nginx.
func BenchmarkScrape(b *testing.B) {
	server := realtest.Nginx(b, "server { listen 127.0.0.1:%[1]d; location /stub_status { stub_status; } }")
	exportertest.BenchmarkScrape(b, "nginx_exporter", exportertest.Variant{
		Name: "stub_status", Args: []string{"--web.listen-address=ADDR", "--nginx.scrape-uri=" + server.URL("/stub_status")},
	})
}
