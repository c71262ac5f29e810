package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// part is what some records have in common, with their messages.
type part struct {
	day      tally.Day // on which the messages were sent, see sentSQL
	source   int       // of parts.sources
	orgs     []int     // of parts.orgs: who reported it
	content  int64
	class    int    // of classes
	sentBy   int    // of parts.senders
	facts    *facts // nil when only the rollup was read
	messages int64
}

// pass reports whether the messages passed DMARC.
func (p *part) pass() bool { return classes[p.class].Aligned() }

// parts reads the records that a question is about: those of rollups, and of
// reports that came later.
type parts struct {
	view    *View
	filter  *Period
	sources names
	orgs    names
	senders names
	facts   contentFacts
	known   bool               // parts of rollups have facts as well
	failing bool               // only messages that do not pass are wanted
	chosen  []bool             // the only sources that are wanted; nil wants all
	last    map[rollupOf]int64 // the last report of each rollup
	reader  rollupReader
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
	rollupOf
	last int64
	data []byte
}

// take takes the columns of a rollup. Its data are valid as long as the row.
func (c *cells) rolled() (one rolled) {
	one.domain, one.day, one.last = c.text(), tally.Day(c.number()), c.number()
	one.data, _ = c.row[0].([]byte)
	return one
}

// readRollups visits what is rolled up.
func (p *parts) readRollups(ctx context.Context) error {
	first, last := p.filter.days()
	p.last = map[rollupOf]int64{}
	if p.known {
		return p.readSomeRollups(ctx, first, last)
	}
	query, args := "SELECT domain, day, last, data FROM rollups WHERE day >= $1 AND day <= $2", []any{first, last}
	if p.filter.Domain != "" {
		query, args = query+" AND domain = $3", append(args, p.filter.domain())
	}
	return p.view.Query(ctx, func(row []any) error {
		c := cells{row: row}
		one := c.rolled()
		return p.readRollup(ctx, &one)
	}, query, args...)
}

// rollupsAtOnce is how many rollups are in memory.
const rollupsAtOnce = 64

