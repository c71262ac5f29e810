package ingest

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// Failure sorts deliveries that were not recorded.
type Failure string

// The failures.
const (
	FailureInput     Failure = "input"     // the input could not be read
	FailureUnsettled Failure = "unsettled" // the input may still be growing
	FailureStore     Failure = "store"     // the store failed
)

// SourceStats is what deliveries of one source came to since the start of the process.
type SourceStats struct {
	// Deliveries counts those that were recorded.
	Deliveries map[Class]uint64
	// Failures counts those that were not.
	Failures map[Failure]uint64
	// Seconds is the time that deliveries took, in all.
	Seconds float64
	// LastSuccess is when a delivery was recorded last.
	LastSuccess time.Time
}

// stats collects SourceStats. Its zero value is ready.
type stats struct {
	mu      sync.Mutex
	sources map[string]*SourceStats
}

func (s *stats) record(source string, r *Result, err error, took time.Duration) {
	if err != nil && errors.Is(err, context.Canceled) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.sources[source]
	if one == nil {
		one = &SourceStats{Deliveries: make(map[Class]uint64), Failures: make(map[Failure]uint64)}
		if s.sources == nil {
			s.sources = make(map[string]*SourceStats)
		}
		s.sources[source] = one
	}
	now := time.Now()
	one.Seconds += took.Seconds()
	var input *InputError
	switch {
	case err == nil:
		one.Deliveries[r.Class()]++
		one.LastSuccess = now
	case errors.Is(err, ErrUnsettled):
		one.Failures[FailureUnsettled]++
	case errors.As(err, &input):
		one.Failures[FailureInput]++
	default:
		one.Failures[FailureStore]++
	}
}

// Stats returns what the deliveries of a source came to so far.
func (p *Pipeline) Stats(source string) SourceStats {
	p.stats.mu.Lock()
	defer p.stats.mu.Unlock()
	one := p.stats.sources[source]
	if one == nil {
		return SourceStats{}
	}
	out := *one
	out.Deliveries, out.Failures = maps.Clone(one.Deliveries), maps.Clone(one.Failures)
	return out
}
