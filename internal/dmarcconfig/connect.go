package dmarcconfig

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/trust"
)

// Trial is something that a configuration depends on, and how to try it: report is
// called for each thing that was tried, with a nil error if it works.
type Trial struct {
	Name string
	Try  func(ctx context.Context, report func(what string, err error))
}

// Trials returns what can be tried of a configuration before it is in force.
func (c *File) Trials() ([]Trial, error) {
	sources, err := c.Sources.Build(nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	var trials []Trial
	for _, key := range slices.Sorted(maps.Keys(sources)) {
		if source, ok := sources[key].(ingest.Checker); ok {
			trials = append(trials, Trial{sources[key].Status().Name, source.Check})
		}
	}
	if c.DNS.Watch > 0 && len(c.Domains) > 0 {
		trials = append(trials, lookUpTrial("dns", c.DNS.Resolver, "_dmarc."+string(c.Domains[0])))
	}
	if t := c.trust(); t.Mode != "" && t.Mode != trust.ModeOff && !t.NoDKIM {
		trials = append(trials, lookUpTrial("trust", t.Resolver, "example.com"))
	}
	return trials, nil
}

// lookUpTrial asks a DNS server for a name.
func lookUpTrial(key string, server resolverAddress, name string) Trial {
	return Trial{key, func(ctx context.Context, report func(string, error)) {
		what := fmt.Sprintf("look up %s at %s", name, cmp.Or(string(server), "the DNS servers of the system"))
		report(what, lookUp(ctx, resolver(server).LookupTXT, name+"."))
	}}
}

const (
	// trialTime is how long one Trial may take, and trialsAtOnce how many run at once.
	trialTime    = 30 * time.Second
	trialsAtOnce = 32
)

// Try runs trials side by side and calls report in their order. One that does
// not end in time is an error, and left behind.
func Try(ctx context.Context, trials []Trial, report func(name, what string, err error)) {
	done := make([][]tried, len(trials))
	var group errgroup.Group
	group.SetLimit(trialsAtOnce)
	for i := range trials {
		group.Go(func() error {
			done[i] = trials[i].within(ctx, trialTime)
			return nil
		})
	}
	_ = group.Wait() // There are no errors.
	for i, all := range done {
		for _, one := range all {
			report(trials[i].Name, one.what, one.err)
		}
	}
}

// tried is what became of one thing.
type tried struct {
	what string
	err  error
}

// within runs a trial for so long at most and returns what it has tried by then.
func (t *Trial) within(parent context.Context, limit time.Duration) (all []tried) {
	grace := limit / 30 // in which a trial can say itself what was too late
	ctx, cancel := context.WithTimeout(parent, limit)
	defer cancel()
	late, stop := context.WithTimeout(parent, limit+grace)
	defer stop()
	results := make(chan tried)
	go func() {
		defer close(results)
		t.Try(ctx, func(what string, err error) {
			select {
			case results <- tried{what, err}:
			case <-late.Done():
			}
		})
	}()
	for {
		select {
		case one, more := <-results:
			if !more {
				return all
			}
			all = append(all, one)
		case <-late.Done():
			return append(all, tried{"end in time", fmt.Errorf("no answer within %s", limit)})
		}
	}
}
