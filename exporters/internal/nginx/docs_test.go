package nginx

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/collectors/nginx"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

const page = "../../../docs/nginx.md"

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

// TestDocumentedNginx runs nginx with the snippets of the page, and counts what
// it logs in each of their formats.
func TestDocumentedNginx(t *testing.T) {
	snippets := strings.Join(blocks(t, "nginx"), "\n")
	snippets = strings.NewReplacer("127.0.0.1:8080", "127.0.0.1:%[1]d", "/var/log/nginx", "%[2]s").Replace(snippets)
	// Once the last address listens, which is waited for, those before it do.
	server := realtest.Nginx(t, "server { listen unix:%[2]s/s; server_name shop.example; return 204; }\n"+snippets)
	logs := nginx.AccessLogConfig{FromStart: true}
	for file, format := range map[string]string{"prometheus.log": "", "prometheus.json": "json", "prometheus_strict.json": "json_strict"} {
		logs.Inputs = append(logs.Inputs, nginx.Input{File: filepath.Join(server.Dir, file), Format: formats[format]})
	}
	counted, err := nginx.NewAccessLog(logs)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = counted.Run(ctx) })
	defer wg.Wait()
	defer stop()
	scrape(t, targetConfig{URI: "unix:" + server.Dir + "/s:/api/reports/1"})
	realtest.Eventually(t, "a line of each log", func() bool { return counted.Lines() == 3 })
	const want = `nginx_access_requests_total{method="GET",route="/api/reports",server="shop.example",status="204"} 3`
	if got := string(metrictest.Exposition(t, counted)); !strings.Contains(got, want) {
		t.Errorf("no %s in\n%s", want, got)
	}
}

// TestDocumentedConfig loads the configuration of the page.
func TestDocumentedConfig(t *testing.T) {
	c, err := loadConfig(exportertest.DocumentedConfig(t, blocks(t, "yaml")[0]))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.StubStatus) != 3 || len(c.AccessLog.Inputs) != 4 {
		t.Errorf("%d targets and %d inputs, want 3 and 4", len(c.StubStatus), len(c.AccessLog.Inputs))
	}
}
