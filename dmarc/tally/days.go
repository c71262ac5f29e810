package tally

import "time"

// dayKey is one day of one domain and class.
type dayKey struct {
	day    Day
	domain string
	class  Class
}

// Day is a day in UTC: its number since 1970.
type Day uint32

const secondsPerDay = 24 * 60 * 60

// DayOf returns the number of the day of t since 1970, in UTC; 0 for any time before.
func DayOf(t time.Time) Day { return Day(max(t.Unix(), 0) / secondsPerDay) }

// lastDay returns the day that a period ends on. Some reporters end it with the
// last second of a day, others with the first of the next.
func lastDay(end time.Time) Day { return DayOf(end.Add(-time.Second)) }

const (
	// longestWindow is how many days before today a window asks for.
	longestWindow = 30
	// spareDays are kept beyond: a clock that is so far ahead at the start is
	// believed, and once it is right the windows must still have their days.
	spareDays = 31
)

// oldestDay returns the first day that a window can still ask for, were the clock
// set right.
func oldestDay(now time.Time) Day { return DayOf(now) - min(DayOf(now), longestWindow+spareDays) }

// spread adds messages to the days of a period: to its last one, or evenly to
// all of them when it is longer than a day.
func (d *Delta) spread(begin, end time.Time, domain string, class Class, n int64) {
	last, first := lastDay(end), lastDay(end)
	if end.Sub(begin) > 24*time.Hour {
		first = min(DayOf(begin), last)
	}
	days := int64(last-first) + 1
	for day := max(first, oldestDay(d.now)); day <= last; day++ {
		share := n / days
		if int64(last-day) < n%days {
			share++ // what does not divide goes to the latest days
		}
		if share == 0 {
			continue
		}
		k := dayKey{day, domain, class}
		have, _ := d.days.get(k)
		d.days.set(k, Add(have, share))
	}
}

// Window is a number of complete days that messages are summed over.
type Window struct {
	Name string // 1d, 7d or 30d
	Days int
}

// Windows returns the windows, in the order of documentation.
func Windows() []Window { return []Window{{"1d", 1}, {"7d", 7}, {"30d", longestWindow}} }

// WindowMessages are the messages of one domain and class within a window.
type WindowMessages struct {
	Domain   string
	Window   string
	Class    Class
	Messages int64
}

// windows sums the complete days before today: for each domain that ever had
// messages all classes, so that a ratio never misses a side.
func (s *state) windows(today Day, gone names) []WindowMessages {
	sums := map[WindowMessages]int64{}
	for k, n := range s.days {
		for _, w := range Windows() {
			if k.day < today && k.day+Day(w.Days) >= today {
				m := WindowMessages{Domain: k.domain, Window: w.Name, Class: k.class}
				sums[m] = Add(sums[m], n)
			}
		}
	}
	var all []WindowMessages
	for k, counter := range s.sums {
		family, labels := k.Split()
		if family != ClassMessages || gone.has(family, labels) {
			continue
		}
		for _, w := range Windows() {
			m := WindowMessages{Domain: labels[0], Window: w.Name, Class: Class(labels[1])}
			m.Messages = min(sums[m], counter.value) // also of a file whose days went wrong
			all = append(all, m)
		}
	}
	return all
}
