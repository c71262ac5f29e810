package main

import (
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
)

// TestFlagsDoc keeps docs/flags/nginx_exporter.md equal to the flags.
func TestFlagsDoc(t *testing.T) {
	app, _ := newApp()
	exportertest.FlagsDoc(t, app, "../../docs/flags/nginx_exporter.md")
}
