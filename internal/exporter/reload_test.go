package exporter

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestLifecycle reloads over HTTP only if that is enabled.
func TestLifecycle(t *testing.T) {
	for _, enabled := range []bool{false, true} {
		var args []string
		if enabled {
			args = append(args, "--web.enable-lifecycle")
		}
		reloads := atomic.Int64{}
		s := optionsServer(t, testFlags(t, args...), Options{Reload: func(context.Context) error {
			reloads.Add(1)
			return nil
		}})
		a := do(t, "POST", s.URL+"/-/reload")
		if got := a.status == http.StatusOK && reloads.Load() == 1; got != enabled {
			t.Errorf("enabled %t: %d with %d reloads", enabled, a.status, reloads.Load())
		}
		if !enabled && (a.status != http.StatusForbidden || !strings.Contains(a.body, "--web.enable-lifecycle")) {
			t.Errorf("got %d %q, want 403 that says what to do", a.status, a.body)
		}
	}
}

// TestReloadTurns asks thousands of times within seconds: reloads are a pause
// apart, everybody gets the outcome of a reload that began after the question,
// and the last change is always seen.
func TestReloadTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var config, seen atomic.Int64
		var began []time.Time
		broken := errors.New("broken")
		r := newReloader(testFlags(t), &Options{Reload: func(context.Context) error {
			began = append(began, time.Now())
			seen.Store(config.Load())
			if config.Load()%100 == 50 {
				return broken
			}
			return nil
		}})
		var all sync.WaitGroup
		for i := range int64(2500) {
			all.Go(func() {
				now := config.Load()
				if err := r.run(t.Context()); err != nil && !errors.Is(err, broken) {
					t.Error(err)
				}
				if seen.Load() < now {
					t.Errorf("change %d is not seen when its reload is done: %d", now, seen.Load())
				}
			})
			config.Store(i)
			time.Sleep(2 * time.Millisecond)
		}
		all.Wait()
		if len(began) < 5 || len(began) > 7 {
			t.Errorf("%d reloads in five seconds", len(began))
		}
		for i := range began[1:] {
			if apart := began[i+1].Sub(began[i]); apart < time.Second {
				t.Errorf("a reload %s after the one before", apart)
			}
		}
	})
}
