package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// childVariable turns the test binary into an exporter.
const childVariable = "EXPORTER_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "1" {
		os.Exit(childMain(os.Args[1:], os.Stdout, os.Stderr))
	}
	m.Run()
}

// childMain is a main like those of the binaries. Its configuration is a file
// that holds one number, the value of test_config.
func childMain(args []string, stdout, stderr io.Writer) int {
	app := kingpin.New("test_exporter", "An exporter for tests.")
	f := AddFlags(app, "127.0.0.1:0")
	config := app.Flag("config.file", "File with a number.").Required().String()
	background := app.Flag("test.background", "What the work in the background does.").Default("good").Enum("good", "fails", "stubborn")
	if _, code, ok := Parse(app, args, stdout, stderr); !ok {
		return code
	}
	var value atomicFloat
	load := func(context.Context) error {
		b, err := os.ReadFile(*config)
		if err != nil {
			return err
		}
		return value.parse(string(b))
	}
	if err := load(context.Background()); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	log := f.Logger(stderr)
	err := Serve(context.Background(), f, Options{
		Logger: log,
		Collectors: func(url.Values) ([]ContextCollector, error) {
			return []ContextCollector{fake(func(_ context.Context, ch chan<- prometheus.Metric) {
				ch <- gauge("test_config", value.load())
			})}, nil
		},
		Reload: load, ReloadPause: time.Millisecond,
		Background: func(ctx context.Context) error {
			switch *background {
			case "fails":
				return errors.New("the sky is falling")
			case "stubborn":
				select {}
			}
			<-ctx.Done()
			log.Info("background ended")
			return ctx.Err()
		},
	})
	if err != nil {
		log.Error("cannot go on", "err", err)
		return 1
	}
	return 0
}

// fake is a collector made of one function.
type fake func(ctx context.Context, ch chan<- prometheus.Metric)

func (f fake) Describe(chan<- *prometheus.Desc)                                {}
func (f fake) Collect(ch chan<- prometheus.Metric)                             { f(context.Background(), ch) }
func (f fake) CollectContext(ctx context.Context, ch chan<- prometheus.Metric) { f(ctx, ch) }

// gauge returns a gauge with pairs of label names and values.
func gauge(name string, value float64, pairs ...string) prometheus.Metric {
	var names, values []string
	for i := 0; i < len(pairs); i += 2 {
		names, values = append(names, pairs[i]), append(values, pairs[i+1])
	}
	return prometheus.MustNewConstMetric(prometheus.NewDesc(name, "A gauge.", names, nil), prometheus.GaugeValue, value, values...)
}

// polite sends a gauge of 0 once its time is over.
func polite(name string) fake {
	return func(ctx context.Context, ch chan<- prometheus.Metric) {
		<-ctx.Done()
		ch <- gauge(name, 0)
	}
}

// steady sends a gauge of 1.
func steady(name string) fake {
	return func(_ context.Context, ch chan<- prometheus.Metric) { ch <- gauge(name, 1) }
}

// testFlags returns the flags of an exporter with args.
func testFlags(t testing.TB, args ...string) *Flags {
	t.Helper()
	app := kingpin.New("test_exporter", "An exporter for tests.")
	f := AddFlags(app, "127.0.0.1:0")
	if _, err := app.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f
}

// testServer serves all routes of an exporter whose collectors are cs.
func testServer(t testing.TB, f *Flags, cs ...ContextCollector) *httptest.Server {
	t.Helper()
	return optionsServer(t, f, Options{
		Collectors: func(url.Values) ([]ContextCollector, error) { return cs, nil },
	})
}

func optionsServer(t testing.TB, f *Flags, o Options) *httptest.Server {
	t.Helper()
	f.stats.log = o.logger()
	h, err := newHandler(f, &o, newReloader(f, &o))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// answer is what a scrape got.
type answer struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// get fetches a URL with pairs of header names and values.
func get(t testing.TB, target string, pairs ...string) answer {
	t.Helper()
	a, err := fetch(context.Background(), target, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func fetch(ctx context.Context, target string, pairs ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(pairs); i += 2 {
		req.Header.Set(pairs[i], pairs[i+1])
	}
	start := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body), time.Since(start)}, err
}

// wantLines fails the test for each line that the answer lacks.
func (a answer) wantLines(t testing.TB, lines ...string) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Errorf("got status %d, want 200: %s", a.status, a.body)
	}
	for _, line := range lines {
		if !strings.Contains("\n"+a.body, "\n"+line+"\n") {
			t.Errorf("line %q is missing in:\n%s", line, filter(a.body, "test_"))
		}
	}
}

// filter returns the lines of body that start with prefix.
func filter(body, prefix string) string {
	var lines []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// wantGoroutines fails the test unless the number of goroutines returns to a
// few more than base.
func wantGoroutines(t testing.TB, base int) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	realtest.Eventually(t, fmt.Sprintf("at most %d goroutines", base+5), func() bool { return runtime.NumGoroutine() <= base+5 })
}
