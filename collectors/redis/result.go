package redis

import (
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// result collects the metrics of one run of a task. Once the run is over it is
// not written again, so that every collection can share it.
type result struct {
	collect.Output
	at        time.Time
	dropped   int
	groupTime time.Duration // of sorting keys into groups
	left      error         // why something that was asked for is not there, once it is so
	seen      map[series]bool
}

// series identifies a sample of a result.
type series struct {
	family *collect.Family
	labels string
}

func newResult() *result { return &result{seen: map[series]bool{}} }

// add adds a sample, unless there is one like it: SCAN returns some keys twice,
// and names that are not UTF-8 may become the same.
func (r *result) add(f *collect.Family, value float64, labels ...string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	s := series{f, strings.Join(labels, "\x00")}
	if r.seen[s] {
		r.dropped++
		return
	}
	r.seen[s] = true
	r.Add(f, value, labels...)
}

// leaves reports whether an error costs only what it is about, a database or a key,
// and notes it then.
func (r *result) leaves(err error) bool {
	switch ReasonOf(err) {
	case ReasonDatabase, collect.Denied:
		if r.left == nil {
			r.left = err
		}
		return true
	}
	return false
}

// spend takes one of a budget for something called name.
func (r *result) spend(budget *int, name string) bool {
	if *budget <= 0 || len(name) > maxName {
		r.dropped++
		return false
	}
	*budget--
	return true
}
