package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/internal/session"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// scrape is one run over the queries for one answer.
type scrape struct {
	c      *Collector
	ctx    context.Context
	ch     chan<- prometheus.Metric
	server Server

	mu      sync.Mutex
	todo    []*task
	reached bool                       // a query has reached the server
	lost    error                      // why none has, if one tried
	seen    map[string]*collect.Family // names and series that several queries may have
}

// helpAfter is how long a scrape runs one query after the other before a
// second one helps.
const helpAfter = 200 * time.Millisecond

func (c *Collector) collect(ctx context.Context, ch chan<- prometheus.Metric, wanted func(name string) bool) {
	began := time.Now()
	server, err := c.server(ctx)
	var tasks []*task
	for _, t := range c.set.Load().tasks {
		if wanted(t.query.Name) && (err != nil && !t.query.Console || err == nil && t.runsOn(server)) {
			tasks = append(tasks, t)
		}
	}
	if err == nil {
		s := &scrape{c: c, ctx: ctx, ch: ch, server: server, seen: map[string]*collect.Family{}}
		s.run(tasks)
		err = s.lost
	}
	c.noteServer(ctx, err)
	if err == nil {
		c.last.Store(&server)
	}
	c.sendOwn(ch, tasks, err != nil, time.Since(began))
}

// server returns who answers. A Querier that panics, such as a nil one, does not.
func (c *Collector) server(ctx context.Context) (server Server, err error) {
	err = collect.Guard(func() (err error) {
		server, err = c.db.Server(ctx, "")
		return err
	})
	return server, err
}

// runsOn reports whether a query is for a server: the console of a pooler knows
// other statements.
func (t *task) runsOn(server Server) bool {
	if server.Console {
		return t.query.OnConsole(server.Version)
	}
	return !t.query.Console && t.query.Versions.Contains(server.Version)
}

// note counts the outcome of a query that ran, and finds out whether any has
// reached the server: it may go after it was asked for a sign of life.
func (s *scrape) note(t *task, ran *outcome) {
	s.c.record(t, ran, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(ran.err, errNotHere): // That may be known from before.
	case !isLost(ran.err):
		s.reached, s.lost = true, nil
	case !s.reached:
		s.lost = ran.err
	}
}

// isLost reports whether an error is that of a server which cannot be reached. A
// timeout may be the statement's, and who refuses a statement is there.
func isLost(err error) bool {
	if session.IsStatement(err) {
		return false
	}
	switch ReasonOf(err) {
	case collect.Auth, collect.DNS, collect.Protocol, collect.Refused, collect.Reset, collect.TLS, collect.Unreachable, ReasonUnavailable:
		return true
	}
	return false
}

// noteServer counts and logs a server that cannot be reached.
func (c *Collector) noteServer(ctx context.Context, err error) {
	c.mu.Lock()
	c.scrapes++
	if reason := ReasonOf(err); reason != "" {
		c.failures[reason]++
	}
	c.mu.Unlock()
	c.logServer(ctx, err)
}

// logServer logs when the server goes away, for another reason than before, and when
// it is back.
func (c *Collector) logServer(ctx context.Context, err error) {
	reason := ReasonOf(err)
	c.mu.Lock()
	// A scraper that went away says nothing about the server.
	changed := reason != c.down && reason != collect.Canceled
	if changed {
		c.down = reason
	}
	c.mu.Unlock()
	switch {
	case !changed:
	case reason == "":
		c.log.InfoContext(ctx, "server answers again")
	default:
		c.log.WarnContext(ctx, "server does not answer", "reason", string(reason), "err", session.Public(err))
	}
}

// run shows what is kept and runs the rest: the quickest first, so that a slow
// query delays only slower ones.
func (s *scrape) run(tasks []*task) {
	for _, t := range tasks {
		var kept *outcome
		switch {
		case !t.keeps():
			s.todo = append(s.todo, t)
			continue
		case t.query.Interval > 0 && s.c.background.Load():
			kept = t.stale()
		default:
			if kept = t.fresh(); kept == nil {
				s.todo = append(s.todo, t)
				continue
			}
		}
		s.send(t, kept)
	}
	batch := s.takeQuick()
	slices.SortStableFunc(s.todo, func(a, b *task) int { return int(a.stats.took() - b.stats.took()) })
	s.runRest(batch)
}

// quick is how long a query took the last time to be one of those that are sent
// in one batch.
const quick = 25 * time.Millisecond

// batch are the queries of a scrape that are sent at once.
type batch struct {
	tasks    []*task
	readings []*reading
	jobs     []*session.Job
}

// takeQuick takes the queries that were quick the last time, if there are some
// and they can be sent in one batch.
func (s *scrape) takeQuick() *batch {
	if _, ok := s.c.db.(batcher); !ok {
		return nil
	}
	var b batch
	var rest []*task
	for _, t := range s.todo {
		if t.isQuick() && s.c.isHere(s.ctx, t) {
			b.tasks = append(b.tasks, t)
		} else {
			rest = append(rest, t)
		}
	}
	if len(b.tasks) < 2 {
		return nil
	}
	s.todo = rest
	return &b
}

// runQuick runs a batch and leaves those queries to the others that are not quick
// this time.
func (s *scrape) runQuick(b *batch) {
	for _, t := range b.tasks {
		r := t.read(s.server, target{constant: s.c.labels})
		b.readings = append(b.readings, r)
		b.jobs = append(b.jobs, &session.Job{Statement: r.statement(nil), Visit: r.visit})
	}
	s.c.db.(batcher).Batch(s.ctx, b.jobs, helpAfter)
	for i, j := range b.jobs {
		t := b.tasks[i]
		if !j.Answered {
			s.leave(t)
			continue
		}
		out := b.readings[i].outcome(j.Result, j.Err, j.Took)
		s.note(t, &out)
		s.send(t, &out)
	}
}

