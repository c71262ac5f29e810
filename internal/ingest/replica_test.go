package ingest_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// idle is a source that does nothing; accepting is one that reports are brought to.
type idle struct{ name string }

func (s *idle) Run(ctx context.Context, _ ingest.Deliver) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *idle) Status() ingest.Status { return ingest.Status{Name: s.name} }

type accepting struct{ idle }

func (*accepting) Accepts() {}

// TestReplica runs what accepts reports always, and the rest only while it leads,
// also of sources that were exchanged, be it before Run has begun.
func TestReplica(t *testing.T) {
	turns := make(chan context.Context)
	r := &ingest.Replica{Supervisor: &ingest.Supervisor{}, Lead: func(ctx context.Context, lead func(context.Context)) {
		for {
			select {
			case led := <-turns:
				lead(led)
			case <-ctx.Done():
				return
			}
		}
	}}
	runs := func(want ...string) {
		t.Helper()
		realtest.Eventually(t, "sources at work", func() bool {
			var names []string
			for _, s := range r.Supervisor.Sources() {
				names = append(names, s.Status().Name)
			}
			return slices.Equal(names, want)
		})
	}
	sources := func(mailbox string) map[string]ingest.Source {
		return map[string]ingest.Source{mailbox: &idle{mailbox}, "smtp": &accepting{idle{"smtp"}}}
	}
	var reached atomic.Pointer[time.Time]
	reach := func() {
		now := time.Now()
		reached.Store(&now)
	}
	reach()
	r.Reached = func() time.Time { return *reached.Load() }
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	exchanged := make(chan error)
	group.Go(func() { exchanged <- r.Exchange(ctx, sources("b")) })
	leads := make(chan bool, 2)
	group.Go(func() {
		r.Run(ctx, nil, sources("a"), func(ctx context.Context) {
			leads <- r.Leads()
			<-ctx.Done()
		})
	})
	if err := <-exchanged; err != nil {
		t.Fatal(err)
	}
	runs("smtp")
	if r.Exposes() {
		t.Error("it exposes the counts, and has never led")
	}
	for range 2 {
		led, lose := context.WithCancel(ctx)
		turns <- led
		runs("b", "smtp")
		if !<-leads {
			t.Error("it leads, but does not say so")
		}
		lose()
		runs("smtp")
		if r.Leads() {
			t.Error("it says that it leads")
		}
		if !r.Exposes() {
			t.Error("it does not expose the counts any more, and nobody else can lead")
		}
		if reach(); r.Exposes() {
			t.Error("it exposes the counts, and another one may lead")
		}
	}
	if err := r.Exchange(ctx, sources("c")); err != nil {
		t.Fatal(err)
	}
	runs("smtp")
	led, lose := context.WithCancel(ctx)
	defer lose()
	turns <- led
	runs("c", "smtp")
}
