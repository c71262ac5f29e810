package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// memoryLimit is what all parts together may have.
const memoryLimit = 50 << 20

// TestMemory scrapes all parts, each of which has a server or files to watch, and
// holds what the process has resident at its peak.
func TestMemory(t *testing.T) {
	binary, dir := realtest.Program(t, "suite_exporter"), t.TempDir()
	redis, postgres := realtest.Redis(t), realtest.Postgres(t)
	nginx := realtest.Nginx(t, "server { listen 127.0.0.1:%[1]d; location / { stub_status; } }")
	if err := os.CopyFS(filepath.Join(dir, "reports"), os.DirFS("../dmarc_exporter/testdata/reports")); err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("REDIS", redis.Addr(), "NGINX", nginx.URL("/"), "DIR", dir).Replace(`parts:
  node: []
  redis: [--redis.addr=REDIS]
  postgres: []
  nginx: [--nginx.scrape-uri=NGINX]
  dmarc: [--source.dir=DIR/reports, --source.refused=keep, --state.file=DIR/dmarc.db, --state.horizon=36500d]
`)
	file := filepath.Join(dir, "suite.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	address := realtest.FreeAddress(t)
	cmd := exec.Command(binary, "--config.file="+file, "--web.listen-address="+address, "--log.level=error")
	cmd.Env = append(os.Environ(), "DATA_SOURCE_NAME="+postgres.DSN("postgres"))
	suite := realtest.Start(t, cmd)
	scrape := func() string {
		// The transport asks for gzip, as Prometheus does.
		res, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			return ""
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return ""
		}
		return string(body)
	}
	realtest.Eventually(t, "all parts", func() bool {
		body := scrape()
		for _, line := range []string{"redis_up 1", "pg_up 1", "nginx_up 1", "dmarc_up 1", "node_load1 "} {
			if !strings.Contains(body, "\n"+line) {
				return false
			}
		}
		return strings.Contains(body, "\ndmarc_messages_total{")
	})
	for range 200 {
		if scrape() == "" {
			t.Fatal("no answer")
		}
	}
	now, peak := suite.Memory(t)
	t.Logf("resident: %.1f MiB, at the peak %.1f MiB", float64(now)/(1<<20), float64(peak)/(1<<20))
	if peak > memoryLimit {
		t.Errorf("%.1f MiB resident at the peak, want at most %d", float64(peak)/(1<<20), memoryLimit>>20)
	}
}
