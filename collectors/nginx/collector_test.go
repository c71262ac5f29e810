package nginx

import (
	"context"
	"crypto/tls"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

const status = "Active connections: 2 \nserver accepts handled requests\n 5 6 7 \nReading: 1 Writing: 3 Waiting: 4 \n"

// gather returns the text exposition of one scrape with the given deadline.
func gather(t *testing.T, s *StubStatus, deadline time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	return string(metrictest.Exposition(t, collectors.WithContext(ctx, s)))
}

func serve(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
}

func want(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

func TestStubStatus(t *testing.T) {
	server := httptest.NewServer(serve(status))
	defer server.Close()
	text := gather(t, New([]Target{{URL: server.URL, Client: server.Client()}}, Config{}), 10*time.Second)
	want(
		t, text, "nginx_up 1", "nginx_connections_accepted 5", "nginx_connections_handled 6", "nginx_http_requests_total 7",
		"nginx_connections_active 2", "nginx_connections_reading 1", "nginx_connections_writing 3", "nginx_connections_waiting 4",
		`nginx_exporter_scrape_errors_total{reason="timeout"} 0`,
	)
}

// TestMixedTargets holds that a socket, a healthy server, a hanging and a dead
// one do not touch each other: every answer comes from where it was asked.
func TestMixedTargets(t *testing.T) {
	healthy := httptest.NewServer(serve(status))
	defer healthy.Close()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	unix := &http.Server{Handler: serve(strings.Replace(status, "7", "77", 1))}
	go func() { _ = unix.Serve(listener) }()
	defer unix.Close()
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	defer close(release)
	dead := httptest.NewServer(serve(""))
	dead.Close()

	var dialer net.Dialer
	target := func(url, addr string, client *http.Client) Target {
		return Target{URL: url, Client: client, Labels: prometheus.Labels{"addr": addr}}
	}
	s := New([]Target{
		target("http://unix/stub_status", "unix", &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) },
		}}),
		target(healthy.URL, "healthy", healthy.Client()),
		target(hanging.URL, "hanging", hanging.Client()),
		target(dead.URL, "dead", &http.Client{}),
	}, Config{})
	text := gather(t, s, 300*time.Millisecond)
	want(
		t, text,
		`nginx_up{addr="unix"} 1`, `nginx_http_requests_total{addr="unix"} 77`,
		`nginx_up{addr="healthy"} 1`, `nginx_http_requests_total{addr="healthy"} 7`,
		`nginx_up{addr="hanging"} 0`, `nginx_exporter_scrape_errors_total{addr="hanging",reason="timeout"} 1`,
		`nginx_up{addr="dead"} 0`, `nginx_exporter_scrape_errors_total{addr="dead",reason="refused"} 1`,
	)
}

func TestReasons(t *testing.T) {
	failing := func(h http.HandlerFunc) (Target, func()) {
		server := httptest.NewServer(h)
		return Target{URL: server.URL, Client: server.Client()}, server.Close
	}
	secure := httptest.NewTLSServer(serve(status))
	defer secure.Close()
	answering := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	forbidden, stop := failing(answering(http.StatusForbidden))
	defer stop()
	missing, stop := failing(answering(http.StatusNotFound))
	defer stop()
	broken, stop := failing(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = conn.Write([]byte("220 mail.example ESMTP\r\n"))
		_ = conn.Close()
	})
	defer stop()
	hangingUp, stop := failing(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	defer stop()
	garbage, stop := failing(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	defer stop()
	elsewhere := func(location string) Target {
		target, stop := failing(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		})
		t.Cleanup(stop)
		target.Client = NewClient(ClientConfig{})
		return target
	}
	longHeader, stop := failing(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
		serve(status).ServeHTTP(w, r)
	})
	defer stop()
	longHeader.Client = NewClient(ClientConfig{})
	drip, stop := failing(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte("A"))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	defer stop()
	tests := []struct {
		reason string
		target Target
	}{
		{"auth", forbidden},
		{"status", missing},
		{"protocol", garbage},
		{"protocol", broken},
		{"protocol", longHeader},
		{"protocol", elsewhere("http://[::1")},
		{"protocol", elsewhere("/again")},
		{"status", elsewhere("file:///etc/passwd")},
		{"reset", hangingUp},
		{"timeout", drip},
		{"tls", Target{URL: secure.URL, Client: &http.Client{}}},
		{"auth", Target{URL: secure.URL, Client: secure.Client(), Username: "u", Password: func() (string, error) { return "", fs.ErrNotExist }}},
		{"panic", Target{URL: secure.URL, Client: secure.Client(), Username: "u", Password: func() (string, error) { panic("a bug") }}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			deadline := 10 * time.Second
			if tt.reason == "timeout" {
				deadline = 200 * time.Millisecond
			}
			text := gather(t, New([]Target{tt.target}, Config{}), deadline)
			want(t, text, "nginx_up 0", `nginx_exporter_scrape_errors_total{reason="`+tt.reason+`"} 1`)
		})
	}
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	want(t, gather(t, New([]Target{{URL: secure.URL, Client: insecure}}, Config{}), 10*time.Second), "nginx_up 1")
}

func TestMissingRequests(t *testing.T) {
	var l lossCheck
	for _, step := range []struct {
		requests, lines uint64
		want            float64
	}{
		{100, 40, 0},
		{110, 50, 0},
		{120, 55, 5},
		{3, 60, 0}, // nginx was restarted
		{5, 61, 1},
	} {
		if got := l.missing(step.requests, step.lines); got != step.want {
			t.Errorf("missing(%d, %d) = %v, want %v", step.requests, step.lines, got, step.want)
		}
	}
}
