package redis

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// backgroundFamilies are about the work beside the collections.
type backgroundFamilies struct {
	taskError, taskAge, taskSeconds, taskDropped *family
	scanCalls, scanKeys, keyGroupsMillis         *family
}

func newBackgroundFamilies(t *table) backgroundFamilies {
	return backgroundFamilies{
		taskError:   t.gauge("exporter_background_last_error", "Whether the last run of a task failed, labelled with the class of the cause.", "err", "task"),
		taskAge:     t.gauge("exporter_background_age_seconds", "Age of the result of a task that is exported.", "task"),
		taskSeconds: t.gauge("exporter_background_duration_seconds", "Duration of the last run of a task.", "task"),
		taskDropped: t.gauge("exporter_background_dropped", "Things a task left out because there are too many, or their names too long.", "task"),
		scanCalls:   t.gauge("exporter_background_scan_calls", "Calls of SCAN in the last complete walk over the keys."),
		scanKeys:    t.gauge("exporter_background_scan_keys", "Keys seen in the last complete walk over the keys."),
		keyGroupsMillis: t.gauge("last_key_groups_scrape_duration_milliseconds",
			"Duration of the last walk over the keys that sorted them into groups, in milliseconds."),
	}
}

// task is one kind of work beside the collections.
type task struct {
	name    string
	timeout time.Duration
	run     func(context.Context, *result) error

	// The following are guarded by background.mu.
	last *result // the last that succeeded, or nil
	err  error   // of the last run
	took time.Duration
	ran  bool
}

// result collects the metrics of one run of a task. Once the run is over it is
// not written again, so that every collection can share it.
type result struct {
	output
	*families
	at        time.Time
	dropped   int
	groupTime time.Duration // of sorting keys into groups
	seen      map[series]bool
}

// series identifies a sample of a result.
type series struct {
	*family
	labels string
}

// add adds a sample, unless there is one like it: SCAN returns some keys twice,
// and names that are not UTF-8 may become the same.
func (r *result) add(f *family, value float64, labels ...string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	s := series{f, strings.Join(labels, "\x00")}
	if r.seen[s] {
		r.dropped++
		return
	}
	r.seen[s] = true
	r.output.add(f, value, labels...)
}

// background are the tasks of a collector.
type background struct {
	running sync.Mutex // held while tasks run
	started time.Time  // when they last did, guarded by running

	mu    sync.Mutex
	tasks []*task
}

// newTasks returns the tasks that the configuration asks for.
func (c *Collector) newTasks() []*task {
	var tasks []*task
	if c.config.Keys.exact() {
		tasks = append(tasks, &task{name: "keys", timeout: c.config.Keys.Timeout, run: c.exactKeys})
	}
	if c.config.Keys.scans() {
		tasks = append(tasks, &task{name: "scan", timeout: c.config.Keys.Timeout, run: c.scan})
	}
	if len(c.config.Scripts) > 0 {
		tasks = append(tasks, &task{name: "scripts", timeout: time.Hour, run: c.runScripts})
	}
	return tasks
}

// Run refreshes what is known about keys, and runs scripts, at once and then at
// the interval of KeysConfig until ctx is done; then it returns nil. If there is
// nothing to do it returns at once.
func (c *Collector) Run(ctx context.Context) error {
	if len(c.background.tasks) == 0 {
		return nil
	}
	tick := time.NewTicker(c.config.Keys.Interval)
	defer tick.Stop()
	for {
		c.background.running.Lock()
		c.refresh(ctx)
		c.background.running.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// RefreshIfDue does what Run does at each interval, if the last time was an
// interval ago and no other call is at it. It is for collectors of many servers,
// for which Run would be too much, and returns when ctx is done.
func (c *Collector) RefreshIfDue(ctx context.Context) {
	b := &c.background
	if len(b.tasks) == 0 || !b.running.TryLock() {
		return
	}
	defer b.running.Unlock()
	if !b.started.IsZero() && c.now().Sub(b.started) < c.config.Keys.Interval {
		return
	}
	c.refresh(ctx)
}

// refresh runs all tasks. The caller holds background.running.
func (c *Collector) refresh(ctx context.Context) {
	c.background.started = c.now()
	for _, t := range c.background.tasks {
		if ctx.Err() != nil {
			return
		}
		c.runTask(ctx, t)
	}
}

func (c *Collector) runTask(ctx context.Context, t *task) {
	start := c.now()
	limited, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	r := &result{families: c.families, seen: map[series]bool{}}
	err := t.run(limited, r)
	if errors.Is(ctx.Err(), context.Canceled) {
		return // The program ends.
	}
	r.at = c.now()
	b := &c.background
	b.mu.Lock()
	before := ReasonOf(t.err)
	t.ran, t.err, t.took = true, err, r.at.Sub(start)
	if err == nil {
		t.last = r
	}
	b.mu.Unlock()
	switch reason := ReasonOf(err); {
	case reason == before:
	case reason == ReasonNone:
		c.config.Logger.Info("task succeeds again", "task", t.name)
	default:
		c.config.Logger.Warn("task failed, its last result stays", "task", t.name, "reason", string(reason), "err", redact(err))
	}
}

// tasks writes the last result of every task.
func (w *writer) tasks(b *background) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var groupTime time.Duration
	for _, t := range b.tasks {
		if t.ran {
			w.flag(w.taskError, t.err != nil, string(ReasonOf(t.err)), t.name)
			w.add(w.taskSeconds, t.took.Seconds(), t.name)
		}
		if t.last != nil {
			w.add(w.taskAge, w.now.Sub(t.last.at).Seconds(), t.name)
			w.add(w.taskDropped, float64(t.last.dropped), t.name)
			w.metrics = append(w.metrics, t.last.metrics...)
			groupTime += t.last.groupTime
		}
	}
	w.add(w.keyGroupsMillis, float64(groupTime.Milliseconds()))
}

// errBudget says that a walk over the keys is longer than it may be.
var errBudget = errors.New("more keys than the budget of a walk")

// keyClient returns the client that reaches all keys.
func (c *Collector) keyClient() redis.UniversalClient {
	if c.config.Keys.Client != nil {
		return c.config.Keys.Client
	}
	return c.client
}

// skip reports whether the work on keys is left to the replicas.
func (c *Collector) skip(ctx context.Context) (bool, error) {
	if !c.config.Keys.SkipOnMaster {
		return false, nil
	}
	node, err := c.node(ctx)
	if err != nil {
		return false, err
	}
	replies, err := call(ctx, node, []command{{"ROLE"}})
	if err != nil {
		return false, err
	}
	role, err := replies[0].list()
	if err != nil {
		return false, err
	}
	return len(role) > 0 && toText(role[0]) == "master", nil
}

// callDB is call in a database: the connection returns to its own afterwards.
func callDB(ctx context.Context, client redis.Cmdable, db int, commands []command) ([]reply, error) {
	own := 0
	if c, ok := client.(*redis.Client); ok {
		own = c.Options().DB
	}
	if db == own {
		return call(ctx, client, commands)
	}
	all := append([]command{{"SELECT", db}}, commands...)
	replies, err := call(ctx, client, append(all, command{"SELECT", own}))
	if err != nil {
		return nil, err
	}
	if replies[0].err != nil {
		return nil, replies[0].err // The other commands ran elsewhere.
	}
	return replies[1 : len(replies)-1], nil
}
