package exporter

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestScrapeNeverFails(t *testing.T) {
	send := func(ms ...prometheus.Metric) fake {
		return func(_ context.Context, ch chan<- prometheus.Metric) {
			for _, m := range ms {
				ch <- m
			}
		}
	}
	counter := prometheus.MustNewConstMetric(prometheus.NewDesc("test_a", "A gauge.", nil, nil), prometheus.CounterValue, 1)
	tests := []struct {
		name      string
		collector fake
		dropped   string
		panics    string
		logged    string
	}{
		{"good", send(gauge("test_a", 1)), "0", "0", ""},
		{"duplicate", send(gauge("test_a", 1), gauge("test_a", 2)), "1", "0", "was collected before"},
		{"duplicate labels in another order", send(gauge("test_a", 1), gauge("test_b", 2, "x", "1", "y", "2"), gauge("test_b", 2, "y", "2", "x", "1")), "1", "0", "was collected before"},
		{"label is not UTF-8", send(gauge("test_a", 1), rawLabel{"test_b", "\xff\xfe"}), "1", "0", "not utf8"},
		{"type differs", send(gauge("test_a", 1), counter), "1", "0", "should be a Gauge"},
		{"invalid metric", send(gauge("test_a", 1), prometheus.NewInvalidMetric(prometheus.NewDesc("test_b", "B.", nil, nil), errors.New("no reading"))), "1", "0", "no reading"},
		{"nil", send(gauge("test_a", 1), nil), "1", "0", "without a description"},
		{"nil description", send(gauge("test_a", 1), noDesc{}), "1", "0", "without a description"},
		{"panic of a metric", send(gauge("test_a", 1), panicky{}), "1", "0", "panic: metric"},
		{"panic", func(_ context.Context, ch chan<- prometheus.Metric) {
			ch <- gauge("test_a", 1)
			panic("collector")
		}, "0", "1", "panic=collector"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			s := optionsServer(t, testFlags(t), Options{
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
				Collectors: func(url.Values) ([]ContextCollector, error) {
					return []ContextCollector{test.collector, steady("test_other")}, nil
				},
			})
			for range 2 { // The count shows in the next answer.
				get(t, s.URL+"/metrics").wantLines(t, "test_a 1", "test_other 1")
			}
			a := get(t, s.URL+"/metrics")
			if test.dropped == "0" && test.panics == "0" {
				a.wantLines(t, "test_exporter_dropped_metrics_total 0", "test_exporter_collector_panics_total 0")
			}
			if test.dropped != "0" {
				a.wantLines(t, "test_exporter_dropped_metrics_total 2")
			}
			if test.panics != "0" {
				a.wantLines(t, "test_exporter_collector_panics_total 3")
			}
			if strings.Contains(a.body, "goroutine ") {
				t.Errorf("the answer holds a stack:\n%s", a.body)
			}
			if !strings.Contains(log.String(), test.logged) {
				t.Errorf("%q is not in the log:\n%s", test.logged, &log)
			}
			if n := strings.Count(log.String(), "\n"); n > 1 {
				t.Errorf("%d lines were logged for one cause:\n%s", n, &log)
			}
		})
	}
}

func TestPanicBeforeCollectors(t *testing.T) {
	s := optionsServer(t, testFlags(t), Options{
		Collectors: func(url.Values) ([]ContextCollector, error) { panic("no collectors") },
	})
	get(t, s.URL+"/metrics")
	get(t, s.URL+"/metrics").wantLines(t, "test_exporter_collector_panics_total 2")
}

// rawLabel is a metric whose label value was never checked.
type rawLabel struct{ name, value string }

func (m rawLabel) Desc() *prometheus.Desc {
	return prometheus.NewDesc(m.name, "Raw.", []string{"l"}, nil)
}

func (m rawLabel) Write(out *dto.Metric) error {
	name, value, one := "l", m.value, 1.0
	out.Label = []*dto.LabelPair{{Name: &name, Value: &value}}
	out.Gauge = &dto.Gauge{Value: &one}
	return nil
}

type noDesc struct{ prometheus.Metric }

func (noDesc) Desc() *prometheus.Desc { return nil }

type panicky struct{ prometheus.Metric }

func (panicky) Desc() *prometheus.Desc  { return prometheus.NewDesc("test_panicky", "P.", nil, nil) }
func (panicky) Write(*dto.Metric) error { panic("metric") }

