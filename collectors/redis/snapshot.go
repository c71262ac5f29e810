package redis

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// snapshot is all that one collection learned.
type snapshot struct {
	err     error // why the server is not up
	info    info
	facts   *facts
	answers []answer

	took, connect, ping time.Duration
	collections         uint64  // this one included
	seconds             float64 // of all of them
}

// state is what a collector remembers from one collection to the next.
type state struct {
	facts       *facts // of the last INFO, nil before
	refused     map[*part]refusal
	down        Reason
	collections uint64
	seconds     float64
}

// flight is a collection that is under way.
type flight struct {
	done chan struct{}
	snap *snapshot // once done is closed
}

// snapshot collects, or waits for the collection under way.
func (c *Collector) snapshot(ctx context.Context) *snapshot {
	for {
		c.mu.Lock()
		f := c.current
		if f == nil {
			f = &flight{done: make(chan struct{})}
			c.current = f
			c.mu.Unlock()
			c.lead(ctx, f)
			return f.snap
		}
		c.mu.Unlock()
		select {
		case <-f.done:
			if errors.Is(f.snap.err, context.Canceled) && ctx.Err() == nil {
				continue // Its caller went away, this one did not.
			}
			return f.snap
		case <-ctx.Done():
			return &snapshot{err: ctx.Err()}
		}
	}
}

// maxStale is how many connections that the server closed while they were idle
// a collection tries before it believes that the server is down. Clients do not
// notice that of all connections, TLS in particular.
const maxStale = 4

// lead collects on behalf of all who wait for f.
func (c *Collector) lead(ctx context.Context, f *flight) {
	start := c.now()
	f.snap = &snapshot{err: errors.New("collection panicked")}
	defer func() {
		c.mu.Lock()
		c.current = nil
		c.mu.Unlock()
		close(f.done)
	}()
	c.dials.last.Store(0)
	snap := &snapshot{}
	for range maxStale {
		*snap = snapshot{}
		snap.err = c.ask(ctx, snap)
		if ReasonOf(snap.err) != ReasonClosed || c.dials.last.Load() != 0 {
			break
		}
	}
	snap.connect = time.Duration(c.dials.last.Load())
	snap.took = c.now().Sub(start)
	c.remember(snap)
	f.snap = snap
}

// ask fills snap. The error says why the server is not up.
func (c *Collector) ask(ctx context.Context, snap *snapshot) error {
	node, err := c.node(ctx)
	if err != nil {
		return err
	}
	if c.config.Ping {
		start := c.now()
		if err := node.Ping(ctx).Err(); err != nil {
			return err
		}
		snap.ping = c.now().Sub(start)
	}
	var asked []*part
	if c.state.facts != nil {
		asked, snap.answers = plan(c.config, c.state.facts, c.state.refused, c.now())
	}
	text, answers, err := c.batch(ctx, node, c.state.facts, asked, command{"INFO", "ALL"})
	if err != nil {
		return err
	}
	snap.answers = append(snap.answers, answers...)
	snap.info = parseInfo(text)
	snap.facts = readFacts(snap.info)
	if len(snap.info) == 0 {
		return errReply
	}
	more, rest := plan(c.config, snap.facts, c.state.refused, c.now())
	if c.state.facts == nil {
		snap.answers = rest
	}
	if more = without(more, asked); len(more) > 0 {
		_, answers, _ := c.batch(ctx, node, snap.facts, more)
		snap.answers = append(snap.answers, answers...)
	}
	return nil
}

// batch sends first and the commands of some parts in one round trip. It returns
// the text that answers first, and fails if there is none.
func (c *Collector) batch(ctx context.Context, node redis.Cmdable, f *facts, some []*part, first ...command) (string, []answer, error) {
	commands, sizes := first, make([]int, len(some))
	for i, p := range some {
		more := p.commands(c.config, f)
		commands, sizes[i] = append(commands, more...), len(more)
	}
	replies, err := call(ctx, node, commands)
	text := ""
	if len(first) > 0 {
		var textErr error
		if text, textErr = replies[0].text(); textErr != nil {
			if err == nil || isReply(textErr) {
				err = textErr
			}
			return "", nil, err
		}
		replies = replies[len(first):]
	}
	answers := make([]answer, len(some))
	for i, p := range some {
		answers[i] = answer{part: p, replies: replies[:sizes[i]], err: replies[0].err}
		replies = replies[sizes[i]:]
	}
	return text, answers, nil
}

// node returns the client to ask: of a cluster, the owner of the first slot.
func (c *Collector) node(ctx context.Context) (redis.UniversalClient, error) {
	if cluster, ok := c.client.(*redis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, "")
	}
	return c.client, nil
}

// dialTimer is a hook that keeps the duration of the last dial.
type dialTimer struct{ last atomic.Int64 }

// DialHook implements redis.Hook.
func (d *dialTimer) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		start := time.Now()
		conn, err := next(ctx, network, addr)
		d.last.Store(int64(time.Since(start)))
		return conn, err
	}
}

// ProcessHook implements redis.Hook.
func (d *dialTimer) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (d *dialTimer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
