package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// scriptRunner is the task that runs all scripts.
type scriptRunner struct {
	client  redis.UniversalClient
	config  *Config
	metrics scriptMetrics
	reasons map[string]Reason // of the last runs, by name
}

// scriptMetrics are about scripts.
type scriptMetrics struct {
	result, seconds, values *collect.Family
}

func newScriptMetrics(t *collect.Families) scriptMetrics {
	return scriptMetrics{
		result:  t.Gauge("script_result", "Whether a script succeeded.", "filename"),
		seconds: t.Gauge("script_duration_seconds", "Time a script took.", "filename"),
		values:  t.Gauge("script_values", "Value a script returned under a name.", "filename", "key"),
	}
}

// run runs all scripts. A script that fails costs no other.
func (s *scriptRunner) run(ctx context.Context, r *result) error {
	for _, one := range s.config.Scripts {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		start := time.Now()
		value, err := s.eval(ctx, one)
		if err == nil {
			err = s.write(one, value, r)
		}
		r.Flag(s.metrics.result, err == nil, one.Name)
		r.add(s.metrics.seconds, time.Since(start).Seconds(), one.Name)
		s.log(one, err)
	}
	return nil
}

// log logs when a script fails for the first time, or for another reason,
// and when it succeeds again.
func (s *scriptRunner) log(one Script, err error) {
	reason, before := ReasonOf(err), s.reasons[one.Name]
	switch {
	case reason == before:
	case err == nil:
		s.config.Logger.Info("script succeeds again", "script", one.Name)
	default:
		s.config.Logger.Warn("script failed", "script", one.Name, "reason", string(reason), "err", redact(err))
	}
	s.reasons[one.Name] = reason
}

// write writes the values of a script, all or none.
func (s *scriptRunner) write(one Script, value any, r *result) error {
	numbers := map[string]float64{}
	for name, v := range fields(value) {
		n, ok := toNumber(v)
		switch {
		case !ok:
			return errScript
		case len(numbers) >= s.config.Keys.MaxKeys || len(name) > maxName:
			r.dropped++
		default:
			numbers[name] = n
		}
	}
	for name, n := range numbers {
		r.add(s.metrics.values, n, one.Name, name)
	}
	return nil
}

var errScript = errors.New("the script returned something other than names and numbers")

// killGrace is how long a script that has had its time may take to die. A server
// listens to SCRIPT KILL only after its busy-reply-threshold, which is 5 s.
const killGrace = 15 * time.Second

// eval runs a script. One that takes too long is killed on the server, because
// nobody else is served until it ends.
func (s *scriptRunner) eval(ctx context.Context, one Script) (any, error) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.ScriptTimeout+killGrace)
	defer cancel()
	done := make(chan reply, 1)
	go func() {
		var answer reply
		answer.err = collect.Guard(func() (err error) {
			answer.value, err = s.client.Do(limited, "EVAL_RO", one.Text, 0).Result()
			return err
		})
		if errors.Is(answer.err, redis.Nil) {
			answer.err = nil
		}
		done <- answer
	}()
	timer := time.NewTimer(s.config.ScriptTimeout)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
	case <-ctx.Done():
	}
	s.kill(limited, done)
	return nil, context.DeadlineExceeded
}

// kill kills the script whose reply is to arrive at done, and returns once it
// has arrived.
//
// SCRIPT KILL kills whatever runs. If that were somebody else's script, the
// server would have answered ours with BUSY, as it does a PING.
func (s *scriptRunner) kill(ctx context.Context, done <-chan reply) {
	for {
		try, cancel := context.WithTimeout(ctx, time.Second)
		busy := ReasonOf(s.client.Ping(try).Err()) == ReasonBusy
		select {
		case <-done:
			cancel()
			return
		case <-time.After(100 * time.Millisecond):
		}
		if busy {
			_ = s.client.ScriptKill(try).Err() // An error shows in the reply to the script.
		}
		cancel()
	}
}
