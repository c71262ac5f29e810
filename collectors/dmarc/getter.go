package dmarc

import (
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// input is what one scrape is made from.
type input struct {
	*tally.Snapshot
	sources []Source
}

// family sends every series of a family as it is.
func family(f tally.Family) func(*input, *output) {
	return func(in *input, out *output) {
		for _, s := range in.Series[f] {
			out.counter(s.Value, s.Created, s.Labels...)
		}
	}
}

// compliant sums the classes with an aligned pass. A domain with messages has
// the series even when none was compliant.
func compliant(in *input, out *output) {
	classes := in.Series[tally.ClassMessages]
	for len(classes) > 0 {
		first, sum := classes[0], int64(0)
		for len(classes) > 0 && classes[0].Labels[0] == first.Labels[0] {
			if tally.Class(classes[0].Labels[1]).Aligned() {
				sum = tally.Add(sum, classes[0].Value)
			}
			classes = classes[1:]
		}
		out.counter(sum, first.Created, first.Labels[0])
	}
}

// outcome sums the reports of one outcome.
func outcome(o tally.Outcome) func(*input, *output) {
	return func(in *input, out *output) {
		var n int64
		for _, s := range in.Series[tally.Reports] {
			if s.Labels[2] == string(o) {
				n = tally.Add(n, s.Value)
			}
		}
		out.counter(n, in.Created)
	}
}

func lastEnd(in *input, out *output) {
	for _, d := range in.Domains {
		if d.Configured || !d.LastEnd.IsZero() {
			out.timestamp(d.LastEnd, d.Name)
		}
	}
}

func windows(in *input, out *output) {
	for _, w := range in.Windows {
		out.value(float64(w.Messages), w.Domain, w.Window, string(w.Class))
	}
}

func policies(in *input, out *output) {
	for _, d := range in.Domains {
		if p := d.Policy; p != nil {
			out.value(1, d.Name, string(p.P), string(p.SP), string(p.NP), string(p.ADKIM), string(p.ASPF), p.Testing)
		}
	}
}

// source sends something for each source.
func source(f func(*Source, *output)) func(*input, *output) {
	return func(in *input, out *output) {
		for i := range in.sources {
			f(&in.sources[i], out)
		}
	}
}

// lastSuccess prefers what happened since the start to what the tally remembers.
func lastSuccess(in *input, out *output) {
	for i := range in.sources {
		s := &in.sources[i]
		last := latest(s.LastSuccess, in.LastDelivery[s.Name])
		out.timestamp(last, s.Name)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
