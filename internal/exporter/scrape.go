package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

const (
	// stuckGrace is how long a gather waits for a collector that is late from an
	// earlier one, before it goes on without it.
	stuckGrace = 100 * time.Millisecond
	// maxStuck bounds the collectors that may be stuck at the same time.
	maxStuck = 64
	// clientGrace is how long a client may take to read an answer.
	clientGrace = 10 * time.Second
)

// builder returns the collectors of one gather and a function that frees what
// they hold, called after the last of them has returned; it may be nil. It must
// honour ctx.
type builder func(ctx context.Context, q url.Values) ([]ContextCollector, func(), error)

// scraper answers scrapes.
type scraper struct {
	flags   *Flags
	stats   *stats
	build   builder
	own     prometheus.Collector    // the exporter's own metrics, or nil
	note    noter                   // told of each answer, or nil
	failed  prometheus.Counter      // of answers that could not be written, or nil
	process prometheus.Gatherer     // added to answers over HTTP, or nil
	scope   func(url.Values) string // which targets' collectors are the same
	slots   chan struct{}           // one per scrape being served, nil if unlimited
	zip     compressor

	flights collect.Flights[string, *gather] // by query

	mu    sync.Mutex
	stuck map[runKey]*run // collectors that missed their deadline and still run
}

// noter is told of an answer: when its gathering began, and what it has.
type noter func(start time.Time, p *page)

// newScraper returns a scraper without metrics of its own.
func newScraper(f *Flags, build builder) *scraper {
	s := &scraper{
		flags: f, stats: f.stats, build: build,
		scope: func(url.Values) string { return "" },
		stuck: map[runKey]*run{},
	}
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
	limitClient(w, t.answer.Add(clientGrace))
	start := time.Now()
	page, err := s.scrape(r.Context(), r.URL.Query(), t)
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	if s.process != nil {
		page = s.withProcess(page)
	}
	if s.note != nil && r.Context().Err() == nil {
		s.note(start, page)
	}
	if page.bodies != nil && acceptsGzip(r.Header) && s.writeShared(w, r, page) {
		return
	}
	s.zip.serve(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.write(w, r, page) }))
}

// write writes a page in the format that the scraper wants.
func (s *scraper) write(w http.ResponseWriter, r *http.Request, p *page) {
	as := s.describe(w, r)
	if err := p.write(w, as, s.flags.created, r.URL.Query()["name[]"]); err != nil && s.failed != nil {
		s.failed.Inc() // Nearly always the client has gone.
	}
}

// describe writes the header of an answer, and returns the format that the scraper wants.
func (s *scraper) describe(w http.ResponseWriter, r *http.Request) expfmt.Format {
	as := format(r.Header)
	w.Header().Add("Vary", "Accept")
	w.Header().Set("Content-Type", string(as))
	return as
}

// writeShared writes a whole page that several scrapes share: it is made text and
// compressed once. It does nothing if that is not to be had.
func (s *scraper) writeShared(w http.ResponseWriter, r *http.Request, p *page) bool {
	as := format(r.Header)
	if r.URL.Query().Has("name[]") {
		return false // Few ask for a part of it.
	}
	body, err := p.bodies.of(string(as), func(to io.Writer) error {
		return s.zip.compress(to, func(to io.Writer) error { return p.write(to, as, s.flags.created, nil) })
	})
	if err != nil {
		return false
	}
	s.describe(w, r)
	w.Header().Set("Content-Encoding", "gzip")
	if _, err := w.Write(body); err != nil && s.failed != nil {
		s.failed.Inc() // Nearly always the client has gone.
	}
	return true
}

// scrape joins or starts a gather and returns its page, or what there is of
// it when the time of this scrape is over. It fails only if the query is wrong.
func (s *scraper) scrape(ctx context.Context, q url.Values, t timing) (*page, error) {
	q.Del("name[]") // Chosen when the answer is written, not when it is gathered.
	flight := s.join(ctx, q, t)
	defer s.flights.Leave(q.Encode(), flight)
	g := flight.State
	timer := time.NewTimer(time.Until(t.answer))
	defer timer.Stop()
	select {
	case <-flight.Done:
		if g.page == nil || s.flights.Shared(flight) {
			return g.page, g.err
		}
		return &page{families: g.page.families, bulks: g.page.bulks}, g.err
	case <-ctx.Done(): // The client has gone.
		return &page{}, nil
	case <-timer.C:
	}
	runs, err := g.soFar()
	if err != nil {
		return nil, err
	}
	return s.stats.page(runs, s.own), nil
}

// withProcess adds the metrics of the process to those of a part of it.
func (s *scraper) withProcess(p *page) *page {
	more, err := s.process.Gather()
	s.stats.drop(err)
	return p.with(more)
}

// limitClient ends the connection of a client that has not sent its request and
// read the answer by t.
func limitClient(w http.ResponseWriter, t time.Time) {
	c := http.NewResponseController(w)
	// An error only says that this kind of connection knows no deadline.
	_ = c.SetReadDeadline(t)
	_ = c.SetWriteDeadline(t)
}

// statusError is an error with an HTTP status of its own.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// statusOf returns the HTTP status for err: 400 unless it brings its own.
func statusOf(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	return http.StatusBadRequest
}
