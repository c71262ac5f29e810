package collect

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// TestFlightsShareOneRun holds that callers at the same time have one run, and
// that the next has one of its own.
func TestFlightsShareOneRun(t *testing.T) {
	var flights Flights[string, *atomic.Int64]
	release := make(chan struct{})
	work := func(_ context.Context, n *atomic.Int64) {
		<-release
		n.Add(1)
	}
	first := flights.Join(t.Context(), "a", nil, new(atomic.Int64), work)
	var joined, others sync.WaitGroup
	for range 20 {
		joined.Add(1)
		others.Go(func() {
			f := flights.Join(t.Context(), "a", nil, new(atomic.Int64), work)
			joined.Done()
			if f != first {
				t.Error("another run was started")
			}
			<-f.Done
			flights.Leave("a", f)
		})
	}
	joined.Wait()
	if flights.Join(t.Context(), "a", func(*atomic.Int64) bool { return false }, new(atomic.Int64), work) == first {
		t.Error("a run that is not usable was joined")
	}
	if flights.Join(t.Context(), "b", nil, new(atomic.Int64), work) == first {
		t.Error("another key has the same run")
	}
	close(release)
	others.Wait()
	<-first.Done
	if n := first.State.Load(); n != 1 || !first.Over() {
		t.Errorf("the work was done %d times", n)
	}
}

// TestFlightOutlivesWhoStartedIt holds that a run goes on while somebody waits,
// and is cancelled when nobody does.
func TestFlightOutlivesWhoStartedIt(t *testing.T) {
	var flights Flights[int, struct{}]
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan context.Context)
	work := func(ctx context.Context, _ struct{}) {
		running <- ctx
		<-ctx.Done()
	}
	first := flights.Join(ctx, 0, nil, struct{}{}, work)
	seen := <-running
	second := flights.Join(t.Context(), 0, nil, struct{}{}, work)
	cancel()
	flights.Leave(0, first)
	if first != second || seen.Err() != nil {
		t.Fatal("the run ended with the caller that began it")
	}
	flights.Leave(0, second)
	<-first.Done
	if !errors.Is(seen.Err(), context.Canceled) {
		t.Errorf("the context ended with %v", seen.Err())
	}
}

// TestFlightCatchesPanics holds that a bug in the work ends only its run.
func TestFlightCatchesPanics(t *testing.T) {
	var flights Flights[int, int]
	f := flights.Join(t.Context(), 0, nil, 0, func(context.Context, int) { panic("a bug") })
	<-f.Done
	if _, ok := errors.AsType[*PanicError](f.Err()); !ok || ReasonOf(f.Err()) != Panic {
		t.Errorf("the error is %v", f.Err())
	}
}
