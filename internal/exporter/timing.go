package exporter

import (
	"net/http"
	"strconv"
	"time"
)

const (
	timeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"
	// maxTimeout bounds what a scraper may ask for.
	maxTimeout = 10 * time.Minute
)

// timing is when the parts of one scrape must be over.
type timing struct {
	start   time.Time
	collect time.Time // the deadline of the collectors
	answer  time.Time // when the answer is made of what has arrived
}

// newTiming reads the scraper's timeout from h, or takes fallback, and leaves
// offset of it. A timeout too short for the offset is halved instead.
func newTiming(h http.Header, fallback, offset time.Duration) timing {
	timeout := fallback
	if s, err := strconv.ParseFloat(h.Get(timeoutHeader), 64); err == nil && s > 0 {
		timeout = time.Duration(min(s, maxTimeout.Seconds()) * float64(time.Second))
	}
	budget := max(timeout-offset, timeout/2)
	grace := min(budget/10, 250*time.Millisecond)
	now := time.Now()
	return timing{start: now, collect: now.Add(budget - grace), answer: now.Add(budget - grace/5)}
}

// sharable reports whether a gather that is cut at cut leaves a scrape of this
// timing at least half of its own time.
func (t timing) sharable(cut time.Time) bool {
	return cut.Sub(t.start) >= t.answer.Sub(t.start)/2
}
