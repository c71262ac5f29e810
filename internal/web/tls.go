package web

import (
	"context"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// tlsPeriod is period for TLS reports.
func (q *query) tlsPeriod(ctx context.Context, v *store.View, domain string) (store.Period, error) {
	if !q.to.IsZero() {
		return q.period(ctx, v, domain)
	}
	p := store.Period{Domain: domain}
	last, err := store.AskLastDay(ctx, v, unpack.KindTLS, "")
	if err != nil || last.IsZero() {
		return p, err
	}
	if last.After(q.now) {
		last = q.now.Truncate(24 * time.Hour)
	}
	p.Until = last.AddDate(0, 0, 1)
	p.Since = p.Until.AddDate(0, 0, -q.days)
	return p, nil
}

func (p *Pages) askTLS(ctx context.Context, v *store.View, period store.Period) (*store.TLSAnswer, error) {
	if period.Until.IsZero() {
		return &store.TLSAnswer{}, nil
	}
	return store.AskTLS(ctx, v, period)
}

// tls is what TLS reports say.
func (p *Pages) tls(ctx context.Context, v *store.View, q *query) (*page, error) {
	period, err := q.tlsPeriod(ctx, v, q.get("domain"))
	if err != nil {
		return nil, err
	}
	a, err := p.askTLS(ctx, v, period)
	if err != nil {
		return nil, err
	}
	out := &page{Title: "TLS", Active: "tls"}
	out.Filter = &filter{Action: "tls", Fields: append([]field{q.input("domain", "Domain")}, q.periodFields()...)}
	if period.Until.IsZero() {
		out.Notes = []note{{Text: "There is no TLS report yet. Reporters send them once a day to the address in a record such as _smtp._tls.example.com TXT \"v=TLSRPTv1; rua=mailto:reports@example.com\"."}}
		return out, nil
	}
	out.Facts = []fact{{Name: "Days", Text: days(period)}}
	policies := tlsPolicies(a)
	out.add(&part{ID: "policies", Heading: "Policies", Notes: q.short(policies, rowsPerPage), Table: q.programs(policies)})
	failures := &table{
		Name: "failures", Caption: "Sessions that failed, the most first", Empty: "No session failed.",
		Columns: []column{text("domain", "Domain"), number("failed", "Failed"), text("result", "Result"), long("meaning", "What it means"), wide("mx", "Host"), wide("reporter", "Reporter"), when("last", "Last seen")},
	}
	for i := range a.Failures {
		f := &a.Failures[i]
		failures.Rows = append(failures.Rows, []cell{
			linked(f.Domain, toDomain(f.Domain)), count(f.Failed), word(string(f.Result)), word(wording.TLSResult(f.Result)), word(f.MXHostname), word(f.Reporter), day(f.Last),
		})
	}
	one := &part{ID: "failures", Heading: "Failures", Notes: q.short(failures, rowsPerPage), Table: q.programs(failures)}
	if a.More {
		one.Notes = []note{{Text: "There are more kinds of failures than are shown. Ask about one domain, or about fewer days."}}
	}
	out.add(one)
	sums := map[time.Time]amount{}
	byDay := &table{
		Name: "days", Caption: "Sessions by day, the last first", Empty: "No report is about these days.",
		Columns: []column{when("day", "Day"), number("successful", "Successful"), number("failed", "Failed")},
	}
	for i := range a.Days {
		d := &a.Days[len(a.Days)-1-i]
		sums[d.Day] = amount{d.Successful, d.Failed}
		byDay.Rows = append(byDay.Rows, []cell{day(d.Day), count(d.Successful), count(d.Failed)})
	}
	chart := draw(period, "Sessions per day", []*layer{{Class: "good", Word: "successful"}, {Class: "bad", Word: "failed"}}, true, func(day time.Time) []int64 {
		return []int64{sums[day].good, sums[day].bad}
	})
	out.add(&part{ID: "days", Heading: "Days", Bars: chart, Notes: q.short(byDay, mostDays), Table: q.programs(byDay)})
	return out, nil
}

// tlsPolicies is a table of policies.
func tlsPolicies(a *store.TLSAnswer) *table {
	t := &table{
		Name: "policies", Caption: "Sessions by domain and policy", Empty: "No TLS report is about these days.",
		Columns: []column{text("domain", "Domain"), text("policy", "Policy"), number("successful", "Successful"), number("failed", "Failed"), number("success", "Success"), wideNumber("reporters", "Reporters"), wideWhen("first", "First day"), when("last", "Last day")},
	}
	for i := range a.Policies {
		one := &a.Policies[i]
		failed := count(one.Failed)
		if one.Failed > 0 {
			failed.Class = "bad"
		}
		t.Rows = append(t.Rows, []cell{
			linked(one.Domain, toDomain(one.Domain)), word(string(one.Type)), count(one.Successful), failed, share(one.Successful, one.Successful+one.Failed), count(one.Reporters), day(one.First), day(one.Last),
		})
	}
	return t
}
