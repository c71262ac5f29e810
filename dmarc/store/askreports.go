package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// ReportKey is where a report is kept: the day that its period ends on, and its
// number in the views.
type ReportKey struct {
	Day time.Time
	ID  int64
}

// ReportInfo is a report that is kept, without its records.
type ReportInfo struct {
	ReportKey
	Kind                         unpack.Kind
	Org, Email, Domain, ReportID string
	// Source is the source that it came from.
	Source               string
	Begin, End, Received time.Time
	// Records is how many it had, and Kept how many of them are kept.
	Records, Kept, Messages, PassMessages int64
}

// ReportQuestion asks which reports there are. Its zero value asks for all.
type ReportQuestion struct {
	// Kind is the kind of the reports; empty means any.
	Kind unpack.Kind
	// Domain is the policy domain, Org the reporter; empty means any.
	Domain, Org string
	// Since and Until bound the day that the period of a report ends on: not
	// before that of Since, and before that of Until. Zero ones bound nothing.
	Since, Until time.Time
	// Failing leaves out reports of which all messages passed.
	Failing bool
	// Skip leaves out that many reports at the start, and Top bounds those that
	// are returned after them; 0 returns all.
	Skip, Top int
}

// conditions collects the conditions of a query and their arguments.
type conditions struct {
	text string
	args []any
}

// add adds a condition, in which %s is the place of each value.
func (c *conditions) add(condition string, values ...any) {
	places := make([]any, len(values))
	for i, value := range values {
		c.args = append(c.args, value)
		places[i] = fmt.Sprintf("$%d", len(c.args))
	}
	if c.text != "" {
		c.text += " AND "
	}
	c.text += fmt.Sprintf(condition, places...)
}

// kind adds that reports r are of a kind. Those of other kinds than aggregate have
// an index, for which a planner must see that they are.
func (c *conditions) kind(kind unpack.Kind) {
	c.add("r.kind = %s", string(kind))
	if kind != unpack.KindAggregate {
		c.text += " AND r.kind <> '" + string(unpack.KindAggregate) + "'"
	}
}

// ends bounds the day that a report ends on.
func (c *conditions) ends(since, until time.Time) {
	if !since.IsZero() {
		c.add("r.day >= %s", int64(tally.DayOf(since)))
	}
	if !until.IsZero() {
		c.add("r.day < %s", int64(tally.DayOf(until)))
	}
}

// where is the condition of all that were added.
func (c *conditions) where() string {
	if c.text == "" {
		return ""
	}
	return " WHERE " + c.text
}

// limit returns the end of a query that skips some rows and returns others.
func limit(skip, top int) string {
	if top <= 0 {
		top = 1 << 31
	}
	return fmt.Sprintf(" LIMIT %d OFFSET %d", top, max(skip, 0))
}

// count counts the rows of a query.
func count(ctx context.Context, v *View, from string, c *conditions) (n int64, err error) {
	err = v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		n = r.number()
		return nil
	}, "SELECT count(*) FROM "+from+c.where(), c.args...)
	return n, err
}

const infoColumns = "r.day, r.id, r.kind, r.org_name, r.email, r.domain, r.report_id, r.source, r.period_begin, r.period_end, r.received, r.records, r.kept, r.messages, r.pass_messages"

// info takes the columns of a report.
func (c *cells) info() ReportInfo {
	r := ReportInfo{
		ReportKey: ReportKey{timeOfDay(tally.Day(c.number())), c.number()},
		Kind:      unpack.Kind(c.text()), Org: c.text(), Email: c.text(), Domain: c.text(), ReportID: c.text(), Source: c.text(),
		Begin: c.time(), End: c.time(), Received: c.time(),
		Records: c.number(), Kept: c.number(), Messages: c.number(), PassMessages: c.number(),
	}
	if r.End.Unix() <= 0 { // of a failure report without a date
		r.Begin, r.End = time.Time{}, time.Time{}
	}
	return r
}

