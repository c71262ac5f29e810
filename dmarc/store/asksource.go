package store

import (
	"context"
	"slices"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// SourceRecord is messages of one address in one report that authenticated in
// one way.
type SourceRecord struct {
	Report      ReportKey
	Day         time.Time // on which they were sent
	Org, Domain string
	Messages    int64
	Disposition dmarc.Disposition
	// DKIM and SPF are the aligned verdicts.
	DKIM, SPF                dmarc.Evaluation
	HeaderFrom, EnvelopeFrom string
	Reasons                  []reportjson.Reason
	AuthDKIM                 []reportjson.DKIM
	AuthSPF                  []reportjson.SPF
}

// SourceAnswer is what is known of an address.
type SourceAnswer struct {
	// Sender is who sends from it, Host is its name, and Country, ASN and ASName
	// are where it is, as far as they are known.
	Sender, Host, Country, ASName string
	ASN                           int64
	// Records are those of the period, the newest first; More says that there
	// are more than were asked for.
	Records []SourceRecord
	More    bool
}

// AskSource returns what is known of an address, however it is spelled, and its
// records in a period, up to top.
func AskSource(ctx context.Context, v *View, source string, p Period, top int) (*SourceAnswer, error) {
	if address, _ := text.Addr(source); address.IsValid() {
		source = address.String() // as it is kept
	}
	c := conditions{}
	c.add("k.source_ip = %s AND r.kind = %s", source, string(unpack.KindAggregate))
	first, last := p.days()
	if p.Domain != "" {
		c.add("r.domain = %s", p.domain())
	}
	// A planner takes it that few messages were sent in a period, and would begin with
	// the reports, but for conditions on aggregates.
	if !p.Since.IsZero() {
		c.add("k.day >= %s", first)
	}
	if !p.Until.IsZero() {
		c.add("k.day <= %s", last)
	}
	sentFrom, sentUntil := p.sent()
	having := conditions{args: c.args}
	having.add("min("+sentSQL+") >= %s AND max("+sentSQL+") < %s", int64(sentFrom)*daySeconds, int64(sentUntil)*daySeconds)
	a := &SourceAnswer{}
	var contents []int64 // of the records
	err := v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		if a.More = len(a.Records) == top; a.More {
			return nil
		}
		one := SourceRecord{Report: ReportKey{timeOfDay(tally.Day(r.number())), r.number()}, Day: timeOfDay(sentDay(r.number())), Org: r.text(), Domain: r.text()}
		contents = append(contents, r.number())
		one.Messages = r.number()
		a.Records = append(a.Records, one)
		return nil
	}, "SELECT r.day, r.id, "+sentSQL+", r.org_name, r.domain, k.content, "+totalSQL("k.messages")+
		" FROM records k JOIN reports r ON r.id = k.report AND r.day = k.day"+c.where()+" GROUP BY 1, 2, 3, 4, 5, 6 HAVING "+having.text+" ORDER BY 1 DESC, 2 DESC, 7 DESC, 6"+limit(0, top+1), having.args...)
	if err != nil {
		return nil, err
	}
	if err := a.fill(ctx, v, contents); err != nil {
		return nil, err
	}
	return a, a.describe(ctx, v, source, contents)
}

// fill adds to the records what they have in common with others.
func (a *SourceAnswer) fill(ctx context.Context, v *View, contents []int64) error {
	known := map[int64]SourceRecord{}
	ids := slices.Clone(contents)
	slices.Sort(ids)
	for some := range slices.Chunk(slices.Compact(ids), mostListed) {
		err := v.Query(ctx, func(row []any) error {
			c := cells{row: row}
			id := c.number()
			one := SourceRecord{
				Disposition: dmarc.Disposition(c.text()), DKIM: dmarc.Evaluation(c.text()), SPF: dmarc.Evaluation(c.text()),
				HeaderFrom: c.text(), EnvelopeFrom: c.text(),
			}
			c.json(&one.Reasons)
			c.json(&one.AuthDKIM)
			c.json(&one.AuthSPF)
			known[id] = one
			if c.err != nil {
				return Damaged(v.Name(), "record_contents: row %d: %w", id, c.err)
			}
			return nil
		}, "SELECT id, disposition, dkim, spf, header_from, envelope_from, reasons, auth_dkim, auth_spf FROM record_contents WHERE id IN "+numbers(some))
		if err != nil {
			return err
		}
	}
	for i := range a.Records {
		r, is := &a.Records[i], known[contents[i]]
		is.Report, is.Day, is.Org, is.Domain, is.Messages = r.Report, r.Day, r.Org, r.Domain, r.Messages
		*r = is
	}
	return nil
}

// describe adds what is known of the address.
func (a *SourceAnswer) describe(ctx context.Context, v *View, source string, contents []int64) error {
	known, err := addressesOf(ctx, v, []string{source})
	if err != nil || len(contents) == 0 && len(known) == 0 {
		return err
	}
	of := known[source]
	a.Host, a.Country, a.ASName, a.ASN = of.host, of.country, of.asName, of.asn
	senders := map[string]int64{}
	facts := contentFacts{}
	each := slices.Clone(contents)
	slices.Sort(each)
	if err := facts.read(ctx, v, slices.Compact(each)); err != nil {
		return err
	}
	for i, id := range contents {
		senders[facts[id].sentBy] = tally.Add(senders[facts[id].sentBy], a.Records[i].Messages)
	}
	for _, sender := range most(senders, 1) {
		a.Sender = of.name(sender)
	}
	return nil
}
