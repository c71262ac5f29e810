package nginx

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// kv returns a line of the shipped key=value format.
func kv(method, status, seconds, route string) string {
	return fmt.Sprintf("m=%s s=%s rt=%s ut=%s us=%s c=- b=100 rl=50 h=shop.example r=%s", method, status, seconds, seconds, status, route)
}

// newLog returns an AccessLog on a file of a temporary directory, reading from the start.
func newLog(t *testing.T, change func(*AccessLogConfig)) (*AccessLog, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	config := AccessLogConfig{Inputs: []Input{{File: path}}, FromStart: true, Poll: 5 * time.Millisecond}
	if change != nil {
		change(&config)
	}
	a, err := NewAccessLog(config)
	if err != nil {
		t.Fatal(err)
	}
	return a, config.Inputs[0].File
}

// start runs a and returns what stops it and waits.
func start(t *testing.T, a *AccessLog) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// await waits until a has received n lines.
func await(t *testing.T, a *AccessLog, n uint64) {
	t.Helper()
	realtest.Eventually(t, fmt.Sprintf("%d lines", n), func() bool { return a.Lines() >= n })
}

func expose(t *testing.T, a *AccessLog) string {
	t.Helper()
	return string(metrictest.Exposition(t, a))
}

func feedAll(a *AccessLog, lines ...string) {
	a.feed(a.inputs[0], []byte(strings.Join(lines, "\n")+"\n"))
}

func TestCount(t *testing.T) {
	a, _ := newLog(t, nil)
	feedAll(
		a,
		kv("GET", "200", "0.100", "/api"), kv("GET", "200", "0.600", "/api"), kv("POST", "503", "2.000", "/api"),
		kv("BREW", "299", "0.001", "-"), kv("GET", "499", "-", "/api"),
		"junk", kv("GET", "20x", "0.1", "-"), kv("GET", "200", "abc", "-"),
		"m=\xff s=200 rt=0.1 ut=- us=- c=HIT b=1 rl=1 h=\xff r=-",
	)
	want(
		t, expose(t, a),
		`nginx_access_requests_total{method="GET",route="/api",server="shop.example",status="200"} 2`,
		`nginx_access_requests_total{method="GET",route="/api",server="shop.example",status="500"} 0`,
		`nginx_access_requests_total{method="GET",route="/api",server="shop.example",status="499"} 1`,
		`nginx_access_requests_total{method="POST",route="/api",server="shop.example",status="503"} 1`,
		`nginx_access_requests_total{method="other",route="other",server="shop.example",status="2xx"} 1`,
		`nginx_access_requests_total{method="other",route="other",server="`+"\uFFFD"+`",status="200"} 1`,
		`nginx_access_request_duration_seconds_bucket{route="/api",server="shop.example",le="0.1"} 1`,
		`nginx_access_request_duration_seconds_bucket{route="/api",server="shop.example",le="0.5"} 1`,
		`nginx_access_request_duration_seconds_bucket{route="/api",server="shop.example",le="1"} 2`,
		`nginx_access_request_duration_seconds_count{route="/api",server="shop.example"} 3`,
		`nginx_access_response_bytes_total{route="/api",server="shop.example"} 400`,
		`nginx_access_upstream_cache_total{server="`+"\uFFFD"+`",status="HIT"} 1`,
	)
	text := expose(t, a)
	for reason, n := range map[string]int{refusedFormat: 1, refusedStatus: 1, refusedNumber: 1} {
		if line := fmt.Sprintf(`reason="%s"} %d`, reason, n); !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	if a.Lines() != 9 {
		t.Errorf("Lines() = %d, want 9", a.Lines())
	}
}

func TestRoutesAndHosts(t *testing.T) {
	a, _ := newLog(t, func(c *AccessLogConfig) {
		c.Inputs[0].Format = `$host "$request" $status $request_time`
		c.Servers = []string{"shop.example"}
		c.Routes = []Route{{Pattern: "/api/reports/{id}"}, {Pattern: "/static/*", Name: "static"}}
	})
	feedAll(
		a,
		`shop.example "GET /api/reports/17?x=1 HTTP/1.1" 200 0.1`, `evil.example "GET /api/reports/18 HTTP/1.1" 404 0.1`,
		`shop.example "GET /static/a/b.css HTTP/2.0" 200 0.1`, `shop.example "\x16\x03\x01" 400 0.0`,
	)
	want(
		t, expose(t, a),
		`nginx_access_requests_total{method="GET",route="/api/reports/{id}",server="shop.example",status="200"} 1`,
		`nginx_access_requests_total{method="GET",route="/api/reports/{id}",server="other",status="404"} 1`,
		`nginx_access_requests_total{method="GET",route="static",server="shop.example",status="200"} 1`,
		`nginx_access_requests_total{method="other",route="other",server="shop.example",status="400"} 1`,
		`nginx_access_requests_total{method="GET",route="static",server="shop.example",status="502"} 0`,
	)
}

// TestBudget feeds 20,000 distinct routes: series stay within the budget, and
// the sum over all of them is still the number of requests.
func TestBudget(t *testing.T) {
	const lines, budget = 20_000, 500
	a, _ := newLog(t, func(c *AccessLogConfig) { c.MaxSeries = budget })
	for i := range lines {
		feedAll(a, kv("GET", "200", "0.1", fmt.Sprintf("/r%d", i)))
	}
	if a.table.series > budget {
		t.Errorf("%d series, the budget is %d", a.table.series, budget)
	}
	var sum uint64
	for _, r := range a.table.requests {
		sum += r.n
	}
	if sum != lines {
		t.Errorf("the requests add up to %d, want %d", sum, lines)
	}
	if a.table.overflow == 0 || len(a.table.names.list) > maxNames {
		t.Errorf("overflow %d, names %d: want some overflow and at most %d names", a.table.overflow, len(a.table.names.list), maxNames)
	}
}

func TestNoAllocationPerLine(t *testing.T) {
	for name, line := range map[string]string{
		"key value": kv("GET", "200", "0.100", "/api"),
		"combined":  `192.0.2.1 - - [24/Nov/2026:18:00:00 +0000] "GET /a/b?c HTTP/1.1" 404 153 "-" "curl/8"`,
		"json":      `{"time":"2026-11-28T17:01:20+00:00","request":"GET /a HTTP/1.1","status":200,"request_time":0.000,"tags":[1]}`,
		"syslog":    "Nov 24 18:00:00 web1 nginx: " + kv("GET", "200", "0.100", "/api"),
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := newLog(t, func(c *AccessLogConfig) {
				c.Inputs[0].Format = map[string]string{"combined": FormatCombined, "json": FormatJSON}[name]
			})
			chunk := []byte(line + "\n")
			a.feed(a.inputs[0], chunk)
			if n := testing.AllocsPerRun(100, func() { a.feed(a.inputs[0], chunk) }); n != 0 {
				t.Errorf("%v allocations a line, want 0", n)
			}
		})
	}
}

