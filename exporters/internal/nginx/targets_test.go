package nginx

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/collectors/nginx"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// scrape returns the metrics of one target.
func scrape(t *testing.T, c targetConfig) string {
	t.Helper()
	targets, err := newTargets([]targetConfig{c})
	if err != nil {
		t.Fatal(err)
	}
	defer targets[0].Client.CloseIdleConnections()
	return string(metrictest.Exposition(t, nginx.New(targets, nginx.Config{})))
}

// TestRedirects follows redirects within the host of the target, credentials
// with them, and nowhere else.
func TestRedirects(t *testing.T) {
	var location, askedFor string
	handler := func(w http.ResponseWriter, r *http.Request) {
		askedFor = r.Host
		_, password, _ := r.BasicAuth()
		switch {
		case password != "s3cret":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/status":
			_, _ = w.Write([]byte(stubStatus))
		default:
			http.Redirect(w, r, location, http.StatusMovedPermanently)
		}
	}
	plain, tls := httptest.NewServer(http.HandlerFunc(handler)), httptest.NewTLSServer(http.HandlerFunc(handler))
	defer plain.Close()
	defer tls.Close()
	password := config.Path(t.TempDir() + "/password")
	if err := os.WriteFile(string(password), []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(plain.URL, "http://"), ":")
	for _, tt := range []struct{ name, uri, host, location, want, asked string }{
		{name: "path", uri: plain.URL, location: "/status", want: "nginx_up 1"},
		{name: "address", uri: plain.URL, location: plain.URL + "/status", want: "nginx_up 1"},
		{name: "scheme and port", uri: plain.URL, location: tls.URL + "/status", want: "nginx_up 1"},
		{name: "path with a host", uri: plain.URL, host: "status.example", location: "/status", want: "nginx_up 1", asked: "status.example"},
		{name: "host of the header", uri: plain.URL, host: "status.example", location: "http://status.example/status", want: "nginx_up 1", asked: "status.example"},
		{name: "host and port of the header", uri: plain.URL, host: "status.example", location: "http://STATUS.example:" + port + "/status", want: "nginx_up 1"},
		{name: "host of the header, scheme and port", uri: plain.URL, host: "status.example:1", location: strings.Replace(tls.URL, "127.0.0.1", "status.example", 1) + "/status", want: "nginx_up 1"},
		{name: "another host", uri: plain.URL, location: "http://localhost:" + port + "/status", want: `reason="status"} 1`},
		{name: "another host than that of the header", uri: plain.URL, host: "status.example", location: "http://example/status", want: `reason="status"} 1`},
		{name: "http after https", uri: tls.URL, location: plain.URL + "/status", want: `reason="status"} 1`},
		{name: "in circles", uri: plain.URL, location: "/", want: `reason="protocol"} 1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			location = tt.location
			got := scrape(t, targetConfig{
				URI: tt.uri, Host: tt.host, TLS: config.TLS{InsecureSkipVerify: true},
				BasicAuth: basicAuth{Username: "monitor", PasswordFile: password},
			})
			if !strings.Contains(got, tt.want+"\n") {
				t.Errorf("no %q in\n%s", tt.want, got)
			}
			if tt.asked != "" && askedFor != tt.asked {
				t.Errorf("Host is %q, want %q", askedFor, tt.asked)
			}
		})
	}
	location = "/status"
	if got := scrape(t, targetConfig{URI: strings.Replace(plain.URL, "//", "//monitor:s3cret@", 1)}); !strings.Contains(got, "nginx_up 1\n") {
		t.Errorf("credentials of the address do not follow the redirect:\n%s", got)
	}
}

// listeners are what stub_status may hide behind. The one that is waited for is
// the last to listen.
const listeners = `
server {
    listen unix:%[2]s/named.sock default_server;
    return 421;
}
server {
    listen unix:%[2]s/named.sock;
    server_name status.example;
    location = /moved { return 301 http://$host/stub_status; }
    location /stub_status { stub_status; }
}
server {
    listen unix:%[2]s/proxy.sock proxy_protocol;
    listen unix:%[2]s/plain.sock;
    listen 127.0.0.1:%[1]d proxy_protocol;
    location = /proxied { if ($proxy_protocol_addr = "") { return 404; } stub_status; }
    location = /moved { return 301 /stub_status; }
    location /stub_status { stub_status; }
}
`

// TestRealListeners asks a real nginx in every way that a target can be
// configured for.
func TestRealListeners(t *testing.T) {
	server := realtest.Nginx(t, listeners)
	socket := func(name, path string) string { return "unix:" + server.Dir + "/" + name + ".sock:" + path }
	for _, tt := range []struct {
		name   string
		target targetConfig
		want   string
	}{
		{"PROXY protocol", targetConfig{URI: server.URL("/proxied"), ProxyProtocol: true}, "nginx_up 1"},
		{"PROXY protocol on a socket", targetConfig{URI: socket("proxy", "/stub_status"), ProxyProtocol: true}, "nginx_up 1"},
		{"PROXY protocol that is not told", targetConfig{URI: server.URL("/stub_status")}, "nginx_up 0"},
		{"PROXY protocol that is not wanted", targetConfig{URI: socket("plain", "/stub_status"), ProxyProtocol: true}, "nginx_up 0"},
		{"redirect", targetConfig{URI: server.URL("/moved"), ProxyProtocol: true}, "nginx_up 1"},
		{"redirect on a socket", targetConfig{URI: socket("plain", "/moved")}, "nginx_up 1"},
		{"host", targetConfig{URI: socket("named", "/stub_status"), Host: "status.example"}, "nginx_up 1"},
		{"host and redirect", targetConfig{URI: socket("named", "/moved"), Host: "status.example"}, "nginx_up 1"},
		{"no host", targetConfig{URI: socket("named", "/stub_status")}, `reason="status"} 1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := scrape(t, tt.target); !strings.Contains(got, tt.want+"\n") {
				t.Errorf("no %q in\n%s", tt.want, got)
			}
		})
	}
}
