package exporter

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// gather is what one run over a set of collectors gives. Every scrape that waits
// for it shares it.
type gather struct {
	cut time.Time // when the families are made of what has arrived

	page *page // once the run is over, as err
	err  error

	mu       sync.Mutex
	runs     []*run
	buildErr error
}

// soFar returns the runs that have been started.
func (g *gather) soFar() ([]*run, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.runs, g.buildErr
}

// join returns a gather for q: the one in flight if it leaves this scrape
// enough of its time, and else a new one.
func (s *scraper) join(ctx context.Context, q url.Values, t timing) *collect.Flight[*gather] {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), t.collect)
	defer cancel()
	enough := func(g *gather) bool { return t.sharable(g.cut) }
	return s.flights.Join(ctx, q.Encode(), enough, &gather{cut: t.answer}, func(ctx context.Context, g *gather) {
		s.oversee(ctx, g, q)
	})
}

// oversee ends when the collectors of g have returned or its time is over.
func (s *scraper) oversee(ctx context.Context, g *gather, q url.Values) {
	s.stats.gathers.Inc()
	cut := time.NewTimer(time.Until(g.cut))
	defer cut.Stop()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		s.stats.guard("gather", func() { s.work(ctx, g, q) })
	}()
	select {
	case <-returned:
	case <-ctx.Done():
		s.watch(g)
		// Collectors that honour the deadline are about to return.
		select {
		case <-returned:
		case <-cut.C:
			s.complain(g)
		}
	}
	runs, err := g.soFar()
	if err == nil {
		g.page = s.stats.page(runs, s.own)
		g.page.bodies = &bodies{}
	}
	g.err = err
}

// work builds the collectors of g, runs them until the last has returned, and
// frees what they hold.
func (s *scraper) work(ctx context.Context, g *gather, q url.Values) {
	collectors, free, err := s.build(ctx, q)
	if free != nil {
		defer free()
	}
	runs := make([]*run, len(collectors))
	for i, c := range collectors {
		runs[i] = newRun(s.scope(q), c)
	}
	g.mu.Lock()
	g.runs, g.buildErr = runs, err
	g.mu.Unlock()
	var working sync.WaitGroup
	for _, r := range runs {
		working.Go(func() { s.start(ctx, r) })
	}
	working.Wait()
}

// start runs one collector, unless it is still stuck in an earlier gather.
func (s *scraper) start(ctx context.Context, r *run) {
	if !s.free(ctx, r.key) {
		close(r.done)
		return
	}
	r.collect(ctx, s.stats)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck[r.key] == r {
		delete(s.stuck, r.key)
	}
}

// free waits a short while for a collector that is late from an earlier gather,
// and reports whether it can run.
func (s *scraper) free(ctx context.Context, key runKey) bool {
	s.mu.Lock()
	late, full := s.stuck[key], len(s.stuck) >= maxStuck
	s.mu.Unlock()
	if late == nil {
		return !full
	}
	timer := time.NewTimer(stuckGrace)
	defer timer.Stop()
	select {
	case <-late.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// watch notes the collectors of g that have not returned at their deadline, so
// that no second run of them piles up behind the first.
func (s *scraper) watch(g *gather) {
	runs, _ := g.soFar()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range runs {
		if !r.over() {
			s.stuck[r.key] = r
		}
	}
}

// complain logs which collectors of g missed the answer.
func (s *scraper) complain(g *gather) {
	runs, _ := g.soFar()
	for _, r := range runs {
		if !r.over() {
			s.stats.say("late "+r.String(), "collector did not return in time, answered without it", "collector", r.String())
		}
	}
}