// isQuick reports whether a query may be part of a batch.
func (t *task) isQuick() bool {
	took := t.stats.took()
	return took > 0 && took < quick && !t.keeps() && !t.query.PerDatabase() && (t.query.Timeout == 0 || t.query.Timeout > helpAfter)
}

// isHere reports whether it is known that the relations a query requires exist.
func (c *Collector) isHere(ctx context.Context, t *task) bool {
	missing, err := c.catalog.missing(ctx, c.db, t.query.Requires)
	return err == nil && missing == ""
}

// runRest runs a batch, if there is one, and what is left one by one: two by two
// when that takes long, and beside the batch what took long the last time.
func (s *scrape) runRest(b *batch) {
	done := make(chan struct{}, s.c.config.Workers)
	running := 0
	start := func() {
		running++
		go func() {
			s.work()
			done <- struct{}{}
		}()
	}
	defer func() {
		for ; running > 0; running-- {
			<-done
		}
	}()
	if b != nil {
		if s.c.config.Workers > 1 && s.isSlow() {
			start()
		}
		s.runQuick(b)
	}
	if s.left() {
		start()
	}
	help := time.NewTicker(helpAfter)
	defer help.Stop()
	for running > 0 {
		select {
		case <-done:
			running--
		case <-help.C:
			if running < s.c.config.Workers && s.left() {
				start()
			}
		}
	}
}

// isSlow reports whether any query that is left took long the last time.
func (s *scrape) isSlow() bool {
	return slices.ContainsFunc(s.todo, func(t *task) bool { return t.stats.took() >= quick })
}

// leave adds a query to those that are left.
func (s *scrape) leave(t *task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.todo = append(s.todo, t)
}

func (s *scrape) left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.todo) > 0
}

func (s *scrape) next() *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.todo) == 0 {
		return nil
	}
	t := s.todo[0]
	s.todo = s.todo[1:]
	return t
}

// work runs queries until none is left.
func (s *scrape) work() {
	for t := s.next(); t != nil; t = s.next() {
		s.do(t)
	}
}

func (s *scrape) do(t *task) {
	if t.keeps() {
		if !t.running.TryLock() { // another scrape is at it
			s.send(t, t.stale())
			return
		}
		defer t.running.Unlock()
	}
	ran, show := s.c.runGuarded(s.ctx, t, s.server)
	s.note(t, &ran)
	s.send(t, show)
}

// record notes how a query went, or that there was nothing to do.
func (c *Collector) record(t *task, ran *outcome, away bool) {
	if errors.Is(ran.err, errNotHere) {
		t.stats.forget()
		return
	}
	t.stats.record(ran, t.query.Name, away, c.log)
}

// errNotHere is the outcome of a query that requires a relation which does not
// exist.
var errNotHere = errors.New("does not exist")

// runGuarded is runTask, of which a panic fails only this query.
func (c *Collector) runGuarded(ctx context.Context, t *task, server Server) (ran outcome, show *outcome) {
	began := time.Now()
	err := collect.Guard(func() error {
		ran, show = c.runTask(ctx, t, server)
		return nil
	})
	if err != nil {
		return outcome{err: err, at: began, took: time.Since(began)}, nil
	}
	return ran, show
}

// runTask runs a query wherever it is to run and returns the outcome and what
// is to be shown. The caller holds t.running if results are kept.
func (c *Collector) runTask(ctx context.Context, t *task, server Server) (ran outcome, show *outcome) {
	fail := func(err error) (outcome, *outcome) { return outcome{err: err, at: time.Now()}, nil }
	if ctx.Err() != nil {
		return fail(fmt.Errorf("no time was left: %w", ctx.Err()))
	}
	missing, err := c.catalog.missing(ctx, c.db, t.query.Requires)
	if err != nil {
		return fail(err)
	}
	if missing != "" {
		return fail(fmt.Errorf("%s %w", missing, errNotHere))
	}
	targets, err := c.targets(ctx, t.query, server)
	if err != nil {
		return fail(err)
	}
	if t.keeps() {
		return t.runAndKeep(ctx, c.db, server, targets)
	}
	ran = t.run(ctx, c.db, server, targets)
	if t.query.SkipsLocked && ReasonOf(ran.err) == ReasonLock {
		ran = t.run(ctx, c.db, server, targets) // Now the lock is seen before it is run into.
	}
	return ran, &ran
}

// send passes the samples of an outcome on. Of series that several queries
// have, the first is kept.
func (s *scrape) send(t *task, out *outcome) {
	if out == nil {
		return
	}
	for i := range out.samples {
		one := &out.samples[i]
		if one.shared && !s.admit(one) {
			t.stats.add(ReasonDuplicate)
			continue
		}
		s.ch <- &one.Sample
	}
}

// admit reports whether a series is the first of its name and labels in this
// scrape, and of the same type as others of its name.
func (s *scrape) admit(one *sample) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, series := one.Family.Name, one.key()
	if first := s.seen[name]; first != nil && first.Kind != one.Family.Kind {
		return false
	}
	s.seen[name] = one.Family
	if s.seen[series+"\xff"] != nil {
		return false
	}
	s.seen[series+"\xff"] = one.Family
	return true
}
