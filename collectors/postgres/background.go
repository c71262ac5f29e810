package postgres

import (
	"context"
	"time"
)

// Run runs the queries that have an interval, one at a time, until ctx ends.
// While it runs, scrapes show their last results; without it they run such a
// query themselves when its result is older than the interval. It returns nil,
// and must not be called twice at the same time.
func (c *Collector) Run(ctx context.Context) error {
	c.background.Store(true)
	defer c.background.Store(false)
	due := map[*task]time.Time{}
	for {
		timer := time.NewTimer(c.runDue(ctx, due))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-c.reloaded:
			timer.Stop()
			clear(due)
		case <-timer.C:
		}
	}
}

// idleWait is how long Run sleeps when there is nothing to do.
const idleWait = time.Hour

// runDue runs what is due and returns how long nothing else will be. A task
// that due does not know is due when its result, if any, is too old.
func (c *Collector) runDue(ctx context.Context, due map[*task]time.Time) time.Duration {
	wait := idleWait
	for _, t := range c.set.Load().tasks {
		interval := t.query.Interval
		if interval == 0 || ctx.Err() != nil {
			continue
		}
		at, known := due[t]
		if kept := t.fresh(); !known && kept != nil {
			at = kept.at.Add(interval)
		}
		if time.Until(at) <= 0 {
			at = time.Now().Add(interval)
			c.runBackground(ctx, t)
		}
		due[t] = at
		wait = min(wait, max(0, time.Until(at)))
	}
	return wait
}

// minBackground is the time a background query has if it has no timeout and
// its interval is shorter.
const minBackground = 10 * time.Second

func (c *Collector) runBackground(ctx context.Context, t *task) {
	t.running.Lock()
	defer t.running.Unlock()
	timeout := t.query.Timeout
	if timeout == 0 {
		timeout = max(t.query.Interval, minBackground)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	server, err := c.server(ctx)
	if err == nil && !t.runsOn(server) {
		return
	}
	ran, away := outcome{at: time.Now(), err: err}, err != nil
	if !away {
		ran, _ = c.runGuarded(ctx, t, server)
	}
	if ctx.Err() != nil && context.Cause(ctx) == context.Canceled {
		return // shutting down
	}
	if away {
		c.logServer(ctx, err)
	}
	c.record(t, &ran, away)
}
