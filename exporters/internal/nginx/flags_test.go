package nginx

import (
	"testing"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
)

// TestFlagsDoc keeps docs/flags/nginx_exporter.md equal to the flags, and
// docs/upstream/nginx-prometheus-exporter.md to what becomes of those there.
func TestFlagsDoc(t *testing.T) {
	app, _ := newApp()
	exportertest.FlagsDoc(t, app, "../../../docs/flags/nginx_exporter.md")
	exportertest.SettingsDoc(t, upstreamSettings, "nginx-prometheus-exporter", "nginx_exporter", "../../../docs/upstream/nginx-prometheus-exporter.md")
}

// TestUpstreamSettings holds that no flag or variable of
// nginx-prometheus-exporter is ignored in silence.
func TestUpstreamSettings(t *testing.T) {
	exportertest.Settings(t, upstreamSettings, func() (*kingpin.Application, *exporter.Flags) {
		app, f := newApp()
		return app, f.Flags
	})
}
