package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// nullExporter serves what client_golang says about its own process.
func nullExporter() {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	http.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[1], nil))
	os.Exit(1)
}

// scraped is an exporter in a process of its own.
type scraped struct {
	url     string
	process *realtest.Process
}

func startExporter(b *testing.B, name string, args ...string) *scraped {
	b.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", realtest.FreePort(b))
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "ADDR", addr)
	}
	s := &scraped{url: "http://" + addr + "/metrics", process: realtest.Start(b, exec.Command(name, args...))}
	s.process.WaitFor(b, realtest.Dial("tcp", addr))
	for range 20 {
		s.get(b)
	}
	return s
}

func (s *scraped) get(b *testing.B) {
	resp, err := http.Get(s.url) // With gzip, as Prometheus.
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		b.Fatal(err)
	}
}

// cpu returns the processor time and the resident memory of the process.
func (s *scraped) cpu(b *testing.B) (time.Duration, int) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Pid()))
	if err != nil {
		b.Skip("no /proc: ", err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	pages, _ := strconv.Atoi(fields[21])
	return time.Duration(user+system) * 10 * time.Millisecond, pages * os.Getpagesize()
}

// BenchmarkScrape scrapes the exporter and a bare one in turns, and tells the
// processor time of a scrape and how often that of the bare one it is. It takes
// some hundred rounds to mean something: -benchtime=1000x.
func BenchmarkScrape(b *testing.B) {
	server := realtest.Redis(b, "--latency-monitor-threshold", "1", "--slowlog-log-slower-than", "1000")
	for _, words := range []string{
		"SET k v", "GET k", "LPUSH l a", "LRANGE l 0 -1", "LLEN l", "HSET h k v", "HGETALL h", "SADD s a", "SCARD s", "ZADD z 1 a", "ZCARD z",
		"XADD x * k v", "XLEN x", "TYPE k", "DEL l", "EXPIRE k 100", "INCR n", "PING", "DBSIZE", "DEBUG SLEEP 0.01",
	} {
		server.Do(b, strings.Fields(words)...)
	}
	null := startExporter(b, "null_exporter", "ADDR")
	ours := startExporter(b, "redis_exporter", "--web.listen-address=ADDR", "--redis.addr="+server.Addr())
	nullBefore, _ := null.cpu(b)
	oursBefore, _ := ours.cpu(b)
	n := 0
	for b.Loop() {
		null.get(b)
		ours.get(b)
		n++
	}
	nullAfter, _ := null.cpu(b)
	oursAfter, rss := ours.cpu(b)
	spent := float64(oursAfter-oursBefore) / float64(n)
	b.ReportMetric(spent, "cpu-ns/scrape")
	b.ReportMetric(spent*float64(n)/float64(max(nullAfter-nullBefore, 1)), "x-null")
	b.ReportMetric(float64(rss)/1e6, "rss-MB")
}
