package collect

import (
	"context"
	"sync"
	"time"
)

// Flights lets callers that want the same thing at the same time share one run
// of the work. Its zero value is ready; it is safe for concurrent use.
type Flights[K comparable, S any] struct {
	mu     sync.Mutex
	flying map[K]*Flight[S]
}

// Flight is one run of some work.
type Flight[S any] struct {
	// State is what the work fills. It guards itself as long as the run goes on.
	State S
	// Began is when the run began.
	Began time.Time
	// Done is closed once the run is over.
	Done chan struct{}

	err     error
	waiters int // guarded by Flights.mu
	joined  int // how many have waited so far; guarded by Flights.mu
	cancel  context.CancelFunc
}

// Err returns a *PanicError if the run panicked. It is for use after Done was
// closed.
func (f *Flight[S]) Err() error { return f.err }

// Over reports whether the run is over.
func (f *Flight[S]) Over() bool {
	select {
	case <-f.Done:
		return true
	default:
		return false
	}
}

// Join returns the run under way for a key if it is usable, which nil means all
// are. Else it starts work on state, on a goroutine of its own.
//
// The context of the work has the values and the deadline of ctx, but does not
// end with it: others may wait, too. It ends when the last who joined has left.
func (g *Flights[K, S]) Join(ctx context.Context, key K, usable func(S) bool, state S, work func(context.Context, S)) *Flight[S] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.flying[key]; f != nil && (usable == nil || usable(f.State)) {
		f.waiters, f.joined = f.waiters+1, f.joined+1
		return f
	}
	f := &Flight[S]{State: state, Began: time.Now(), Done: make(chan struct{}), waiters: 1, joined: 1}
	deadline, limited := ctx.Deadline()
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if g.flying == nil {
		g.flying = map[K]*Flight[S]{}
	}
	g.flying[key] = f
	go func() {
		defer f.cancel()
		if limited {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline)
			defer cancel()
		}
		g.fly(ctx, key, f, work)
	}()
	return f
}

// fly does the work and makes way for the next run.
func (g *Flights[K, S]) fly(ctx context.Context, key K, f *Flight[S], work func(context.Context, S)) {
	f.err = Guard(func() error {
		work(ctx, f.State)
		return nil
	})
	g.mu.Lock()
	g.forget(key, f)
	g.mu.Unlock()
	close(f.Done)
}

// Leave ends one caller's interest in a run. When nobody is left the run is
// cancelled, and who comes next starts a new one.
func (g *Flights[K, S]) Leave(key K, f *Flight[S]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		g.forget(key, f)
		f.cancel()
	}
}

// Shared reports whether more than one caller has joined a run so far.
func (g *Flights[K, S]) Shared(f *Flight[S]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return f.joined > 1
}

// Waiting returns how many callers wait for the run under way for a key.
func (g *Flights[K, S]) Waiting(key K) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.flying[key]; f != nil {
		return f.waiters
	}
	return 0
}

// forget lets the next caller start a new run. The caller holds g.mu.
func (g *Flights[K, S]) forget(key K, f *Flight[S]) {
	if g.flying[key] == f {
		delete(g.flying, key)
	}
}