// readSomeRollups reads some rollups at a time: their contents are asked for in
// between.
func (p *parts) readSomeRollups(ctx context.Context, first, last int64) error {
	// The numbers of parameters follow what a query has.
	query, args := "SELECT domain, day, last, data FROM rollups WHERE domain = $1 AND day > $2 AND day <= $3 ORDER BY day LIMIT %d", []any{p.filter.domain(), first - 1, last}
	if p.filter.Domain == "" {
		query = "SELECT domain, day, last, data FROM rollups WHERE (domain, day) > ($1, $2) AND day <= $3 AND day >= $4 ORDER BY domain, day LIMIT %d"
		args = append(args, first)
	}
	query = fmt.Sprintf(query, rollupsAtOnce)
	for {
		var some []rolled
		err := p.view.Query(ctx, func(row []any) error {
			c := cells{row: row}
			one := c.rolled()
			one.data = slices.Clone(one.data)
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
		after := &some[len(some)-1]
		args[0], args[1] = after.domain, int64(after.day)
	}
}

func (p *parts) readRollup(ctx context.Context, one *rolled) error {
	r := &p.reader
	p.last[one.rollupOf] = one.last
	first, end := p.filter.sent()
	damaged := func(err error) error {
		return Damaged(p.view.Name(), "rollups: %s, day %d: %w", one.domain, one.day, err)
	}
	if err := r.open(one.data); err != nil {
		return damaged(err)
	}
	if p.known {
		ids := make([]int64, len(r.contents))
		for i := range r.contents {
			ids[i] = r.contents[i].id
		}
		if err := p.facts.read(ctx, p.view, ids); err != nil {
			return err
		}
	}
	orgs := make([]int, len(r.orgs))
	for i, org := range r.orgs {
		orgs[i] = p.orgs.number(org)
	}
	classes := make([]int, len(r.classes))
	for i, class := range r.classes {
		if classes[i] = classOf(tally.Class(class)); classes[i] < 0 {
			return damaged(errRollup)
		}
	}
	senders := make([]int, len(r.senders))
	for i, sender := range r.senders {
		senders[i] = p.senders.number(sender)
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
		c := &r.contents[content]
		if next.class = classes[c.class]; p.failing && next.pass() || day < first || day >= end {
			continue
		}
		if next.source < 0 {
			next.source = p.sources.number(r.source)
		}
		if p.chosen != nil && !p.chosen[next.source] {
			continue
		}
		next.orgs = next.orgs[:0]
		for _, o := range r.by {
			next.orgs = append(next.orgs, orgs[o])
		}
		next.day, next.content, next.sentBy, next.messages = day, c.id, senders[c.sentBy], messages
		if p.known {
			next.facts = p.facts[c.id]
		}
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

// lateDay is a domain and a day with reports that are later than the rollup.
type lateDay struct {
	rollupOf
	last int64 // of the rollup
}

// lateDays finds the days with late reports, of any kind: by an index alone, where
// an engine can.
func (p *parts) lateDays(ctx context.Context) (late []lateDay, err error) {
	first, last := p.filter.days()
	query, args := "SELECT r.domain, r.day, max(r.id) FROM reports r WHERE r.day >= $1 AND r.day <= $2", []any{first, last}
	if p.filter.Domain != "" {
		query, args = query+" AND r.domain = $3", append(args, p.filter.domain())
	}
	err = p.view.Query(ctx, func(row []any) error {
		c := cells{row: row}
		of := rollupOf{c.text(), tally.Day(c.number())}
		if last := p.last[of]; c.number() > last {
			late = append(late, lateDay{of, last})
		}
		return nil
	}, query+" GROUP BY r.day, r.domain", args...)
	return late, err
}

// lateReports finds the reports of some days that no rollup has.
func (p *parts) lateReports(ctx context.Context, days []lateDay) (late []*lateReport, err error) {
	// No more is said of the days, or SQLite would look for all days of a domain.
	args, values := []any{string(unpack.KindAggregate)}, make([]string, len(days))
	for i, one := range days {
		values[i] = fmt.Sprintf("($%d, $%d, $%d)", len(args)+1, len(args)+2, len(args)+3)
		if i == 0 { // PostgreSQL takes the types of all from these.
			values[i] = fmt.Sprintf("(CAST($%d AS TEXT), CAST($%d AS INTEGER), CAST($%d AS BIGINT))", len(args)+1, len(args)+2, len(args)+3)
		}
		args = append(args, one.domain, int64(one.day), one.last)
	}
	err = p.view.Query(ctx, func(row []any) error {
		c := cells{row: row}
		r := &lateReport{id: c.number(), day: c.number(), org: p.orgs.numberOf(c.text())}
		if r.sent = sentDay(c.number()); p.filter.has(r.sent) {
			late = append(late, r)
		}
		return nil
	}, "SELECT r.id, r.day, r.org_name, "+sentSQL+" FROM (VALUES "+strings.Join(values, ", ")+") l"+
		" JOIN reports r ON r.domain = l.column1 AND r.day = l.column2 AND r.id > l.column3 WHERE r.kind = $1 AND r.kept > 0", args...)
	return late, err
}

// readLate visits the records of reports that came after the rollups, some
// reports at a time. Asked for by their reports, records are found by an index
// whatever a planner knows of the tables.
func (p *parts) readLate(ctx context.Context) error {
	days, err := p.lateDays(ctx)
	if err != nil {
		return err
	}
	var late []*lateReport
	for some := range slices.Chunk(days, mostListed) {
		more, err := p.lateReports(ctx, some)
		if err != nil {
			return err
		}
		late = append(late, more...)
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
		f := p.facts[r.content]
		if p.failing && f.pass() {
			continue
		}
		one = part{
			day: r.report.sent, source: r.source, orgs: append(one.orgs[:0], r.report.org), content: r.content,
			class: classOf(f.class), sentBy: p.senders.numberOf(f.sentBy), facts: f, messages: r.messages,
		}
		p.visit(&one)
	}
	return nil
}

// recordsSQL asks for the records of some reports, from one day to another.
func recordsSQL(reports []int64) string {
	return "SELECT k.report, k.source_ip, k.content, k.messages FROM records k WHERE k.day >= $1 AND k.day <= $2 AND k.report IN " + numbers(reports)
}
