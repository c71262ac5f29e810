package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestSourcesBeforeRun asks for the sources while Run begins, as a scrape does
// that comes early; the race detector says whether that is safe.
func TestSourcesBeforeRun(t *testing.T) {
	for range 50 {
		supervisor := &ingest.Supervisor{}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			supervisor.Run(ctx, nil, nil)
		}()
		if got := supervisor.Sources(); len(got) != 0 {
			t.Errorf("%d sources, want none", len(got))
		}
		cancel()
		<-done
	}
}

// broken is a source whose Run does what it likes.
type broken struct {
	name string
	run  func() error
}

func (b broken) Run(context.Context, ingest.Deliver) error { return b.run() }
func (b broken) Status() ingest.Status                     { return ingest.Status{Name: b.name} }

// TestPanicCostsTheSource starts a source again that panics, in whatever
// goroutine, while another one goes on.
func TestPanicCostsTheSource(t *testing.T) {
	var runs, others atomic.Int64
	supervisor := &ingest.Supervisor{MinPause: time.Millisecond, MaxPause: time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		supervisor.Run(ctx, nil, map[string]ingest.Source{
			"a": broken{"a", func() error {
				if runs.Add(1)%2 == 0 {
					failed := make(chan error)
					go func() { failed <- ingest.Guard(func() error { panic("in a goroutine") }) }()
					return <-failed
				}
				panic("in the source")
			}},
			"b": broken{"b", func() error { others.Add(1); return errors.New("down") }},
		})
	}()
	realtest.Eventually(t, "both started again", func() bool { return supervisor.Panics("a") >= 4 && others.Load() >= 4 })
	cancel()
	<-done
	if n := supervisor.Panics("b"); n != 0 {
		t.Errorf("%d panics of the other source", n)
	}
}

// TestClockIsLoggedOnce stops two sources again and again because of the clock: the
// log has one line of it, and what else stops a source.
func TestClockIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var a, b atomic.Int64
	var log realtest.Log
	doubt := fmt.Errorf("record reports: %w", &store.Error{Name: "the clock", Doing: "believe", Err: store.ErrClock})
	supervisor := &ingest.Supervisor{MinPause: time.Millisecond, MaxPause: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		supervisor.Run(ctx, nil, map[string]ingest.Source{
			"a": broken{"a", func() error { a.Add(1); return doubt }},
			"b": broken{"b", func() error {
				if b.Add(1) == 5 {
					return errors.New("something else")
				}
				return doubt
			}},
		})
	}()
	realtest.Eventually(t, "both started often", func() bool { return min(a.Load(), b.Load()) >= 20 })
	cancel()
	<-done
	if n := strings.Count(log.String(), "clock in doubt"); n != 1 {
		t.Errorf("%d lines about the clock, want one:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), "source stopped, will start it again"); n != 1 {
		t.Errorf("%d lines about other reasons, want one:\n%s", n, log.String())
	}
}
