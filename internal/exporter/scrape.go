package exporter

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

const (
	// stuckGrace is how long a scrape waits for a collector that is late from
	// an earlier one, before it goes on without it.
	stuckGrace = 100 * time.Millisecond
	// maxStuck bounds the collectors that may be stuck at the same time.
	maxStuck = 64
	// writeGrace is how long a client may take to read an answer.
	writeGrace = 10 * time.Second
)

// builder returns the collectors of one gather and a function that frees what
// they hold, called after the last of them has returned; it may be nil.
type builder func(ctx context.Context, q url.Values) ([]ContextCollector, func(), error)

// scraper answers scrapes.
type scraper struct {
	flags *Flags
	build builder
	self  *selfMetrics
	slots chan struct{} // one per scrape being served, nil if unlimited

	mu       sync.Mutex
	inFlight map[string]*gather // by query
	stuck    map[runKey]*run    // collectors that outlived their gather
}

// runKey tells whether two runs are of the same collector.
type runKey struct {
	scope string
	id    any
}

func newScraper(f *Flags, self *selfMetrics, build builder) *scraper {
	s := &scraper{flags: f, build: build, self: self, inFlight: map[string]*gather{}, stuck: map[runKey]*run{}}
	if f.maxRequests > 0 {
		s.slots = make(chan struct{}, f.maxRequests)
	}
	return s
}

// ServeHTTP answers one scrape by its deadline.
func (s *scraper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.slots != nil {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			http.Error(w, fmt.Sprintf("limit of %d concurrent scrapes reached, try again later", cap(s.slots)), http.StatusServiceUnavailable)
			return
		}
	}
	t := newTiming(r.Header, s.flags.scrapeTimeout, s.flags.scrapeOffset)
	// An error only means that this connection cannot have a deadline.
	_ = http.NewResponseController(w).SetWriteDeadline(t.answer.Add(writeGrace))

	families, err := s.scrape(r.Context(), r.URL.Query(), t)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	gathered := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
	promhttp.HandlerFor(gathered, promhttp.HandlerOpts{
		EnableOpenMetrics:                   true,
		EnableOpenMetricsTextCreatedSamples: s.flags.created,
		OfferedCompressions:                 []promhttp.Compression{promhttp.Identity, promhttp.Gzip},
		ErrorHandling:                       promhttp.ContinueOnError,
	}).ServeHTTP(w, r)
}

// scrape joins or starts a gather and returns its families, or what there is of
// them when the time of this scrape is over. It fails only if the query is wrong.
func (s *scraper) scrape(ctx context.Context, q url.Values, t timing) ([]*dto.MetricFamily, error) {
	q.Del("name[]") // Chosen when the answer is written, not when it is gathered.
	g, err := s.join(ctx, q, t)
	if err != nil {
		return nil, err
	}
	defer s.leave(g)
	timer := time.NewTimer(time.Until(t.answer))
	defer timer.Stop()
	select {
	case <-g.ready:
		return g.families, nil
	case <-timer.C:
		return s.self.families(g.runs), nil
	case <-ctx.Done():
		return nil, nil
	}
}

// join returns a gather for q: the one in flight, if it leaves this scrape
// enough of its own time, and else a new one.
func (s *scraper) join(ctx context.Context, q url.Values, t timing) (*gather, error) {
	key := q.Encode()
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.inFlight[key]; g != nil && t.sharable(g.cut) {
		g.waiters++
		return g, nil
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), t.collect)
	collectors, free, err := s.build(ctx, q)
	if err != nil {
		cancel()
		return nil, err
	}
	g := &gather{cut: t.answer, cancel: cancel, waiters: 1, ready: make(chan struct{})}
	scope := ""
	if free != nil {
		scope = key
	}
	for _, c := range collectors {
		g.runs = append(g.runs, newRun(scope, c))
	}
	s.inFlight[key] = g
	go s.own(ctx, g, key, free)
	return g, nil
}

// leave ends one scrape's interest in g. The last one to leave before it is
// ready cancels it.
func (s *scraper) leave(g *gather) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.waiters--; g.waiters > 0 {
		return
	}
	for key, other := range s.inFlight {
		if other == g {
			delete(s.inFlight, key)
		}
	}
	g.cancel()
}

// own runs the collectors of g, makes it ready when they have returned or its
// time is over, and frees what they hold when the last has returned.
func (s *scraper) own(ctx context.Context, g *gather, key string, free func()) {
	s.self.gathers.Inc()
	var started sync.WaitGroup
	for _, r := range g.runs {
		started.Go(func() { s.start(ctx, r) })
	}
	returned := make(chan struct{})
	go func() {
		started.Wait()
		for _, r := range g.runs {
			<-r.done
		}
		close(returned)
	}()
	timer := time.NewTimer(time.Until(g.cut))
	defer timer.Stop()
	select {
	case <-returned:
	case <-timer.C:
	case <-ctx.Done():
		// Collectors that honour the deadline are about to return.
		select {
		case <-returned:
		case <-timer.C:
		}
	}
	g.families = s.self.families(g.runs)
	s.mu.Lock()
	if s.inFlight[key] == g {
		delete(s.inFlight, key)
	}
	s.mu.Unlock()
	close(g.ready)
	g.cancel()
	<-returned
	if free != nil {
		free()
	}
}

// start starts one run, unless its collector is still stuck in an earlier one.
func (s *scraper) start(ctx context.Context, r *run) {
	r.start(ctx, s.self.panicked)
}

// identity returns what two runs of the same collector have in common.
func identity(c ContextCollector, name string) any {
	switch {
	case name != "":
		return name
	case reflect.ValueOf(c).Comparable():
		return c
	default:
		return reflect.TypeOf(c).String()
	}
}
