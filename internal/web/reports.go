package web

import (
	"cmp"
	"context"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// kinds are what kinds of reports are called.
var kinds = map[unpack.Kind]string{unpack.KindAggregate: "DMARC", unpack.KindTLS: "TLS", unpack.KindFailure: "failure"}

// reports are the reports that are kept.
func (p *Pages) reports(ctx context.Context, v *store.View, q *query) (*page, error) {
	period, err := q.ended(ctx, v, store.ReportQuestion{Kind: unpack.Kind(q.get("kind")), Domain: q.get("domain"), Org: q.get("reporter")})
	if err != nil {
		return nil, err
	}
	out := &page{Title: "Reports", Active: "reports"}
	out.Filter = &filter{Action: "reports", Fields: []field{
		q.input("domain", "Domain"), q.input("reporter", "Reporter"),
		q.choice("kind", "Kind", option{Text: "all"}, option{Value: string(unpack.KindAggregate), Text: "DMARC"}, option{Value: string(unpack.KindTLS), Text: "TLS"}, option{Value: string(unpack.KindFailure), Text: "failure"}),
	}}
	out.Filter.Fields = append(out.Filter.Fields, q.periodFields()...)
	out.Filter.Fields = append(out.Filter.Fields, q.choice("failing", "Messages", option{Text: "all"}, option{Value: "1", Text: "some fail DMARC"}))
	if period.Until.IsZero() {
		out.Notes = p.noneAbout(q, q.get("domain"))
	}
	skip, top := q.rows(rowsPerPage)
	list, found, err := store.AskReports(ctx, v, store.ReportQuestion{
		Kind: unpack.Kind(q.get("kind")), Domain: q.get("domain"), Org: q.get("reporter"), Since: period.Since, Until: period.Until, Failing: q.get("failing") != "", Skip: skip, Top: top,
	})
	if err != nil {
		return nil, err
	}
	t := &table{
		Name: "reports", Caption: "Reports whose period ended on " + days(period) + ", the last first", Empty: "No report of these days fits the filter.",
		Columns: []column{
			when("period", "Period"), text("domain", "Domain"), text("reporter", "Reporter"), wide("kind", "Kind"), number("messages", "Messages"), number("pass", "Pass"), wideNumber("records", "Records"),
			text("report_id", "Report"), wideWhen("received", "Kept at"), wide("source", "From"),
		},
	}
	t.fill(len(list), q.table != "", func(i int) []cell {
		r := &list[i]
		period := word("-")
		if !r.End.IsZero() {
			period = word(wording.Period(&r.Begin, &r.End))
		}
		pass := share(r.PassMessages, r.Messages)
		if r.Kind != unpack.KindAggregate {
			pass = cell{Text: "-", Value: ""}
		}
		return []cell{
			period, linked(r.Domain, toDomain(r.Domain)), word(r.Org), word(cmp.Or(kinds[r.Kind], string(r.Kind))), count(r.Messages), pass, count(r.Records),
			{Text: cmp.Or(cut(r.ReportID), "open"), Value: r.ReportID, Link: toReport(r.ReportKey)},
			moment(r.Received), word(r.Source),
		}
	})
	out.add(&part{ID: "reports", Heading: wording.Plural(found, "report"), Table: q.paged(out, t, rowsPerPage, found)})
	return out, nil
}

// ended returns the days that reports end on: those up to that of the last one.
func (q *query) ended(ctx context.Context, v *store.View, of store.ReportQuestion) (store.Period, error) {
	p := store.Period{Domain: of.Domain, Until: q.to}
	if q.to.IsZero() {
		last, err := store.AskLastEnd(ctx, v, of)
		if err != nil || last.IsZero() {
			return p, err
		}
		p.Until = last
	}
	p.Until = p.Until.AddDate(0, 0, 1)
	p.Since = p.Until.AddDate(0, 0, -q.days)
	return p, nil
}
