package nginx

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Target is one stub_status location.
type Target struct {
	// URL is what is fetched, such as http://127.0.0.1:8080/stub_status.
	URL string
	// Client makes the request. Each target has its own, so that TLS settings
	// and unix sockets never leak from one target to another. It wants no
	// timeout of its own: the context of the scrape has one.
	Client *http.Client
	// Username and Password are sent as basic authentication when Username is not empty.
	Username string
	Password func() (string, error)
	// Labels are added to each metric of this target. All targets of one
	// collector have the same label names.
	Labels prometheus.Labels
}

// Config configures a StubStatus. Its zero value works.
type Config struct {
	// Timeout bounds each scrape of a target, beside the deadline of
	// CollectContext; 0 means 10 s.
	Timeout time.Duration
	// Logger gets a line when a target goes down and when it returns; nil discards.
	Logger *slog.Logger
	// Lines returns the access log lines counted so far, which the difference
	// nginx_access_log_missing_requests is taken from; nil leaves the metric out.
	Lines func() uint64
}

// StubStatus collects nginx's eight stub_status metrics from every target. It
// is safe for concurrent use.
type StubStatus struct {
	targets []*target
	config  Config
}

// target is a Target with its descriptors and what is remembered between scrapes.
type target struct {
	Target
	name                                                               string // the URL as it may be logged
	up, accepted, active, handled, reading, requests, waiting, writing *prometheus.Desc
	duration, errors, missing                                          *prometheus.Desc
	failures                                                           map[string]*atomic.Uint64
	down                                                               atomic.Bool
	loss                                                               lossCheck
}

// New returns a collector of the targets. It makes no request.
func New(targets []Target, config Config) *StubStatus {
	if config.Timeout <= 0 {
		config.Timeout = 10 * time.Second
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &StubStatus{config: config}
	for _, t := range targets {
		s.targets = append(s.targets, newTarget(t))
	}
	return s
}

func newTarget(t Target) *target {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, t.Labels)
	}
	n := &target{
		Target:   t,
		name:     redacted(t.URL),
		up:       desc("nginx_up", "Whether the last scrape of nginx succeeded (1) or not (0)."),
		accepted: desc("nginx_connections_accepted", "Accepted client connections."),
		active:   desc("nginx_connections_active", "Active client connections, waiting ones included."),
		handled:  desc("nginx_connections_handled", "Handled client connections."),
		reading:  desc("nginx_connections_reading", "Connections where nginx is reading the request header."),
		requests: desc("nginx_http_requests_total", "Total client requests."),
		waiting:  desc("nginx_connections_waiting", "Idle client connections waiting for a request."),
		writing:  desc("nginx_connections_writing", "Connections where nginx is writing the response."),
		duration: desc("nginx_exporter_scrape_duration_seconds", "How long the last scrape of this target took in seconds."),
		errors:   desc("nginx_exporter_scrape_errors_total", "Failed scrapes of this target by reason.", "reason"),
		missing: desc("nginx_access_log_missing_requests",
			"Requests that nginx counted and whose access log lines did not arrive, since both were first seen; lines in flight and locations without access log count too."),
		failures: map[string]*atomic.Uint64{},
	}
	for _, reason := range reasons {
		n.failures[reason] = new(atomic.Uint64)
	}
	return n
}

// redacted returns a URL without its password.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "unreadable URL"
	}
	return u.Redacted()
}

// Describe sends the descriptors of every metric.
func (s *StubStatus) Describe(ch chan<- *prometheus.Desc) {
	for _, t := range s.targets {
		for _, d := range []*prometheus.Desc{
			t.up, t.accepted, t.active, t.handled, t.reading, t.requests, t.waiting, t.writing, t.duration, t.errors,
		} {
			ch <- d
		}
		if s.config.Lines != nil {
			ch <- t.missing
		}
	}
}

// Collect is CollectContext without a deadline but the configured Timeout.
func (s *StubStatus) Collect(ch chan<- prometheus.Metric) { s.CollectContext(context.Background(), ch) }

// CollectContext scrapes all targets at once. A target that fails or hangs
// until ctx ends reports nginx_up 0 and leaves the others untouched.
func (s *StubStatus) CollectContext(ctx context.Context, ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, t := range s.targets {
		wg.Go(func() { s.collectTarget(ctx, t, ch) })
	}
	wg.Wait()
}

func (s *StubStatus) collectTarget(ctx context.Context, t *target, ch chan<- prometheus.Metric) {
	start := time.Now()
	status, err := t.fetch(ctx)
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge(t.duration, time.Since(start).Seconds())
	if err != nil {
		reason := reasonOf(err)
		t.failures[reason].Add(1)
		if !t.down.Swap(true) {
			s.config.Logger.Warn("nginx is down", "url", t.name, "reason", reason, "err", err)
		}
		gauge(t.up, 0)
	} else {
		if t.down.Swap(false) {
			s.config.Logger.Info("nginx is up again", "url", t.name)
		}
		gauge(t.up, 1)
		gauge(t.active, float64(status.active))
		gauge(t.reading, float64(status.reading))
		gauge(t.writing, float64(status.writing))
		gauge(t.waiting, float64(status.waiting))
		counter(t.accepted, float64(status.accepted))
		counter(t.handled, float64(status.handled))
		counter(t.requests, float64(status.requests))
		if s.config.Lines != nil {
			gauge(t.missing, t.loss.missing(status.requests, s.config.Lines()))
		}
	}
	for _, reason := range reasons {
		counter(t.errors, float64(t.failures[reason].Load()), reason)
	}
}

// fetch makes the one request of a scrape.
func (t *target) fetch(ctx context.Context) (stubStatus, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL, nil)
	if err != nil {
		return stubStatus{}, err
	}
	if t.Username != "" {
		password := ""
		if t.Password != nil {
			if password, err = t.Password(); err != nil {
				return stubStatus{}, fmt.Errorf("read password: %w", err)
			}
		}
		req.SetBasicAuth(t.Username, password)
	}
	resp, err := t.Client.Do(req)
	if err != nil {
		return stubStatus{}, err
	}
	defer func() {
		// What is left of the body is read so that the connection can be kept, within the same bound.
		_, _ = io.CopyN(io.Discard, resp.Body, maxStubStatus)
		_ = resp.Body.Close()
	}()
	if resp.StatusCode != http.StatusOK {
		return stubStatus{}, &statusError{resp.Status}
	}
	return parseStubStatus(resp.Body)
}

// lossCheck compares the requests that nginx counts with the log lines that
// arrive, both from the moment they were first seen together.
type lossCheck struct {
	mu                      sync.Mutex
	started                 bool
	last                    uint64
	baseRequests, baseLines uint64
}

func (l *lossCheck) missing(requests, lines uint64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A restart of nginx resets its counter: both sides start anew.
	if !l.started || requests < l.last {
		l.started, l.baseRequests, l.baseLines = true, requests, lines
	}
	l.last = requests
	return float64(requests-l.baseRequests) - float64(lines-l.baseLines)
}
