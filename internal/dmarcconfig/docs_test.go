package dmarcconfig

import (
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
)

// TestDocumentedConfigs loads every example of the pages and makes its sources.
func TestDocumentedConfigs(t *testing.T) {
	var pages []byte
	for _, name := range []string{"configuration", "migration", "sources"} {
		page, err := os.ReadFile("../../docs/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page...)
	}
	t.Setenv("GOOGLE_CLIENT_SECRET", "g")
	t.Setenv("MAIL_PASSWORD", "m")
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(pages), -1)
	if len(examples) < 8 {
		t.Fatalf("%d examples", len(examples))
	}
	for i, example := range examples {
		c, err := Load(exportertest.DocumentedConfig(t, example[1]))
		if err != nil {
			t.Errorf("example %d: %v", i+1, err)
			continue
		}
		sources, err := c.Sources.Build(nil, slog.New(slog.DiscardHandler))
		if err != nil || len(sources) == 0 {
			t.Errorf("example %d: %d sources, error %v", i+1, len(sources), err)
		}
	}
}

// TestDocumentedKeys makes sure that the page has every key.
func TestDocumentedKeys(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"access.go", "config.go", "oauth2.go", "s3.go", "trust.go", "senders.go", "tenants.go", "addresses.go", "dns.go", "../ingest/options.go", "../ingest/action.go", "../exporter/config/tls.go"} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range regexp.MustCompile("`yaml:\"([a-z_0-9]+)\"`").FindAllStringSubmatch(string(code), -1) {
			if !strings.Contains(string(page), key[1]+":") {
				t.Errorf("the key %s of %s is not in docs/configuration.md", key[1], file)
			}
		}
	}
}