func TestScrapeQuery(t *testing.T) {
	s := optionsServer(t, testFlags(t), Options{
		Collectors: func(q url.Values) ([]ContextCollector, error) {
			if q.Has("name[]") {
				return nil, errors.New("name[] should not get here")
			}
			var cs []ContextCollector
			for _, name := range q["collect[]"] {
				if name != "a" && name != "b" {
					return nil, errors.New("unknown collector " + name)
				}
				cs = append(cs, Named(name, steady("test_"+name)))
			}
			return cs, nil
		},
	})
	get(t, s.URL+"/metrics?collect[]=a").wantLines(t, "test_a 1")
	if a := get(t, s.URL+"/metrics?collect[]=a&collect[]=b&name[]=test_b"); strings.Contains(a.body, "test_a") || !strings.Contains(a.body, "test_b 1") {
		t.Errorf("name[] did not select test_b alone:\n%s", a.body)
	}
	a := get(t, s.URL+"/metrics?collect[]=c")
	if a.status != http.StatusBadRequest || a.body != "unknown collector c\n" {
		t.Errorf("got %d %q, want 400 and the error", a.status, a.body)
	}
}

func TestScrapeLimit(t *testing.T) {
	release := make(chan struct{})
	running := make(chan struct{})
	s := testServer(t, testFlags(t, "--web.max-requests=1"), fake(func(context.Context, chan<- prometheus.Metric) {
		close(running)
		<-release
	}))
	first := make(chan answer, 1)
	go func() {
		a, _ := fetch(context.Background(), s.URL+"/metrics")
		first <- a
	}()
	<-running
	a := get(t, s.URL+"/metrics")
	if a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "limit of 1 ") {
		t.Errorf("got %d %q, want 503 that tells the limit", a.status, a.body)
	}
	close(release)
	if a := <-first; a.status != http.StatusOK {
		t.Errorf("first scrape got %d", a.status)
	}
}

func TestScrapeFormats(t *testing.T) {
	count := prometheus.NewCounter(prometheus.CounterOpts{Name: "test_things_total", Help: "Things."})
	collector := fake(func(_ context.Context, ch chan<- prometheus.Metric) { ch <- count })
	s := testServer(t, testFlags(t), collector)
	const openMetrics = "application/openmetrics-text;version=1.0.0"

	text := get(t, s.URL+"/metrics")
	text.wantLines(t, "test_things_total 0")
	if c := text.header.Get("Content-Type"); !strings.HasPrefix(c, "text/plain; version=0.0.4") {
		t.Errorf("got content type %q", c)
	}
	open := get(t, s.URL+"/metrics", "Accept", openMetrics)
	open.wantLines(t, "# TYPE test_things counter", "test_things_total 0.0", "# EOF")
	if filter(open.body, "test_things_created ") == "" {
		t.Error("OpenMetrics does not tell when the counter was created")
	}
	zipped := get(t, s.URL+"/metrics", "Accept-Encoding", "gzip")
	r, err := gzip.NewReader(strings.NewReader(zipped.body))
	if err != nil {
		t.Fatalf("answer is not gzip: %v", err)
	}
	b, err := io.ReadAll(r)
	if err != nil || !bytes.Contains(b, []byte("test_things_total 0\n")) {
		t.Errorf("gzip holds %q, %v", b, err)
	}
	plain := testServer(t, testFlags(t, "--no-web.created-timestamps"), collector)
	if a := get(t, plain.URL+"/metrics", "Accept", openMetrics); strings.Contains(a.body, "_created") {
		t.Error("OpenMetrics tells when counters were created, though that is off")
	}
}

func TestOwnMetrics(t *testing.T) {
	families := func(body string) map[string]bool {
		set := map[string]bool{}
		for line := range strings.Lines(body) {
			if f := strings.Fields(line); len(f) > 2 && f[1] == "TYPE" {
				set[f[2]] = true
			}
		}
		return set
	}
	s := optionsServer(t, testFlags(t), Options{
		Collectors: func(url.Values) ([]ContextCollector, error) { return nil, nil },
		Reload:     func(context.Context) error { return nil },
	})
	full := families(get(t, s.URL+"/metrics").body)
	for _, name := range []string{
		"test_exporter_build_info", "test_exporter_gathers_total", "test_exporter_dropped_metrics_total",
		"test_exporter_collector_panics_total", "test_exporter_config_last_reload_successful",
		"test_exporter_config_last_reload_success_timestamp_seconds", "go_goroutines", "process_open_fds",
		"promhttp_metric_handler_requests_total", "promhttp_metric_handler_requests_in_flight", "promhttp_metric_handler_errors_total",
	} {
		if !full[name] && name != "process_open_fds" {
			t.Errorf("%s is missing", name)
		}
	}
	bare := families(get(t, testServer(t, testFlags(t, "--web.disable-exporter-metrics")).URL+"/metrics").body)
	for name := range bare {
		if !strings.HasPrefix(name, "test_exporter_") {
			t.Errorf("%s is there although metrics of the process are off", name)
		}
	}
	if !bare["test_exporter_build_info"] {
		t.Error("build_info is missing")
	}
}