func TestConfigErrors(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(damaged, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := Input{File: "access.log"}
	tests := []struct {
		name, want string
		config     AccessLogConfig
	}{
		{"nothing", "no access log", AccessLogConfig{}},
		{"both", "either a file or an address", AccessLogConfig{Inputs: []Input{{File: "a", Listen: "udp://127.0.0.1:0"}}}},
		{"twice", "configured twice", AccessLogConfig{Inputs: []Input{file, file}}},
		{"scheme", `scheme "tcp" is unknown`, AccessLogConfig{Inputs: []Input{{Listen: "tcp://127.0.0.1:0"}}}},
		{"format", "column 1", AccessLogConfig{Inputs: []Input{{File: "a", Format: "x"}}}},
		{"route", `route "x"`, AccessLogConfig{Inputs: []Input{file}, Routes: []Route{{Pattern: "x"}}}},
		{"buckets", "increasing order", AccessLogConfig{Inputs: []Input{file}, Buckets: []float64{2, 1}}},
		{"budget", "more than the budget", AccessLogConfig{Inputs: []Input{file}, Servers: []string{"a", "b", "c"}, MaxSeries: 60}},
		{"state", "damaged", AccessLogConfig{Inputs: []Input{file}, StateFile: damaged}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewAccessLog(tt.config)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want …%s…", err, tt.want)
			}
		})
	}
}

func BenchmarkFeed(b *testing.B) {
	for _, bm := range []struct{ name, format, line string }{
		{"key_value", FormatKeyValue, kv("GET", "200", "0.100", "/api")},
		{"combined", FormatCombined, `192.0.2.1 - - [24/Nov/2026:18:00:00 +0000] "GET /api/reports/17?page=2 HTTP/1.1" 200 5153 "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"`},
		{"json", FormatJSON, `{"time":"2026-11-28T17:01:20+00:00","remote_addr":"192.0.2.1","request":"GET /api/reports/17 HTTP/1.1","status":200,"body_bytes_sent":2,"request_time":0.000,"upstream_response_time":"","server_name":"shop.example","http_user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0)"}`},
		{"json_strict", FormatJSONStrict, `{"method":"GET","status":"200","request_time":"0.012","upstream_response_time":"0.010","upstream_status":"200","upstream_cache_status":"","bytes_sent":"1","request_length":"2","server_name":"shop.example","route":"/api"}`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			a, err := NewAccessLog(AccessLogConfig{
				Inputs: []Input{{File: "unused", Format: bm.format}},
				Routes: []Route{{Pattern: "/health"}, {Pattern: "/api/reports"}, {Pattern: "/api/reports/{id}"}},
			})
			if err != nil {
				b.Fatal(err)
			}
			const lines = 1000
			chunk := []byte(strings.Repeat(bm.line+"\n", lines))
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				a.feed(a.inputs[0], chunk)
			}
			b.ReportMetric(float64(b.N)*lines/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
