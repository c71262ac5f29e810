package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// clients is how many clients ask at the same time.
const clients = 3

// web is nginx in front of the application, and its clients.
type web struct {
	server      *realtest.NginxServer
	status      string // URL of stub_status
	application *application
}

// webConfig has the log format between its two halves.
const webConfig = `
upstream application { server %s; keepalive 8; }
proxy_cache_path %%[2]s/cache keys_zone=static:1m;
proxy_http_version 1.1;
proxy_set_header Connection "";
server {
  listen 127.0.0.1:%d;
  access_log off;
  location = /stub_status { stub_status; }
}
%s
server {
  listen 127.0.0.1:%%[1]d;
  server_name dmarc.example;
  access_log %%[2]s/prometheus.log prometheus buffer=64k flush=1s;
  location / { proxy_pass http://application; }
  location /static/ {
    proxy_cache static;
    proxy_cache_valid 200 2s;
    proxy_pass http://application;
  }
}
`

func startWeb(h *host, a *application) *web {
	port := realtest.FreePort(h)
	return &web{
		server:      realtest.Nginx(h, fmt.Sprintf(webConfig, a.address, port, logFormat(h))),
		status:      fmt.Sprintf("http://127.0.0.1:%d/stub_status", port),
		application: a,
	}
}

// broken has the application fail, or work again.
func (w *web) broken(yes bool) { w.application.broken.Store(yes) }

// logFormat is what docs/nginx.md tells people to put into their configuration,
// with the names of routes that docs/mixin.md has for classes of endpoints.
func logFormat(h *host) string {
	text := regexp.MustCompile(`(?s)map \$uri \$route \{.*?r=\$route';`).FindString(read(h, "docs/nginx.md"))
	if text == "" {
		h.Fatal("docs/nginx.md has no log format")
	}
	classes := regexp.MustCompile(`(?s)map "\$request_method \$uri" \$route \{.*?\n\}`).FindString(read(h, "docs/mixin.md"))
	if classes == "" {
		h.Fatal("docs/mixin.md has no classes of routes")
	}
	text = regexp.MustCompile(`(?s)map \$uri \$route \{.*?\n\}`).ReplaceAllLiteralString(text, classes)
	return strings.ReplaceAll(text, "%", "%%")
}

// exporterConfig is the configuration of nginx_exporter.
func (w *web) exporterConfig(dir string) string {
	return fmt.Sprintf("stub_status:\n  - uri: %s\naccess_log:\n  inputs:\n    - file: %s/prometheus.log\n  servers: [dmarc.example]\n"+
		"  state_file: %s/nginx.json\n  from_start: true\n", w.status, w.server.Dir, dir)
}

// visit returns what a client does at a time: most clients keep their
// connection, some begin anew.
func (w *web) visit() func(context.Context) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	return func(ctx context.Context) {
		method, path := http.MethodGet, "/api/domains"
		switch n := rand.IntN(100); {
		case n < 40:
			path = fmt.Sprintf("/api/reports/%d", n)
		case n < 55:
			path = "/static/app.js"
		case n < 65:
			method, path = http.MethodPost, "/api/reports/upload"
		case n < 70:
			path = "/health"
		case n < 72:
			path = "/api/missing"
		case n < 80:
			method = http.MethodPost
		case n < 85:
			path = "/api/search"
		}
		r, err := http.NewRequestWithContext(ctx, method, w.server.URL(path), http.NoBody)
		if err != nil {
			return // The demo ends.
		}
		r.Host = "dmarc.example"
		if answer, err := client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body) // Whatever it says, it was asked.
			_ = answer.Body.Close()
		}
		if rand.IntN(20) == 0 {
			client.CloseIdleConnections()
		}
	}
}
