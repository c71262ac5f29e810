package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Script is a Lua script that returns a flat table of names and numbers. It is
// run read-only, by EVAL_RO of Redis 7, without keys.
type Script struct {
	Name string // the label "filename"
	Text string
}

// scriptFamilies are about scripts.
type scriptFamilies struct {
	scriptResult, scriptSeconds, scriptValues *family
}

func newScriptFamilies(t *table) scriptFamilies {
	return scriptFamilies{
		scriptResult:  t.gauge("script_result", "Whether a script succeeded.", "filename"),
		scriptSeconds: t.gauge("script_duration_seconds", "Time a script took.", "filename"),
		scriptValues:  t.gauge("script_values", "Value a script returned under a name.", "filename", "key"),
	}
}

// runScripts is the task that runs all scripts. A script that fails is its own
// matter.
func (c *Collector) runScripts(ctx context.Context, r *result) error {
	for _, s := range c.config.Scripts {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		start := c.now()
		value, err := c.eval(ctx, s)
		if err == nil {
			err = r.script(s, value, c.config.Keys.MaxKeys)
		}
		r.flag(r.scriptResult, err == nil, s.Name)
		r.add(r.scriptSeconds, c.now().Sub(start).Seconds(), s.Name)
		c.logScript(s, err)
	}
	return nil
}

// logScript logs when a script fails for the first time, or for another reason,
// and when it succeeds again.
func (c *Collector) logScript(s Script, err error) {
	reason, before := ReasonOf(err), c.scriptReasons[s.Name]
	switch {
	case reason == before:
	case err == nil:
		c.config.Logger.Info("script succeeds again", "script", s.Name)
	default:
		c.config.Logger.Warn("script failed", "script", s.Name, "reason", string(reason), "err", redact(err))
	}
	c.scriptReasons[s.Name] = reason
}

// script writes the values of a script, all or none.
func (r *result) script(s Script, value any, limit int) error {
	numbers := map[string]float64{}
	for name, v := range fields(value) {
		n, ok := toNumber(v)
		switch {
		case !ok:
			return errScript
		case len(numbers) >= limit || len(name) > maxName:
			r.dropped++
		default:
			numbers[name] = n
		}
	}
	for name, n := range numbers {
		r.add(r.scriptValues, n, s.Name, name)
	}
	return nil
}

var errScript = errors.New("the script returned something other than names and numbers")

// killGrace is how long a script that has had its time may take to die. A server
// listens to SCRIPT KILL only after its busy-reply-threshold, which is 5 s.
const killGrace = 15 * time.Second

// eval runs a script. One that takes too long is killed on the server, because
// nobody else is served until it ends.
func (c *Collector) eval(ctx context.Context, s Script) (any, error) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.ScriptTimeout+killGrace)
	defer cancel()
	done := make(chan reply, 1)
	go func() {
		value, err := c.client.Do(limited, "EVAL_RO", s.Text, 0).Result()
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		done <- reply{value: value, err: err}
	}()
	timer := time.NewTimer(c.config.ScriptTimeout)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
	case <-ctx.Done():
	}
	c.kill(limited, done)
	return nil, context.DeadlineExceeded
}

// kill kills the script whose reply is to arrive at done, and returns once it
// has arrived.
//
// SCRIPT KILL kills whatever runs. If that were somebody else's script, the
// server would have answered ours with BUSY, as it does a PING.
func (c *Collector) kill(ctx context.Context, done <-chan reply) {
	for {
		try, cancel := context.WithTimeout(ctx, time.Second)
		busy := ReasonOf(c.client.Ping(try).Err()) == ReasonBusy
		select {
		case <-done:
			cancel()
			return
		case <-time.After(100 * time.Millisecond):
		}
		if busy {
			_ = c.client.ScriptKill(try).Err() // The reply to the script tells.
		}
		cancel()
	}
}
