package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Target is one stub_status location.
type Target struct {
	// URL is what is fetched, such as http://127.0.0.1:8080/stub_status.
	URL string
	// Client makes the request; nil means one of NewClient. Each target has its own,
	// so that TLS settings and unix sockets never leak from one target to another.
	// It wants no timeout of its own: the context of the scrape has one.
	Client *http.Client
	// Host is sent as the header Host; empty means that of URL.
	Host string
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

// target is a Target with its metrics and what is remembered between scrapes.
type target struct {
	Target
	name     string // the URL as it may be logged
	table    *collect.Table[*visit]
	failures map[collect.Reason]*atomic.Uint64
	down     atomic.Bool
	loss     lossCheck
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
		if t.Client == nil {
			t.Client = NewClient(ClientConfig{})
		}
		n := &target{
			Target: t, name: redacted(t.URL), table: collect.NewTable(stubStatusRows(config.Lines), t.Labels),
			failures: map[collect.Reason]*atomic.Uint64{},
		}
		for _, reason := range reasons {
			n.failures[reason] = new(atomic.Uint64)
		}
		s.targets = append(s.targets, n)
	}
	return s
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
		t.table.Describe(ch)
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
		wg.Go(func() { t.table.Collect(s.visit(ctx, t), ch) })
	}
	wg.Wait()
}

// visit is one scrape of a target.
type visit struct {
	*target
	status stubStatus
	err    error
	took   time.Duration
}

// visit scrapes a target, and counts and logs a failure.
func (s *StubStatus) visit(ctx context.Context, t *target) *visit {
	start := time.Now()
	v := &visit{target: t}
	v.err = collect.Guard(func() (err error) {
		v.status, err = t.fetch(ctx)
		return err
	})
	v.took = time.Since(start)
	if v.err == nil {
		if t.down.Swap(false) {
			s.config.Logger.Info("nginx is up again", "url", t.name)
		}
		return v
	}
	reason := reasonOf(v.err)
	t.failures[reason].Add(1)
	if !t.down.Swap(true) {
		s.config.Logger.Warn("nginx is down", "url", t.name, "reason", string(reason), "err", v.err)
	}
	return v
}

// fetch makes the one request of a scrape.
func (t *target) fetch(ctx context.Context) (stubStatus, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL, nil)
	if err != nil {
		return stubStatus{}, err
	}
	req.Host = t.Host
	if t.Username != "" {
		password := ""
		if t.Password != nil {
			if password, err = t.Password(); err != nil {
				return stubStatus{}, &collect.Error{Reason: collect.Auth, Err: fmt.Errorf("read password: %w", err)}
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
	switch resp.StatusCode {
	case http.StatusOK:
		return parseStubStatus(resp.Body)
	case http.StatusUnauthorized, http.StatusForbidden:
		return stubStatus{}, &collect.Error{Reason: collect.Auth, Err: errors.New("answered " + resp.Status)}
	}
	return stubStatus{}, &collect.Error{Reason: reasonStatus, Err: errors.New("answered " + resp.Status)}
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
