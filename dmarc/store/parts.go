package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// part is what some records have in common, with their messages.
type part struct {
	day      tally.Day // on which the messages were sent, see sentSQL
	source   int       // of parts.sources
	orgs     []int     // of parts.orgs: who reported it
	facts    *facts
	messages int64
}

// parts reads the records that a question is about: those of rollups, and of
// reports that came later.
type parts struct {
	view    *View
	filter  *Period
	sources names
	orgs    names
	facts   contentFacts
	wants   func(*facts) bool // nil wants all
	visit   func(*part)
}

// names gives numbers to texts.
type names struct {
	numbers map[string]int
	list    []string
}

// number is numberOf for bytes, of which a text is made only when they are new.
func (n *names) number(text []byte) int {
	if i, ok := n.numbers[string(text)]; ok {
		return i
	}
	return n.numberOf(string(text))
}

func (n *names) numberOf(text string) int {
	i, ok := n.numbers[text]
	if !ok {
		if n.numbers == nil {
			n.numbers = map[string]int{}
		}
		i = len(n.list)
		n.numbers[text], n.list = i, append(n.list, text)
	}
	return i
}

func newParts(v *View, filter *Period, visit func(*part)) *parts {
	return &parts{view: v, filter: filter, facts: contentFacts{}, visit: visit}
}

// read visits all parts.
func (p *parts) read(ctx context.Context) error {
	if err := p.readRollups(ctx); err != nil {
		return err
	}
	return p.readLate(ctx)
}

// rolled is a row of rollups.
type rolled struct {
	domain string
	day    int64
	data   []byte
}

// rollupsAtOnce is how many rollups are in memory.
const rollupsAtOnce = 64

// readRollups visits what is rolled up, some days at a time: their contents are
// asked for in between.
func (p *parts) readRollups(ctx context.Context) error {
	first, last := p.filter.days()
	after := rolled{domain: p.filter.domain(), day: first - 1}
	// The numbers of parameters follow what a query has.
	query, args := "SELECT domain, day, data FROM rollups WHERE domain = $1 AND day > $2 AND day <= $3 ORDER BY day LIMIT %d", []any{after.domain, after.day, last}
	if after.domain == "" {
		query = "SELECT domain, day, data FROM rollups WHERE (domain, day) > ($1, $2) AND day <= $3 AND day >= $4 ORDER BY domain, day LIMIT %d"
		args = append(args, first)
	}
	query = fmt.Sprintf(query, rollupsAtOnce)
	for {
		var some []rolled
		err := p.view.Query(ctx, func(row []any) error {
			c := cells{row: row}
			one := rolled{domain: c.text(), day: c.number()}
			data, _ := c.row[0].([]byte)
			one.data = slices.Clone(data)
			some = append(some, one)
			return nil
		}, query, args...)
		if err != nil || len(some) == 0 {
			return err
		}
		for i := range some {
			if err := p.readRollup(ctx, &some[i]); err != nil {
				return err
			}
		}
		after = some[len(some)-1]
		args[0], args[1] = after.domain, after.day
	}
}

func (p *parts) readRollup(ctx context.Context, one *rolled) error {
	var r rollupReader
	damaged := func(err error) error {
		return Damaged(p.view.Name(), "rollups: %s, day %d: %w", one.domain, one.day, err)
	}
	if err := r.open(one.data); err != nil {
		return damaged(err)
	}
	if err := p.facts.read(ctx, p.view, slices.Clone(r.contents)); err != nil {
		return err
	}
	orgs := make([]int, len(r.orgs))
	for i, org := range r.orgs {
		orgs[i] = p.orgs.numberOf(org)
	}
	contents := make([]*facts, len(r.contents)) // those that are wanted
	for i, id := range r.contents {
		if f := p.facts[id]; p.wants == nil || p.wants(f) {
			contents[i] = f
		}
	}
	next := part{source: -1}
	for len(r.data) > 0 {
		day, content, messages, err := r.next()
		if err != nil {
			return damaged(err)
		}
		if r.moved {
			next.source = -1
		}
		if contents[content] == nil || !p.filter.has(day) {
			continue
		}
		if next.source < 0 {
			next.source = p.sources.number(r.source)
		}
		next.orgs = next.orgs[:0]
		for _, o := range r.by {
			next.orgs = append(next.orgs, orgs[o])
		}
		next.day, next.facts, next.messages = day, contents[content], messages
		p.visit(&next)
	}
	return nil
}

// lateReport is a report that no rollup has.
type lateReport struct {
	id, day int64
	org     int // of parts.orgs
	sent    tally.Day
}

// lateRecord is a record of one.
type lateRecord struct {
	report            *lateReport
	source            int
	content, messages int64
}

// lateSQL is the condition on a report r that no rollup has.
const lateSQL = " AND r.kept > 0 AND r.id > coalesce((SELECT u.last FROM rollups u WHERE u.domain = r.domain AND u.day = r.day), 0)"

// readLate visits the records of reports that came after the rollups, some
// reports at a time. Asked for by their reports, records are found by an index
// whatever a planner knows of the tables.
func (p *parts) readLate(ctx context.Context) error {
	var late []*lateReport
	where, args := p.filter.where()
	err := p.view.Query(ctx, func(row []any) error {
		c := cells{row: row}
		r := &lateReport{id: c.number(), day: c.number(), org: p.orgs.numberOf(c.text())}
		r.sent = sentDay(c.number())
		late = append(late, r)
		return nil
	}, "SELECT r.id, r.day, r.org_name, "+sentSQL+" FROM reports r WHERE "+where+lateSQL, args...)
	if err != nil {
		return err
	}
	slices.SortFunc(late, func(a, b *lateReport) int { return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.id, b.id)) })
	for some := range slices.Chunk(late, mostListed) {
		if err := p.readRecords(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (p *parts) readRecords(ctx context.Context, reports []*lateReport) error {
	byID := make(map[int64]*lateReport, len(reports))
	of := make([]int64, 0, len(reports))
	for _, r := range reports {
		byID[r.id] = r
		of = append(of, r.id)
	}
	var records []lateRecord
	ids := map[int64]bool{}
	err := p.view.Query(ctx, func(row []any) error {
		c := cells{row: row}
		r := lateRecord{report: byID[c.number()], source: p.sources.numberOf(c.text()), content: c.number(), messages: c.number()}
		records = append(records, r)
		ids[r.content] = true
		return nil
	}, recordsSQL(of), reports[0].day, reports[len(reports)-1].day)
	if err != nil {
		return err
	}
	all := make([]int64, 0, len(ids))
	for id := range ids {
		all = append(all, id)
	}
	if err := p.facts.read(ctx, p.view, all); err != nil {
		return err
	}
	var one part
	for i := range records {
		r := &records[i]
		if p.wants != nil && !p.wants(p.facts[r.content]) {
			continue
		}
		one = part{day: r.report.sent, source: r.source, orgs: append(one.orgs[:0], r.report.org), facts: p.facts[r.content], messages: r.messages}
		p.visit(&one)
	}
	return nil
}

// recordsSQL asks for the records of some reports, from one day to another.
func recordsSQL(reports []int64) string {
	return "SELECT k.report, k.source_ip, k.content, k.messages FROM records k WHERE k.day >= $1 AND k.day <= $2 AND k.report IN " + numbers(reports)
}
