package exportertest

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// Null is the yardstick, to be registered with testscript.Main as
// "null_exporter": a program that serves what client_golang serves by default.
func Null() {
	http.Handle("/metrics", promhttp.Handler())
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[1], nil))
	os.Exit(1)
}

// Variant is an exporter as it is started for BenchmarkScrape.
type Variant struct {
	Name string
	Env  []string
	// Args must tell it to listen on ADDR, which is replaced.
	Args []string
}

// BenchmarkScrape scrapes each variant of a program and the null exporter in
// turns, each in a process of its own, and tells the processor time of a
// scrape, how often that of the null exporter it is, the same of the time from
// the start to the first answer, and the memory. Time is counted in hundredths
// of a second: run it with -benchtime=1000x or more. The environment variable
// EXPORTER_BIN names the program that is to stand in for the test binary: only
// it has the memory of the real thing.
func BenchmarkScrape(b *testing.B, program string, variants ...Variant) {
	if real := os.Getenv("EXPORTER_BIN"); real != "" {
		program = real
	}
	for _, v := range variants {
		b.Run(v.Name, func(b *testing.B) {
			var nullCold, cold []time.Duration
			for range coldStarts {
				null, t := start(b, "null_exporter", nil, []string{"ADDR"})
				null.Stop()
				nullCold = append(nullCold, t)
				ours, t := start(b, program, v.Env, v.Args)
				ours.Stop()
				cold = append(cold, t)
			}
			null, _ := start(b, "null_exporter", nil, []string{"ADDR"})
			ours, _ := start(b, program, v.Env, v.Args)
			for range 20 {
				ours.get(b)
			}
			nullBefore, before := null.CPU(b), ours.CPU(b)
			n := 0
			for b.Loop() {
				null.get(b)
				ours.get(b)
				n++
			}
			nullUsed, used := null.CPU(b)-nullBefore, ours.CPU(b)-before
			resident, peak := ours.Memory(b)
			b.ReportMetric(0, "ns/op") // of both, which says nothing
			b.ReportMetric(float64(used.Microseconds())/float64(n), "cpu-µs/scrape")
			b.ReportMetric(float64(used)/float64(max(nullUsed, 1)), "cpu/null")
			b.ReportMetric(float64(slices.Min(cold))/float64(slices.Min(nullCold)), "cold/null")
			b.ReportMetric(float64(resident)/1e6, "rss-MB")
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
		})
	}
}

// coldStarts is how often each program is started; the fastest start counts.
const coldStarts = 6

// scraped is an exporter in a process of its own.
type scraped struct {
	*realtest.Process
	url string
}

// start returns a running exporter, and the time until it gave its first answer.
func start(b *testing.B, program string, env, args []string) (*scraped, time.Duration) {
	b.Helper()
	addr := realtest.FreeAddress(b)
	args = append([]string(nil), args...)
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "ADDR", addr)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	began := time.Now()
	s := &scraped{Process: realtest.Start(b, cmd), url: "http://" + addr + "/metrics"}
	for time.Since(began) < 30*time.Second {
		if resp, err := http.Get(s.url); err == nil {
			_ = resp.Body.Close()
			return s, time.Since(began)
		}
		time.Sleep(time.Millisecond)
	}
	b.Fatalf("%s does not answer:\n%s", program, s.Output())
	return nil, 0
}

// get scrapes once, with gzip as Prometheus does.
func (s *scraped) get(b *testing.B) {
	resp, err := http.Get(s.url)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		b.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s", s.url, resp.Status)
	}
}
