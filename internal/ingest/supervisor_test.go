package ingest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

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