// conditions are those of the reports that are asked for, r.
func (q *ReportQuestion) conditions() (c conditions) {
	if q.Kind != "" {
		c.kind(q.Kind)
	}
	if q.Domain != "" {
		c.add("r.domain = %s", folded(q.Domain))
	}
	if q.Org != "" {
		c.add("r.org_name = %s", clean(q.Org))
	}
	c.ends(q.Since, q.Until)
	if q.Failing {
		c.add("r.pass_messages < r.messages")
	}
	return c
}

// AskReports returns reports, those first whose period ended last, and how many
// there are in all.
func AskReports(ctx context.Context, v *View, q ReportQuestion) (reports []ReportInfo, found int64, err error) {
	c := q.conditions()
	if found, err = count(ctx, v, "reports r", &c); err != nil {
		return nil, 0, err
	}
	err = v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		reports = append(reports, r.info())
		return nil
	}, "SELECT "+infoColumns+" FROM reports r"+c.where()+" ORDER BY r.day DESC, r.id DESC"+limit(q.Skip, q.Top), c.args...)
	return reports, found, err
}

// AskLastEnd returns the day that the period of the last of reports ends on, the
// zero time without any. They are not counted, as AskReports does.
func AskLastEnd(ctx context.Context, v *View, q ReportQuestion) (last time.Time, err error) {
	c := q.conditions()
	err = v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		last = timeOfDay(tally.Day(r.number()))
		return nil
	}, "SELECT r.day FROM reports r"+c.where()+" ORDER BY r.day DESC"+limit(0, 1), c.args...)
	return last, err
}

// ReportHead is all of a report that is kept, but for its records.
type ReportHead struct {
	ReportInfo
	// Warnings are the codes of what was repaired or dropped, each once. They are
	// not known of reports that an older version has kept.
	Warnings      []dmarc.Code
	WarningsKnown bool
	// The rest is of aggregate reports.
	Version, Namespace, Generator, ExtraContactInfo string
	Errors                                          []string
	Published                                       reportjson.PublishedPolicy
}

// AskReport returns the head of a report, nil when it is not kept.
func AskReport(ctx context.Context, v *View, key ReportKey) (head *ReportHead, err error) {
	err = v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		known := row[len(row)-1] != nil
		h := &ReportHead{ReportInfo: c.info(), WarningsKnown: known, Version: c.text(), Namespace: c.text(), Generator: c.text(), ExtraContactInfo: c.text()}
		c.json(&h.Errors)
		c.published(&h.Published)
		for code := range strings.FieldsSeq(c.text()) {
			h.Warnings = append(h.Warnings, dmarc.Code(code))
		}
		head = h
		if c.err != nil {
			return Damaged(v.Name(), "report %q of %q: %w", h.ReportID, h.Org, c.err)
		}
		return nil
	}, "SELECT "+infoColumns+", h.version, h.namespace, h.generator, h.extra_contact_info, h.errors, h.p, h.sp, h.np, h.adkim, h.aspf, h.pct, h.fo, h.testing, h.discovery_method, r.warnings"+
		" FROM reports r LEFT JOIN report_headers h ON h.id = r.header WHERE r.day = $1 AND r.id = $2", int64(tally.DayOf(key.Day)), key.ID)
	return head, err
}

// published takes the columns of a policy.
func (c *cells) published(p *reportjson.PublishedPolicy) {
	p.P, p.SP, p.NP = dmarc.Disposition(c.text()), dmarc.Disposition(c.text()), dmarc.Disposition(c.text())
	p.ADKIM, p.ASPF = dmarc.Alignment(c.text()), dmarc.Alignment(c.text())
	if pct, ok := c.row[0].(int64); ok {
		n := int(pct)
		p.Pct = &n
	}
	c.row = c.row[1:]
	p.Fo, p.Testing, p.DiscoveryMethod = c.text(), c.text(), c.text()
}

// ReportLines calls visit with everything that is kept of one report, as Export does.
func ReportLines(ctx context.Context, v *View, key ReportKey, visit func(reportjson.Line) error) error {
	return Export(ctx, v, Filter{one: &keptAt{id: key.ID, day: int64(tally.DayOf(key.Day))}}, visit)
}
