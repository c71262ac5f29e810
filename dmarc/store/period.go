package store

import (
	"math"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Period says which aggregate reports a question is about, by when messages were
// sent: the day in the middle of the period of their report, in UTC. Its zero
// value takes all.
type Period struct {
	// Since and Until bound the day: not before that of Since, and before that
	// of Until. Zero ones bound nothing.
	Since, Until time.Time
	// Domain is the policy domain; empty means any.
	Domain string
}

// sentSQL is when the messages of a report r were sent, in Unix seconds. A report
// of one day is about that day, whether it ends with its last second or with the
// next midnight, and wherever its reporter has midnight.
const sentSQL = "(r.period_begin + r.period_end) / 2"

const daySeconds = 24 * 60 * 60

func sentDay(seconds int64) tally.Day { return tally.Day(max(seconds, 0) / daySeconds) }

// timeOfDay returns when a day begins.
func timeOfDay(day tally.Day) time.Time { return time.Unix(int64(day)*daySeconds, 0).UTC() }

// longestPeriod is by how many days a report may end after its messages were sent.
const longestPeriod = 400

// domain returns the domain as it is kept.
func (p *Period) domain() string { return folded(p.Domain) }

// folded spells a domain as domains are kept.
func folded(domain string) string { return strings.ToLower(strings.TrimSuffix(domain, ".")) }

// days returns the first and the last day that reports of the period may end on.
func (p *Period) days() (first, last int64) {
	last = math.MaxInt32
	if !p.Since.IsZero() {
		first = int64(tally.DayOf(p.Since))
	}
	if !p.Until.IsZero() {
		last = int64(tally.DayOf(p.Until)) + longestPeriod
	}
	return first, last
}

// sent returns the first day that messages of the period were sent on, and the day
// after the last one.
func (p *Period) sent() (first, end tally.Day) {
	end = math.MaxInt32
	if !p.Since.IsZero() {
		first = tally.DayOf(p.Since)
	}
	if !p.Until.IsZero() {
		end = tally.DayOf(p.Until)
	}
	return first, end
}

// has reports whether messages of a day belong to the period.
func (p *Period) has(day tally.Day) bool {
	first, end := p.sent()
	return day >= first && day < end
}

// where returns the condition on reports r, and its arguments.
func (p *Period) where() (string, []any) {
	c := p.ends()
	if !p.Since.IsZero() {
		c.add(sentSQL+" >= %s", int64(tally.DayOf(p.Since))*daySeconds)
	}
	if !p.Until.IsZero() {
		c.add(sentSQL+" < %s", int64(tally.DayOf(p.Until))*daySeconds)
	}
	return c.text, c.args
}

// ends is where for all reports that end on days of reports of the period: a
// planner knows how many these are, and does not of when messages were sent.
func (p *Period) ends() (c conditions) {
	c.add("r.kind = %s", string(unpack.KindAggregate))
	first, last := p.days()
	if p.Domain != "" {
		c.add("r.domain = %s", p.domain())
	}
	if !p.Since.IsZero() {
		c.add("r.day >= %s", first)
	}
	if !p.Until.IsZero() {
		c.add("r.day <= %s", last)
	}
	return c
}
