package web

import (
	"context"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// refused is what was refused.
func (p *Pages) refused(ctx context.Context, v *store.View, q *query) (*page, error) {
	if err := q.sight.hides("What was refused"); err != nil {
		return nil, err
	}
	reasons, err := store.AskReasons(ctx, v)
	if err != nil {
		return nil, err
	}
	skip, top := q.rows(rowsPerPage)
	list, found, err := store.AskRefusals(ctx, v, store.RefusalQuestion{Reason: dmarc.Reason(q.get("reason")), Source: q.get("source"), Skip: skip, Top: top})
	if err != nil {
		return nil, err
	}
	out := &page{Title: "Refused", Active: "refused"}
	choices := []option{{Text: "all"}}
	for _, reason := range dmarc.Reasons() {
		if n := reasons[reason]; n > 0 {
			choices = append(choices, option{Value: string(reason), Text: string(reason) + " (" + wording.Grouped(n) + ")"})
		}
	}
	out.Filter = &filter{Action: "refused", Fields: []field{q.choice("reason", "Reason", choices...), q.input("source", "Source")}}
	if p.config.Records == store.RecordsOff {
		out.Notes = p.noReports(q)
	}
	if reason := dmarc.Reason(q.get("reason")); wording.Refusal(reason) != "" {
		out.Notes = append(out.Notes, note{Text: wording.Refusal(reason)})
	}
	t := &table{
		Name: "refused", Caption: "What was refused, the newest first", Empty: "Nothing that fits was refused.",
		Columns: []column{
			when("at", "When"), text("source", "Source"), text("reason", "Reason"), long("what_to_do", "What it means, and what to do"), wide("message", "What was found"), wide("input", "Input"),
			wideWhen("mail_date", "Date of the mail"), text("mail_from", "From"), text("mail_subject", "Subject"),
		},
	}
	for i := range list {
		r := &list[i]
		t.Rows = append(t.Rows, []cell{
			moment(r.At), word(r.Source), linked(string(r.Reason), to("refused", "reason", string(r.Reason))), word(wording.Refusal(r.Reason)), word(cut(r.Message)), word(cut(r.Input)),
			moment(r.Date), word(cut(r.From)), word(cut(r.Subject)),
		})
	}
	out.add(&part{ID: "refused", Heading: wording.Grouped(found) + " refused", Table: q.paged(out, t, rowsPerPage, found)})
	return out, nil
}
