package ingest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// Supervisor keeps a set of sources running, which can be exchanged while it
// does. A source that ends with an error is started again after a pause, which
// doubles from MinPause to MaxPause while the source keeps failing. The zero
// value works. Its methods are safe for concurrent use.
type Supervisor struct {
	// MinPause is the first pause; 0 means a second.
	MinPause time.Duration
	// MaxPause is the longest pause; 0 means 30 seconds.
	MaxPause time.Duration
	// Logger may be nil.
	Logger *slog.Logger

	once    sync.Once
	changes chan change
	mu      sync.Mutex
	running map[string]*running
	panics  map[string]uint64 // by the name of the source
	doubted time.Time         // when a source stopped last because of the clock
}

// change asks Run for another set of sources.
type change struct {
	sources map[string]Source
	done    chan struct{}
}

// running is a source at work.
type running struct {
	source Source
	cancel context.CancelFunc
	ended  chan struct{}
}

func (s *Supervisor) setup() {
	s.once.Do(func() {
		setDefault(&s.MinPause, time.Second)
		setDefault(&s.MaxPause, 30*time.Second)
		if s.Logger == nil {
			s.Logger = slog.New(slog.DiscardHandler)
		}
		s.changes = make(chan change)
		s.running = make(map[string]*running)
		s.panics = make(map[string]uint64)
	})
}

// Run runs the sources until ctx ends, and returns when all have returned.
// The keys identify sources when the set is exchanged.
func (s *Supervisor) Run(ctx context.Context, deliver Deliver, sources map[string]Source) {
	s.setup()
	defer s.apply(ctx, deliver, nil)
	s.apply(ctx, deliver, sources)
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-s.changes:
			s.apply(ctx, deliver, c.sources)
			close(c.done)
		}
	}
}

// Exchange makes Run run these sources instead: those whose key is running go
// on undisturbed, the others are stopped first and then started. It returns
// when that is done, or when ctx ends.
func (s *Supervisor) Exchange(ctx context.Context, sources map[string]Source) error {
	s.setup()
	c := change{sources: sources, done: make(chan struct{})}
	select {
	case s.changes <- c:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-c.done
	return nil
}

// Sources returns the sources at work, by name.
func (s *Supervisor) Sources() []Source {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	var sources []Source
	for _, r := range s.running {
		sources = append(sources, r.source)
	}
	slices.SortFunc(sources, func(a, b Source) int { return cmp.Compare(a.Status().Name, b.Status().Name) })
	return sources
}

// Busy reports whether inputs wait.
func (s *Supervisor) Busy() bool {
	return slices.ContainsFunc(s.Sources(), func(source Source) bool { return source.Status().Backlog > 0 })
}

// apply stops what is not wanted and starts what is not running. Only Run calls it.
func (s *Supervisor) apply(ctx context.Context, deliver Deliver, sources map[string]Source) {
	s.mu.Lock()
	gone := maps.Clone(s.running)
	s.mu.Unlock()
	for key := range sources {
		delete(gone, key)
	}
	for _, r := range gone {
		r.cancel()
	}
	for _, r := range gone {
		<-r.ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range gone {
		delete(s.running, key)
	}
	for key, source := range sources {
		if s.running[key] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		r := &running{source: source, cancel: cancel, ended: make(chan struct{})}
		s.running[key] = r
		go func() {
			defer close(r.ended)
			defer cancel()
			s.keep(ctx, deliver, source)
		}()
	}
}

// keep runs one source again and again.
func (s *Supervisor) keep(ctx context.Context, deliver Deliver, source Source) {
	pause := s.MinPause
	for {
		started := time.Now()
		err := Guard(func() error { return source.Run(ctx, deliver) })
		s.caught(source, err)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > s.MaxPause {
			pause = s.MinPause
		}
		// The jitter keeps sources that failed together from coming back together.
		wait := pause/2 + rand.N(pause/2+1)
		switch {
		case !errors.Is(err, store.ErrClock):
			s.Logger.Error("source stopped, will start it again", "source", source.Status().Name, "pause", wait.Round(time.Millisecond), "err", err)
		case s.doubt():
			s.Logger.Error("clock in doubt, sources wait until it is believed", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		pause = min(2*pause, s.MaxPause)
	}
}

// doubtEnds is how long no source stops because of the clock once it is believed.
const doubtEnds = 10 * time.Minute

// doubt reports whether a source is the first that stops because of the clock: one
// clock stops all of them, again and again, for hours.
func (s *Supervisor) doubt() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.doubted.IsZero() || time.Since(s.doubted) > doubtEnds
	s.doubted = time.Now()
	return first
}

// caught counts and logs a panic.
func (s *Supervisor) caught(source Source, err error) {
	var caught *PanicError
	if !errors.As(err, &caught) {
		return
	}
	name := source.Status().Name
	s.mu.Lock()
	s.panics[name]++
	s.mu.Unlock()
	s.Logger.Error("panic in a source, please report it", "source", name, "panic", caught.Value, "stack", string(caught.Stack))
}

// Panics returns how many panics of a source were caught since the start of the process.
func (s *Supervisor) Panics(source string) uint64 {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.panics[source]
}
