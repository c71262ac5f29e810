package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// background are the tasks of a collector, the work beside the collections.
type background struct {
	config  *Config
	now     func() time.Time
	metrics backgroundMetrics

	running sync.Mutex // held while tasks run
	started time.Time  // when they last did, guarded by running

	mu    sync.Mutex // guards what the tasks remember
	tasks []*task
}

// task is one kind of work.
type task struct {
	name    string
	timeout time.Duration
	run     func(context.Context, *result) error

	// The following are guarded by background.mu.
	last *result // the last that succeeded, or nil
	err  error   // of the last run, or why its result lacks something
	took time.Duration
	ran  bool
}

// newBackground returns the tasks that the configuration asks for.
func newBackground(client redis.UniversalClient, config *Config, t *collect.Families) *background {
	b := &background{config: config, now: time.Now, metrics: newBackgroundMetrics(t)}
	keys, streams := newKeyReader(&config.Keys, t), newStreamReader(&config.Keys, t)
	exact := &exactKeys{client, &config.Keys, keys, streams}
	scan := &scanner{client, &config.Keys, keys, streams, newScanMetrics(t), newGroupMetrics(t)}
	search := &searchReader{client, config, newSearchMetrics(t)}
	scripts := &scriptRunner{client, config, newScriptMetrics(t), map[string]Reason{}}
	if config.Keys.exact() {
		b.tasks = append(b.tasks, &task{name: "keys", timeout: config.Keys.Timeout, run: exact.run})
	}
	if config.Keys.scans() {
		b.tasks = append(b.tasks, &task{name: "scan", timeout: config.Keys.Timeout, run: scan.run})
	}
	if config.SearchIndexes != nil {
		b.tasks = append(b.tasks, &task{name: "search", timeout: config.Keys.Timeout, run: search.run})
	}
	if len(config.Scripts) > 0 {
		b.tasks = append(b.tasks, &task{name: "scripts", timeout: time.Hour, run: scripts.run})
	}
	return b
}

// run refreshes at once and then at the interval of KeysConfig until ctx is done.
func (b *background) run(ctx context.Context) {
	if len(b.tasks) == 0 {
		return
	}
	tick := time.NewTicker(b.config.Keys.Interval)
	defer tick.Stop()
	for {
		b.running.Lock()
		b.refresh(ctx)
		b.running.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// refreshIfDue refreshes if the last time was an interval ago and no other call
// is at it.
func (b *background) refreshIfDue(ctx context.Context) {
	if len(b.tasks) == 0 || !b.running.TryLock() {
		return
	}
	defer b.running.Unlock()
	if !b.started.IsZero() && b.now().Sub(b.started) < b.config.Keys.Interval {
		return
	}
	b.refresh(ctx)
}

// refresh runs all tasks. The caller holds running.
func (b *background) refresh(ctx context.Context) {
	b.started = b.now()
	for _, t := range b.tasks {
		if ctx.Err() != nil {
			return
		}
		b.runTask(ctx, t)
	}
}

func (b *background) runTask(ctx context.Context, t *task) {
	start := b.now()
	limited, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	r := newResult()
	err := collect.Guard(func() error { return t.run(limited, r) })
	if errors.Is(ctx.Err(), context.Canceled) {
		return // The program ends.
	}
	r.at = b.now()
	b.mu.Lock()
	before := ReasonOf(t.err)
	failed := err != nil
	if !failed {
		t.last, err = r, r.left
	}
	t.ran, t.err, t.took = true, err, r.at.Sub(start)
	b.mu.Unlock()
	switch reason := ReasonOf(err); {
	case reason == before:
	case reason == collect.None:
		b.config.Logger.Info("task succeeds again", "task", t.name)
	case !failed:
		b.config.Logger.Warn("task left something out", "task", t.name, "reason", string(reason), "err", redact(err))
	default:
		b.config.Logger.Warn("task failed, its last result stays", "task", t.name, "reason", string(reason), "err", redact(err))
	}
}

// backgroundMetrics are about the tasks themselves.
type backgroundMetrics struct {
	failed, age, seconds, dropped, groupMillis *collect.Family
}

func newBackgroundMetrics(t *collect.Families) backgroundMetrics {
	return backgroundMetrics{
		failed:  t.Gauge("exporter_background_last_error", "Whether the last run of a task failed, labelled with the class of the cause.", "err", "task"),
		age:     t.Gauge("exporter_background_age_seconds", "Age of the result of a task that is exported.", "task"),
		seconds: t.Gauge("exporter_background_duration_seconds", "Duration of the last run of a task.", "task"),
		dropped: t.Gauge("exporter_background_dropped", "Things a task left out because there are too many, or their names too long.", "task"),
		groupMillis: t.Gauge("last_key_groups_scrape_duration_milliseconds",
			"Duration of the last walk over the keys that sorted them into groups, in milliseconds."),
	}
}

// write writes the last result of every task.
func (b *background) write(out *collect.Output, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &b.metrics
	var groupTime time.Duration
	for _, t := range b.tasks {
		if t.ran {
			out.Flag(m.failed, t.err != nil, string(ReasonOf(t.err)), t.name)
			out.Add(m.seconds, t.took.Seconds(), t.name)
		}
		if t.last != nil {
			out.Add(m.age, now.Sub(t.last.at).Seconds(), t.name)
			out.Add(m.dropped, float64(t.last.dropped), t.name)
			out.Join(&t.last.Output)
			groupTime += t.last.groupTime
		}
	}
	out.Add(m.groupMillis, float64(groupTime.Milliseconds()))
}
