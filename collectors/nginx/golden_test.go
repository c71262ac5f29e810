package nginx

import (
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// goldenCollectors returns both collectors with every metric of theirs.
func goldenCollectors(t *testing.T) (*StubStatus, *AccessLog) {
	t.Helper()
	server := httptest.NewServer(serve(status))
	t.Cleanup(server.Close)
	a, err := NewAccessLog(AccessLogConfig{Inputs: []Input{{File: "access.log"}, {Listen: "udp://127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	feedAll(a, kv("GET", "200", "0.100", "/api"), kv("POST", "503", "2.000", "/api"), "junk")
	a.feed(a.inputs[0], []byte("m=GET s=200 rt=0.1 ut=0.1 us=200 c=HIT b=1 rl=1 h=shop.example r=-\n"))
	return New([]Target{{URL: server.URL, Client: server.Client()}}, Config{Lines: a.Lines}), a
}

// varying are values that differ from run to run.
var varying = regexp.MustCompile(`(?m)^(nginx_exporter_scrape_duration_seconds|nginx_access_log_receive_buffer_bytes\{.*\}) .*$`)

func TestGolden(t *testing.T) {
	stub, logs := goldenCollectors(t)
	for file, c := range map[string]prometheus.Collector{"stubstatus.prom": stub, "accesslog.prom": logs} {
		text := varying.ReplaceAll(metrictest.Exposition(t, c), []byte("$1 0"))
		metrictest.File(t, text, "testdata/"+file)
	}
}

func TestMetricsDoc(t *testing.T) {
	stub, logs := goldenCollectors(t)
	metrictest.MetricsDoc(t, "Metrics of nginx_exporter", "../../docs/metrics/nginx.md", stub, logs)
}
