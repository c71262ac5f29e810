package nginx

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

const realConfig = `
  log_format prom '` + FormatKeyValue + `';
  map $uri $route { default -; ~^/api/ /api; }
  server {
    listen 127.0.0.1:%[1]d;
    server_name shop.example;
    access_log %[2]s/access.log prom;
    location = /stub_status { stub_status; access_log off; allow 127.0.0.1; deny all; }
    location /api/ { return 200 "ok"; }
    location /broken { return 503; }
    location / { return 404; }
  }
`

// burst makes n requests with a few connections and returns when all are answered.
func burst(t *testing.T, server *realtest.NginxServer, n int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	defer client.CloseIdleConnections()
	paths := []string{"/api/reports/1", "/broken", "/api/x?q=1", "/none"}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < n; i += 4 {
				resp, err := client.Get(server.URL(paths[i%len(paths)]))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
}

// TestRealNginx rotates the log of a real nginx under load, by rename and
// signal, and restarts the collector in between: its counters equal nginx's
// log lines and nginx's own counter of requests.
func TestRealNginx(t *testing.T) {
	server := realtest.Nginx(t, realConfig)
	path := filepath.Join(server.Dir, "access.log")
	config := AccessLogConfig{
		Inputs: []Input{{File: path}}, FromStart: true, Poll: 10 * time.Millisecond, StateFile: filepath.Join(server.Dir, "state"),
	}
	a, err := NewAccessLog(config)
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, a)
	const rounds, each = 4, 400
	for round := range rounds {
		done := make(chan struct{})
		go func() { defer close(done); burst(t, server, each) }()
		time.Sleep(20 * time.Millisecond)
		rename(t, path, fmt.Sprintf("%s.%d", path, round))
		if err := server.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		if round == rounds/2 {
			stop() // as at a restart: lines arrive while nobody reads
			<-done
			if a, err = NewAccessLog(config); err != nil {
				t.Fatal(err)
			}
			stop = start(t, a)
		}
		<-done
	}
	await(t, a, rounds*each)
	stop()

	lines := 0
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines += bytes.Count(data, []byte("\n"))
	}
	if lines != rounds*each || a.Lines() != uint64(lines) {
		t.Errorf("nginx wrote %d lines for %d requests, %d were counted", lines, rounds*each, a.Lines())
	}
	want(
		t, expose(t, a),
		fmt.Sprintf(`nginx_access_requests_total{method="GET",route="/api",server="shop.example",status="200"} %d`, rounds*each/2),
		fmt.Sprintf(`nginx_access_requests_total{method="GET",route="other",server="shop.example",status="503"} %d`, rounds*each/4),
		fmt.Sprintf(`nginx_access_requests_total{method="GET",route="other",server="shop.example",status="404"} %d`, rounds*each/4),
	)
	stub := New([]Target{{URL: server.URL("/stub_status"), Client: &http.Client{}}}, Config{})
	// The request that asks is counted too.
	want(t, gather(t, stub, 5*time.Second), "nginx_up 1", fmt.Sprintf("nginx_http_requests_total %d", rounds*each+1))
}
