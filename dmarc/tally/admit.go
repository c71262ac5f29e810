package tally

import (
	"cmp"
	"slices"
)

// admit returns the label of a value that untrusted input chose: its own as it was
// spelled first, or by an authentic mail, or nothing. What is admitted stays until it is idle and others
// need its room. While half of the pool is free anyone is; after that only names
// that speak for themselves: by an authentic mail, or by coming several times
// about several days, so that a burst of invented names does not lock out those that come every day.
// A name with more evidence takes the room of one with less.
func (d *Delta) admit(p share, value string, usual int) (label string, ok bool) {
	fold := foldOf(p, value)
	today, period := DayOf(d.now), DayOf(d.entry.End)
	auth := p.pool == poolReporter && d.entry.Authentic && d.t.vouches(p, d.entry.AuthDomain, fold.value)
	if known, found := d.folds.get(fold); found {
		n := name{p, known}
		before := d.evidence(n)
		switch respelled := auth && !before.auth && value != known && d.t.listedAs(fold) == ""; {
		case before.gone:
			value = known
		case respelled:
			d.giveUp(n, before) // somebody else was the first to spell it
		default:
			if e := before.came(today, period, auth); e != before {
				d.know(n, e)
			}
			return known, true
		}
	}
	listed := d.t.listedAs(fold)
	if listed != "" {
		value = listed
	}
	usual = max(usual, d.restored(name{p, value}))
	e := d.t.candidatesOf(p).came(fold.value, today, period, auth)
	if !d.room(p, usual, e, listed != "") {
		d.overflow(p)
		return "", false
	}
	delete(d.t.candidatesOf(p).names, fold.value)
	n := name{p, value}
	d.used.spend(p, d.restored(n))
	if p.pool == poolDomain {
		d.used.spend(p, domainCost*d.t.dynamic(value))
	}
	if known, _ := d.names.get(n); !known {
		d.names.set(n, true)
	}
	d.folds.set(fold, value)
	d.know(n, e)
	return value, true
}

// foldOf returns what a name is known by. Domains are what they are; of reporters
// people see one where there are several spellings.
func foldOf(p share, value string) name {
	if p.pool == poolReporter {
		value = foldName(value)
	}
	return name{p, value}
}

// restored returns how many series come back with a name that gave its room back.
func (d *Delta) restored(n name) (cost int) {
	if known, _ := d.names.get(n); !known {
		return 0
	}
	for _, k := range d.seriesOf(n) {
		_, one := d.t.cost(k.Split())
		cost += one
	}
	return cost
}

// seriesOf returns the series that have a name as a label.
func (d *Delta) seriesOf(n name) (keys []SeriesKey) {
	d.sums.each(func(k SeriesKey) {
		if f, labels := k.Split(); n.labels(f, labels) {
			keys = append(keys, k)
		}
	})
	return keys
}

// room reports whether there is room for a name, and makes some if there can be.
func (d *Delta) room(p share, usual int, e evidence, listed bool) bool {
	free := d.t.budget[p] - d.used[p]
	if listed {
		return free >= usual || d.evict(p, usual, listedWeight)
	}
	free -= d.reserve(p, usual)
	switch {
	case e.weight() == 0:
		return free >= usual && free >= d.t.budget[p]/2
	case free >= usual:
		return true
	}
	return d.evict(p, usual, e.weight())
}

// reserve is how much room of a pool is kept for names that are listed, and are
// not here yet: at most a quarter.
func (d *Delta) reserve(p share, usual int) int {
	n := 0
	if p.pool != poolReporter {
		return 0
	}
	for fold, listed := range d.t.listed {
		if _, here := d.folds.get(name{p, fold}); listed != "" && !here {
			n += usual
		}
	}
	return min(n, d.t.budget[p]/4)
}

// evict takes the room of names that have less weight or do not come any more,
// those with the least evidence first, until there is enough. The operator names
// sources, so these keep theirs.
func (d *Delta) evict(p share, usual, weight int) bool {
	if p.pool == poolSource {
		return false
	}
	type candidate struct {
		name
		evidence
	}
	var all []candidate
	today := DayOf(d.now)
	d.names.each(func(n name, _ bool) {
		if n.share != p || d.t.listedAs(foldOf(p, n.value)) != "" {
			return
		}
		if e := d.evidence(n); !e.gone && (e.weight() < weight || e.last+idle < today) {
			all = append(all, candidate{n, e})
		}
	})
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.weight(), b.weight()), cmp.Compare(a.last, b.last), cmp.Compare(a.name.value, b.name.value))
	})
	for _, c := range all {
		if d.t.budget[p]-d.used[p] >= usual {
			break
		}
		d.giveUp(c.name, c.evidence)
	}
	return d.t.budget[p]-d.used[p] >= usual
}

// giveUp takes the room of a name.
func (d *Delta) giveUp(n name, e evidence) {
	d.remove(n)
	e.gone = true
	d.know(n, e)
}

// remove folds the series of a name into Other: sums over all labels stay exact.
// The rows stay, at 0 and not shown.
func (d *Delta) remove(n name) {
	for _, k := range d.seriesOf(n) {
		f, labels := k.Split()
		part, cost := d.t.cost(f, labels)
		d.used.spend(part, -cost)
		d.sums.find(f, labels...)
		value := d.sums.value()
		d.sums.set(0, d.now)
		switch {
		case f == reporterEndFamily: // Times do not add up.
		case d.heir(f, labels):
			d.sums.add(value, d.now)
		default:
			d.increase(value, f, fold(f, labels)...)
		}
	}
	if n.pool != poolDomain {
		return
	}
	d.used.spend(n.share, -domainCost*d.t.dynamic(n.value))
	var days []dayKey
	d.days.each(func(k dayKey, messages int64) {
		if k.domain == n.value && messages > 0 && k.day >= oldestDay(d.now) { // older ones are dropped
			days = append(days, k)
		}
	})
	for _, k := range days {
		other := dayKey{k.day, Other, k.class}
		messages, _ := d.days.get(k)
		have, _ := d.days.get(other)
		d.days.set(other, Add(have, messages))
		d.days.set(k, 0)
	}
}

// labels reports whether a series has the name as its label.
func (n name) labels(f Family, labels []string) bool {
	s, label, ok := labelOf(f, labels)
	return ok && n == name{s, label}
}

// labelOf returns the admitted name that a series stands and falls with.
func labelOf(f Family, labels []string) (s share, label string, ok bool) {
	_, tenant := cutTenant(f, labels)
	switch f {
	case Messages, ClassMessages, AuthenticMessages, SourceMessages, TLSSessions, TLSFailures, Failures:
		return share{"", poolDomain}, labels[0], true
	case Reports:
		return share{tenant, poolReporter}, labels[1], true
	case ReporterMessages, AuthenticReporterMessages, reporterEndFamily:
		return share{tenant, poolReporter}, labels[0], true
	}
	return share{}, "", false
}
