package ingest

import (
	"errors"
	"sync"
	"time"
)

const (
	// longestPause is the longest pause between two attempts at an input.
	longestPause = time.Hour
	// longestOutage is the longest pause when the input is not to blame.
	longestOutage = 5 * time.Minute
)

// Trials knows the inputs of a source that could not be read so far: when to
// try each again, and when to give it up. A failure counts against an input
// only when it is an *InputError; others are those of the server or the
// network. An input is given up after Options.Attempts of them that span at
// least Options.GiveUpAfter, so that no outage costs a mail. It is safe for
// concurrent use.
type Trials[K comparable] struct {
	options Options
	mu      sync.Mutex
	inputs  map[K]*trial
}

type trial struct {
	failures int // of any kind
	attempts int
	first    time.Time // attempt that counts
	pause    time.Duration
	due      time.Time
}

// NewTrials returns Trials for options with defaults.
func NewTrials[K comparable](o Options) *Trials[K] {
	return &Trials[K]{options: o, inputs: make(map[K]*trial)}
}

// Failed takes down that an input failed. The pause until the next attempt
// doubles from Options.Retry to an hour, or to five minutes when the input is not
// to blame. It is returned.
func (t *Trials[K]) Failed(key K, err error) (pause time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.inputs[key]
	if one == nil {
		one = &trial{}
		t.inputs[key] = one
	}
	one.failures++
	now := t.options.Now()
	var input *InputError
	counts := errors.As(err, &input)
	longest := longestOutage
	if counts {
		longest = longestPause
	}
	one.pause = min(max(2*one.pause, t.options.Retry), longest)
	one.due = now.Add(one.pause)
	if !counts {
		return one.pause
	}
	if one.attempts == 0 {
		one.first = now
	}
	one.attempts++
	return one.pause
}

// Pausing reports whether it is too early to try the input again.
func (t *Trials[K]) Pausing(key K) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.inputs[key]
	return one != nil && t.options.Now().Before(one.due)
}

// Next returns how long it is until an input is due, at most limit.
func (t *Trials[K]) Next(limit time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.options.Now()
	for _, one := range t.inputs {
		if pause := one.due.Sub(now); pause > 0 {
			limit = min(limit, pause)
		}
	}
	return limit
}

// Attempts returns how many failures count against the input.
func (t *Trials[K]) Attempts(key K) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one := t.inputs[key]; one != nil {
		return one.attempts
	}
	return 0
}

// Failures returns how often the input failed, whoever is to blame. What may be
// its fault after all, such as a connection that breaks, must not keep others
// from being read: they come first.
func (t *Trials[K]) Failures(key K) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one := t.inputs[key]; one != nil {
		return one.failures
	}
	return 0
}

// GiveUp reports whether to give the input up.
func (t *Trials[K]) GiveUp(key K) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.inputs[key]
	return one != nil && one.attempts >= t.options.Attempts && t.options.Now().Sub(one.first) >= t.options.GiveUpAfter
}

// Done forgets an input.
func (t *Trials[K]) Done(key K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.inputs, key)
}

// Keep forgets the inputs for which there returns false.
func (t *Trials[K]) Keep(there func(key K) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.inputs {
		if !there(key) {
			delete(t.inputs, key)
		}
	}
}
