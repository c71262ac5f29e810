package tally

import "maps"

// evidence is what is known of a name that is a label. It is kept as the value
// of a sum of evidenceFamily, which is never shown.
type evidence struct {
	last Day   // when the name came last
	days uint8 // how many days it came on, up to regular
	auth bool  // an authentic mail came in it
	gone bool  // it gave its room back; its series are folded into Other
}

const (
	// regular is on how many days a name comes that is not made up for one mail.
	regular = 3
	// idle is how long a name does not come before others may have its room.
	idle = 45
)

// The bits of a value, below the day.
const (
	evidenceDays  = 3
	evidenceAuth  = 1 << 2
	evidenceGone  = 1 << 3
	evidenceShift = 4
)

func (e evidence) bits() int64 {
	v := int64(e.last)<<evidenceShift | int64(e.days&evidenceDays)
	if e.auth {
		v |= evidenceAuth
	}
	if e.gone {
		v |= evidenceGone
	}
	return v
}

func evidenceOf(v int64) evidence {
	return evidence{Day(v >> evidenceShift), uint8(v & evidenceDays), v&evidenceAuth != 0, v&evidenceGone != 0}
}

// weight orders names by how much speaks for them.
func (e evidence) weight() int {
	weight := 0
	if e.auth { // whoever has a domain can sign for any number of names in it
		weight++
	}
	if e.days >= regular {
		weight++
	}
	return weight
}

// came notes that the name came, maybe by an authentic mail.
func (e evidence) came(day Day, auth bool) evidence {
	if day > e.last {
		e.last, e.days = day, min(e.days+1, regular)
	}
	e.auth = e.auth || auth
	return e
}

// evidence returns what is known of a name; of one that an earlier version has
// admitted that it came often until today.
func (d *Delta) evidence(n name) evidence {
	if !d.sums.find(evidenceFamily, n.pool.label(), n.value) {
		return evidence{last: DayOf(d.now), days: regular}
	}
	return evidenceOf(d.sums.value())
}

// know notes what is known of a name.
func (d *Delta) know(n name, e evidence) {
	d.sums.find(evidenceFamily, n.pool.label(), n.value)
	d.sums.set(e.bits(), d.now)
}

// candidates remembers names that are not admitted, in bounded memory and for
// some days. They are not saved: after a restart a name has to come again.
type candidates struct {
	names map[string]evidence
	swept Day
}

const (
	maxCandidates = 2000
	// remembered is for how many days a name is a candidate that does not come.
	remembered = 7
)

// came notes that a name came, and returns what is known of it.
func (c *candidates) came(value string, day Day, auth bool) evidence {
	if c.names == nil {
		c.names = map[string]evidence{}
	}
	e, known := c.names[value]
	if !known && len(c.names) >= maxCandidates && !c.drop(day) {
		return evidence{day, 1, auth, false}
	}
	e = e.came(day, auth)
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
		if len(c.names) < maxCandidates {
			break
		}
		if e.last >= today && e.days == 1 {
			delete(c.names, value)
		}
	}
	return len(c.names) < maxCandidates
}
