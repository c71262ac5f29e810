package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

const page = "../../docs/nginx.md"

// blocks returns the code blocks of the page in one language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	if len(all) == 0 {
		t.Fatalf("%s has no %s block", page, language)
	}
	return all
}

// TestDocumentedNginx starts nginx on the snippets of the page.
func TestDocumentedNginx(t *testing.T) {
	snippets := strings.Join(blocks(t, "nginx"), "\n")
	snippets = strings.NewReplacer("127.0.0.1:8080", "127.0.0.1:%[1]d", "/var/log/nginx", "%[2]s").Replace(snippets)
	server := realtest.Nginx(t, snippets)
	if _, err := os.Stat(filepath.Join(server.Dir, "prometheus.log")); err != nil {
		t.Error(err)
	}
}

// TestDocumentedConfig loads the configuration of the page.
func TestDocumentedConfig(t *testing.T) {
	c, err := loadConfig(exportertest.DocumentedConfig(t, blocks(t, "yaml")[0]))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.StubStatus) != 3 || len(c.AccessLog.Inputs) != 3 {
		t.Errorf("%d targets and %d inputs, want 3 and 3", len(c.StubStatus), len(c.AccessLog.Inputs))
	}
}
