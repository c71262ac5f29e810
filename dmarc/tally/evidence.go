package tally

import (
	"maps"
	"slices"
)

// evidence is what is known of a name that is a label. It is kept as the value
// of a sum of evidenceFamily, which is never shown.
type evidence struct {
	last    Day   // when the name came last
	period  Day   // when the period of its last report ended
	days    uint8 // how many days it came on, up to regular
	periods uint8 // how often its period was another one, up to regular
	auth    bool  // an authentic mail came in it
	gone    bool  // it gave its room back; its series are folded into Other
}

const (
	// regular is on how many days a name comes that is not made up for one mail.
	regular = 3
	// idle is how long a name does not come before others may have its room.
	idle = 45
)

// The bits of a value: flags, then two days.
const (
	evidenceDays    = 3 // two bits
	evidencePeriods = 2 // the place of two more
	evidenceAuth    = 1 << 4
	evidenceGone    = 1 << 5
	evidencePeriod  = 8  // the place of a day
	evidenceLast    = 32 // the place of another one
)

func (e evidence) bits() int64 {
	v := int64(e.last)<<evidenceLast | int64(e.period&0xffffff)<<evidencePeriod |
		int64(e.days&evidenceDays) | int64(e.periods&evidenceDays)<<evidencePeriods
	if e.auth {
		v |= evidenceAuth
	}
	if e.gone {
		v |= evidenceGone
	}
	return v
}

func evidenceOf(v int64) evidence {
	return evidence{
		last: Day(v >> evidenceLast), period: Day(v>>evidencePeriod) & 0xffffff,
		days: uint8(v & evidenceDays), periods: uint8(v >> evidencePeriods & evidenceDays),
		auth: v&evidenceAuth != 0, gone: v&evidenceGone != 0,
	}
}

// listedWeight is that of names that are listed.
const listedWeight = 4

// weight orders names by how much speaks for them. Each alone can be made up:
// reports about several days in one mail, several mails on several days, and a
// few names in mails that the owner of a domain signs.
func (e evidence) weight() (n int) {
	for _, holds := range []bool{e.periods >= regular, e.days >= regular, e.auth} {
		if holds {
			n++
		}
	}
	return n
}

// came notes that the name came, maybe by an authentic mail, with a report whose
// period ended on a day.
func (e evidence) came(day, period Day, auth bool) evidence {
	if day > e.last {
		e.last, e.days = day, min(e.days+1, regular)
	}
	if e.periods < regular && period != e.period {
		e.period, e.periods = period, e.periods+1
	}
	e.auth = e.auth || auth
	return e
}

// evidence returns what is known of a name; of one that an earlier version has
// admitted that it came often until today.
func (d *Delta) evidence(n name) evidence {
	if !d.sums.find(evidenceFamily, n.evidenceLabels()...) {
		return evidence{last: DayOf(d.now), days: regular, periods: regular}
	}
	return evidenceOf(d.sums.value())
}

// know notes what is known of a name.
func (d *Delta) know(n name, e evidence) {
	d.sums.find(evidenceFamily, n.evidenceLabels()...)
	d.sums.set(e.bits(), d.now)
}

// evidenceLabels returns what the evidence of a name is kept under.
func (n name) evidenceLabels() []string {
	if n.tenant == "" {
		return []string{n.pool.label(), n.value}
	}
	return []string{n.pool.label(), n.value, n.tenant}
}

// vouched are the names that authentic mails of a domain speak for. They are few
// for each: whoever has a domain can sign for any number of names.
type vouched map[string][]string

const (
	maxVouched  = 3
	maxVouchers = 5000
)

func (v vouched) vouches(domain, name string, most int) bool {
	names, known := v[domain]
	if slices.Contains(names, name) {
		return true
	}
	if len(names) >= maxVouched || !known && len(v) >= most {
		return false
	}
	v[domain] = append(names, name)
	return true
}

// remembers bounds what is remembered of names for a share that are not admitted:
// for tenants it follows from their room, because they may be many.
func (t *Tally) remembers(s share, most int) int {
	const least, each = 100, 4
	if s.tenant == "" {
		return most
	}
	return min(most, max(least, each*t.budget[s]))
}

// candidatesOf returns those of a share.
func (t *Tally) candidatesOf(s share) *candidates {
	if t.candidates[s] == nil {
		t.candidates[s] = &candidates{}
	}
	t.candidates[s].most = t.remembers(s, maxCandidates)
	return t.candidates[s]
}

// vouches reports whether an authentic mail of a domain is evidence for a name.
func (t *Tally) vouches(s share, domain, name string) bool {
	if t.vouched[s] == nil {
		t.vouched[s] = vouched{}
	}
	return t.vouched[s].vouches(domain, name, t.remembers(s, maxVouchers))
}

// candidates remembers names that are not admitted, in bounded memory and for
// some days. They are not saved: after a restart a name has to come again.
type candidates struct {
	most  int
	names map[string]evidence
	swept Day
}

const (
	maxCandidates = 2000
	// remembered is for how many days a name is a candidate that does not come.
	remembered = 7
)

// came notes that a name came, and returns what is known of it.
func (c *candidates) came(value string, day, period Day, auth bool) evidence {
	if c.names == nil {
		c.names = map[string]evidence{}
	}
	e, known := c.names[value]
	if !known && len(c.names) >= c.most && !c.drop(day) {
		return evidence{}.came(day, period, auth)
	}
	e = e.came(day, period, auth)
	c.names[value] = e
	return e
}

// drop drops what has not come for days, or else one name that came first today:
// those that came before may be regular. It reports whether there is room.
func (c *candidates) drop(today Day) bool {
	if c.swept != today {
		c.swept = today
		maps.DeleteFunc(c.names, func(_ string, e evidence) bool { return e.last+remembered < today })
	}
	for value, e := range c.names {
		if len(c.names) < c.most {
			break
		}
		if e.last >= today && e.days == 1 {
			delete(c.names, value)
		}
	}
	return len(c.names) < c.most
}
