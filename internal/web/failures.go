package web

import (
	"cmp"
	"context"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// failures are the failure reports, as they are kept: without what is personal.
func (p *Pages) failures(ctx context.Context, v *store.View, q *query) (*page, error) {
	period, err := q.ended(ctx, v, store.ReportQuestion{Kind: unpack.KindFailure, Domain: q.get("domain")})
	if err != nil {
		return nil, err
	}
	out := &page{Title: "Failure reports", Active: "failures"}
	out.Filter = &filter{Action: "failures", Fields: append([]field{q.input("domain", "Domain")}, q.periodFields()...)}
	skip, top := q.rows(rowsPerPage)
	list, found, err := store.AskFailures(ctx, v, store.ReportQuestion{Domain: q.get("domain"), Since: period.Since, Until: period.Until, Skip: skip, Top: top})
	if err != nil {
		return nil, err
	}
	if period.Until.IsZero() {
		out.Notes = []note{{Text: "There is no failure report. Few reporters send them, to the address that ruf= of a DMARC record has. They are about single mails; only domains are kept of the addresses in them."}}
	}
	t := &table{
		Name: "failures", Caption: "Failure reports, the newest first", Empty: "No failure report of these days fits the filter.",
		Columns: []column{
			when("arrival", "Mail came"), text("domain", "Domain"), text("failure", "What failed"), number("incidents", "Mails"), text("source", "Source"), wide("from", "From"), wide("mail_from", "Envelope from"), wide("dkim", "DKIM"),
			wide("delivery", "Delivery"), wide("reporter", "Reporter"), text("report", "Report"),
		},
	}
	for i := range list {
		f := &list[i]
		t.Rows = append(t.Rows, []cell{
			moment(f.Arrival), linked(f.Domain, toDomain(f.Domain)), word(string(f.AuthFailure)), count(f.Incidents), linked(f.SourceIP, toSource(f.SourceIP, f.Domain)), word(f.EvidenceHeaderFrom), word(f.MailFrom),
			word(dkimOf(&f.Failure)), word(string(f.DeliveryResult)), word(cmp.Or(f.Org, f.Email)),
			{Text: "open", Value: keyText(f.ReportKey), Link: toReport(f.ReportKey)},
		})
	}
	out.add(&part{ID: "failures", Heading: wording.Plural(found, "failure report"), Table: q.paged(out, t, rowsPerPage, found)})
	return out, nil
}

// dkimOf names the key of the signature that failed.
func dkimOf(l *reportjson.Failure) string {
	if l.DKIMDomain == "" {
		return ""
	}
	return selector(l.DKIMSelector, l.DKIMDomain)
}

// failureFacts are what a failure report says.
func failureFacts(l *reportjson.Failure) []fact {
	return []fact{
		{Name: "What failed", Text: string(l.AuthFailure)},
		{Name: "Delivery", Text: string(l.DeliveryResult)},
		{Name: "Source", Text: l.SourceIP, Link: toSource(l.SourceIP, l.Domain)},
		{Name: "Mails", Text: wording.Grouped(l.Incidents)},
		{Name: "Mail came", Text: moment(l.Arrival).Text},
		{Name: "From", Text: l.EvidenceHeaderFrom},
		{Name: "Envelope from", Text: l.MailFrom},
		{Name: "Envelope to", Text: strings.Join(l.RcptTo, ", ")},
		{Name: "DKIM", Text: dkimOf(l)},
		{Name: "Reporting MTA", Text: l.ReportingMTA},
	}
}
