package dmarc

import (
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// input is what one scrape is made from.
type input struct {
	*tally.Snapshot
	sources []Source
	replica bool // one of several processes
	leads   bool
}

// family sends every series of a family as it is.
func family(f tally.Family) func(*input, collect.Series) {
	return func(in *input, to collect.Series) {
		for _, s := range in.Series[f] {
			to.Since(float64(s.Value), s.Created, s.Labels...)
		}
	}
}

// compliant sums the classes with an aligned pass. A domain with messages has
// the series even when none was compliant.
func compliant(in *input, to collect.Series) {
	classes := in.Series[tally.ClassMessages]
	for len(classes) > 0 {
		first, sum := classes[0], int64(0)
		for len(classes) > 0 && classes[0].Labels[0] == first.Labels[0] {
			if tally.Class(classes[0].Labels[1]).Aligned() {
				sum = tally.Add(sum, classes[0].Value)
			}
			classes = classes[1:]
		}
		to.Since(float64(sum), first.Created, first.Labels[0])
	}
}

// outcome sums the reports of one outcome.
func outcome(o tally.Outcome) func(*input, collect.Series) {
	return func(in *input, to collect.Series) {
		var n int64
		for _, s := range in.Series[tally.Reports] {
			if s.Labels[2] == string(o) {
				n = tally.Add(n, s.Value)
			}
		}
		to.Since(float64(n), in.Created)
	}
}

func lastEnd(in *input, to collect.Series) {
	for _, d := range in.Domains {
		if d.Configured || !d.LastEnd.IsZero() {
			timestamp(to, d.LastEnd, d.Name)
		}
	}
}

func reporterEnds(in *input, to collect.Series) {
	for _, r := range in.Reporters {
		timestamp(to, r.LastEnd, r.Name)
	}
}

func windows(in *input, to collect.Series) {
	for _, w := range in.Windows {
		to.Value(float64(w.Messages), w.Domain, w.Window, string(w.Class))
	}
}

func policies(in *input, to collect.Series) {
	for _, d := range in.Domains {
		if p := d.Policy; p != nil {
			to.Value(1, d.Name, string(p.P), string(p.SP), string(p.NP), string(p.ADKIM), string(p.ASPF), p.Testing)
		}
	}
}

// source sends something for each source.
func source(f func(*Source, collect.Series)) func(*input, collect.Series) {
	return func(in *input, to collect.Series) {
		for i := range in.sources {
			f(&in.sources[i], to)
		}
	}
}

// lastSuccess prefers what happened since the start to what the tally remembers.
func lastSuccess(in *input, to collect.Series) {
	for i := range in.sources {
		s := &in.sources[i]
		last := latest(s.LastSuccess, in.LastDelivery[s.Name])
		timestamp(to, last, s.Name)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// timestamp adds a time, 0 for the zero time.
func timestamp(to collect.Series, t time.Time, labels ...string) {
	seconds := 0.0
	if !t.IsZero() {
		seconds = float64(t.UnixMilli()) / 1000
	}
	to.Value(seconds, labels...)
}
