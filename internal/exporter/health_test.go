package exporter

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
)

// TestHealthCheck asks servers of all sorts as a container's health check does.
func TestHealthCheck(t *testing.T) {
	answers := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/-/healthy" {
				t.Errorf("asked for %s", r.URL)
			}
			w.WriteHeader(status)
		})
	}
	closed := httptest.NewServer(answers(http.StatusOK))
	closed.Close()
	tests := []struct {
		name   string
		server *httptest.Server
		code   int
		says   string
	}{
		{"an exporter", testServer(t, testFlags(t)), 0, ""},
		{"with a password", httptest.NewServer(answers(http.StatusUnauthorized)), 0, ""},
		{"with TLS", httptest.NewTLSServer(answers(http.StatusOK)), 0, ""},
		{"broken", httptest.NewServer(answers(http.StatusInternalServerError)), 1, "test_exporter: not healthy: 500 "},
		{"nobody", closed, 1, "test_exporter: not healthy: dial tcp "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Cleanup(tt.server.Close)
			app := kingpin.New("test_exporter", "An exporter for tests.")
			AddFlags(app, tt.server.Listener.Addr().String())
			app.Command("serve", "Serve.").Default()
			var out, errs bytes.Buffer
			_, code, ok := Parse(app, []string{"--web.health-check"}, &out, &errs)
			if ok || code != tt.code || !strings.HasPrefix(errs.String(), tt.says) || tt.says == "" && errs.Len() > 0 {
				t.Errorf("code %d, %t, %q; want %d and %q", code, ok, errs.String(), tt.code, tt.says)
			}
		})
	}
}

func TestHealthAddresses(t *testing.T) {
	server := testServer(t, testFlags(t))
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	for _, address := range []string{":" + port, "0.0.0.0:" + port, "localhost:" + port} {
		if err := checkHealth([]string{address, "192.0.2.1:1"}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, addresses := range [][]string{nil, {"vsock://:9100"}, {"9100"}} {
		if err := checkHealth(addresses); err == nil {
			t.Errorf("%q: no error", addresses)
		}
	}
}
