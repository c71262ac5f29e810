package ingest

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Acceptor is a source that reports are brought to. Any number of processes may
// run one; of all other sources a store wants one reader at a time.
type Acceptor interface {
	Source
	// Accepts is there to be asked for.
	Accepts()
}

// Replica runs the sources of a process, which may be one of several that count
// in one store: then all accept reports, and the one that leads reads the
// other sources. Its methods are safe for concurrent use.
type Replica struct {
	Supervisor *Supervisor
	// Lead runs lead while the process leads, again and again until ctx ends, and
	// cancels its context when another one may lead. Nil means that there are no others.
	Lead func(ctx context.Context, lead func(ctx context.Context))
	// Reached returns when the store was last reached; nil means always.
	Reached func() time.Time
	// Logger may be nil.
	Logger *slog.Logger

	once    sync.Once
	begun   chan struct{} // is closed when Run knows its sources
	mu      sync.Mutex    // held while sources are exchanged
	sources map[string]Source
	state   sync.Mutex // guards what follows
	leading bool
	lost    time.Time // when the process led last
}

func (r *Replica) setup() {
	r.once.Do(func() { r.begun = make(chan struct{}) })
}

// Leads reports whether the process leads, or is alone.
func (r *Replica) Leads() bool {
	r.state.Lock()
	defer r.state.Unlock()
	return r.Lead == nil || r.leading
}

// Exposes reports whether the process exposes what is counted: the one that leads,
// and while the store cannot be reached the one that led last. Nobody else can
// lead then, but where a part of the network is cut off.
func (r *Replica) Exposes() bool {
	if r.Leads() {
		return true
	}
	r.state.Lock()
	defer r.state.Unlock()
	return r.Reached != nil && r.Reached().Before(r.lost)
}

// Run runs the sources until ctx ends, and beside them what only the leader does:
// lead, which returns when its context ends.
func (r *Replica) Run(ctx context.Context, deliver Deliver, sources map[string]Source, lead func(ctx context.Context)) {
	r.setup()
	r.sources = sources
	first := r.wanted()
	close(r.begun) // From here on others may exchange them.
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		if r.Lead == nil {
			lead(ctx)
			return
		}
		r.Lead(ctx, func(led context.Context) { r.lead(ctx, led, lead) })
	})
	r.Supervisor.Run(ctx, deliver, first)
}

// lead leads until led ends.
func (r *Replica) lead(ctx, led context.Context, lead func(ctx context.Context)) {
	if r.Logger != nil {
		r.Logger.Info("this replica leads: it reads the sources and exposes the counts")
	}
	r.set(ctx, true)
	lead(led)
	<-led.Done()
	if ctx.Err() == nil && r.Logger != nil {
		r.Logger.Warn("this replica does not lead any more: the database let go of its connection")
	}
	r.set(ctx, false)
}

// set begins to lead, or ends it. An error means that all sources end.
func (r *Replica) set(ctx context.Context, leading bool) {
	r.state.Lock()
	if r.leading = leading; !leading {
		r.lost = time.Now()
	}
	r.state.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.Supervisor.Exchange(ctx, r.wanted())
}

// Exchange makes Run run these sources instead, as Supervisor.Exchange does: it
// waits until Run runs.
func (r *Replica) Exchange(ctx context.Context, sources map[string]Source) error {
	r.setup()
	select {
	case <-r.begun:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = sources
	return r.Supervisor.Exchange(ctx, r.wanted())
}

// wanted returns the sources to run now.
func (r *Replica) wanted() map[string]Source {
	if r.Leads() {
		return r.sources
	}
	open := map[string]Source{}
	for key, source := range r.sources {
		if _, ok := source.(Acceptor); ok {
			open[key] = source
		}
	}
	return open
}
