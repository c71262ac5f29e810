package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// tooLarge says that something does not fit into an answer.
type tooLarge string

// Error returns what to do instead.
func (e tooLarge) Error() string { return string(e) }

// mostBytes bounds a report that is sent as a file.
const mostBytes = 16 << 20

// findReport returns the report that a query names.
func findReport(ctx context.Context, v *store.View, q *query) (*store.ReportHead, error) {
	at, errDay := time.Parse(time.DateOnly, q.get("day"))
	id, errID := strconv.ParseInt(q.get("id"), 10, 64)
	if errDay != nil || errID != nil {
		return nil, badQuery("The day or the number of the report is missing: choose one of the reports.")
	}
	head, err := store.AskReport(ctx, v, store.ReportKey{Day: at, ID: id})
	if err == nil && head == nil {
		err = notFound("There is no such report. Reports are deleted when they are older than --records.retention.")
	}
	return head, err
}

// report is one report, with everything that is kept of it.
func (p *Pages) report(ctx context.Context, v *store.View, q *query) (*page, error) {
	head, err := findReport(ctx, v, q)
	if err != nil {
		return nil, err
	}
	if q.form == formJSON && q.get("table") == "" {
		return wholeJSON(ctx, v, head)
	}
	out := &page{Title: "Report " + cut(head.ReportID), Active: "reports", Trail: []link{{"Reports", "reports"}}}
	out.Facts = reportFacts(head)
	downloads := note{Text: "The whole report as a file:", Links: []link{{"JSON", q.with(formJSON, "", "")}, {"CSV", q.with(formCSV, "", "")}}}
	if head.Kind == unpack.KindAggregate {
		downloads.Links = append(downloads.Links, link{"XML", q.with(formXML, "", "")})
	}
	out.Notes = append(out.Notes, downloads)
	if head.Kept < head.Records && head.Kind == unpack.KindAggregate {
		out.Notes = append(out.Notes, note{Text: fmt.Sprintf("Of %s %s are kept, because of --records.", wording.Plural(head.Records, "record"), wording.Grouped(head.Kept))})
	}
	s := newSheet(q, head)
	if err := store.ReportLines(ctx, v, head.ReportKey, s.add); err != nil {
		return nil, err
	}
	out.Facts = append(out.Facts, s.facts...)
	if s.table != nil {
		out.add(&part{ID: "records", Heading: s.heading, Table: q.paged(out, s.table, rowsPerPage, s.rows)})
	}
	out.add(warnings(q, head))
	if head.Kind == unpack.KindAggregate && head.Kept > 0 {
		out.add(&part{ID: "deviations", Heading: "Deviations", Notes: []note{{Text: fmt.Sprintf("Where what is kept of the report differs from %s. Its messages are counted all the same.", s.checker.Standard)}}, Table: q.programs(s.deviations())})
	}
	return out, nil
}

// warnings are what was repaired or dropped to read a report.
func warnings(q *query, head *store.ReportHead) *part {
	t := &table{
		Name: "warnings", Caption: "What was repaired or dropped to read the report", Empty: "Nothing had to be repaired.",
		Columns: []column{text("code", "Warning"), long("meaning", "What it means")},
	}
	if !head.WarningsKnown {
		t.Empty = "Not known: an older version has kept the report, without its warnings."
	}
	for _, code := range head.Warnings {
		t.Rows = append(t.Rows, []cell{word(string(code)), word(wording.Warning(code))})
	}
	return &part{ID: "warnings", Heading: "Warnings", Table: q.programs(t)}
}

// reportFacts are what a report says about itself.
func reportFacts(h *store.ReportHead) []fact {
	const second = "2006-01-02 15:04:05"
	facts := []fact{{Name: "Reporter", Text: strings.TrimSpace(h.Org + " " + h.Email)}, {Name: "Domain", Text: h.Domain, Link: toDomain(h.Domain)}, {Name: "Report id", Text: h.ReportID}}
	if !h.End.IsZero() {
		facts = append(facts, fact{Name: "Period", Text: h.Begin.Format(second) + " to " + h.End.Format(second) + " UTC"})
	}
	facts = append(facts, fact{Name: "Kept", Text: h.Received.Format(second) + " UTC from " + h.Source})
	if h.Kind == unpack.KindAggregate {
		facts = append(facts,
			fact{Name: "Policy that was found", Text: wording.Policy(&h.Published)},
			fact{Name: "Messages", Text: fmt.Sprintf("%s, %s pass", wording.Grouped(h.Messages), wording.Percent(h.PassMessages, h.Messages))},
			fact{Name: "Contact", Text: h.ExtraContactInfo}, fact{Name: "Generator", Text: h.Generator}, fact{Name: "Version", Text: h.Version}, fact{Name: "Namespace", Text: h.Namespace},
			fact{Name: "Errors of the reporter", Text: strings.Join(h.Errors, "; ")})
	}
	return facts
}

// sheet collects the lines of a report: those of a page, and what all of them
// come to.
type sheet struct {
	q         *query
	head      *store.ReportHead
	skip, top int
	rows      int64
	heading   string
	table     *table
	facts     []fact
	checker   dmarc.Validator
	whole     *dmarc.Report
}

func newSheet(q *query, head *store.ReportHead) *sheet {
	s := &sheet{q: q, head: head, whole: reportOf(head)}
	s.skip, s.top = q.rows(rowsPerPage)
	s.checker.Standard = dmarc.RFC7489
	if strings.HasSuffix(head.Namespace, "dmarc-2.0") {
		s.checker.Standard = dmarc.RFC9990
	}
	switch head.Kind {
	case unpack.KindAggregate:
		s.heading, s.table = wording.Plural(head.Kept, "record"), &table{
			Name: "records", Caption: "Records", Empty: "No record of the report is kept.",
			Columns: []column{
				text("source", "Source"), wide("sender", "Sender"), number("messages", "Messages"), text("disposition", "Done"), text("dkim", "DKIM"), text("spf", "SPF"), text("header_from", "From"),
				wide("envelope_from", "Envelope from"), wide("envelope_to", "Envelope to"), long("results", "Results"),
			},
		}
	case unpack.KindTLS:
		s.heading, s.table = "Policies and failures", &table{
			Name: "records", Caption: "Policies, and how sessions failed", Empty: "The report has no policy.",
			Columns: []column{text("domain", "Domain"), text("policy", "Policy"), number("successful", "Successful"), number("failed", "Failed"), text("result", "Result"), wide("mx", "Host"), wide("information", "Information")},
		}
	}
	return s
}

// row adds a row, if it is on the page.
func (s *sheet) row(cells ...cell) {
	if s.rows++; s.rows > int64(s.skip) && len(s.table.Rows) < s.top {
		s.table.Rows = append(s.table.Rows, cells)
	}
}

// add adds a line.
func (s *sheet) add(l reportjson.Line) error {
	switch l := l.(type) {
	case *reportjson.Record:
		rec := recordOf(l)
		s.checker.Record(&rec)
		s.row(
			linked(l.SourceIP, toSource(l.SourceIP, s.head.Domain)), word(cmp.Or(l.Sender, l.ASName)), count(l.Count), word(cmp.Or(string(l.Disposition), l.RawDisposition)),
			verdict(l.DKIM == dmarc.EvaluationPass), verdict(l.SPF == dmarc.EvaluationPass), word(l.HeaderFrom), word(l.EnvelopeFrom), word(l.EnvelopeTo), word(results(l.AuthDKIM, l.AuthSPF, l.Reasons)),
		)
	case *reportjson.Policy:
		s.row(linked(l.Domain, toDomain(l.Domain)), word(string(l.PolicyType)), count(l.Successful), count(l.Failed), word(""), word(""), word(""))
		for i := range l.Details {
			d := &l.Details[i]
			s.row(word(l.Domain), word(string(l.PolicyType)), cell{Value: ""}, count(d.Failed), cell{Text: string(d.ResultType), Class: "bad", Small: wording.TLSResult(d.ResultType)}, word(d.ReceivingMXHostname), word(strings.TrimSpace(d.ReasonCode+" "+d.Information)))
		}
	case *reportjson.Failure:
		s.facts = append(s.facts, failureFacts(l)...)
	}
	return nil
}

// index is the number of a record in a path.
var index = regexp.MustCompile(`\[\d+\]`)

// deviations is a table of what differs from the standard, alike ones once.
func (s *sheet) deviations() *table {
	t := &table{
		Name: "deviations", Caption: "Where the report differs from its standard", Empty: "Nothing differs.",
		Columns: []column{text("element", "Element"), text("message", "What differs"), number("times", "Times"), text("section", "Where the standard says so"), wide("rule", "Rule")},
	}
	at, times := map[string]int{}, []int64(nil)
	for _, d := range s.checker.Report(s.whole) {
		path := index.ReplaceAllString(d.Path, "")
		key := path + "\x00" + d.Message
		i, ok := at[key]
		if !ok {
			i = len(t.Rows)
			at[key], times = i, append(times, 0)
			message := word(sentence(d.Message))
			if d.Advisory {
				message.Small = "recommended, not required"
			}
			t.Rows = append(t.Rows, []cell{word(path), message, {}, word(d.Section), word(string(d.Rule))})
		}
		times[i]++
		t.Rows[i][2] = count(times[i])
	}
	const most = 100
	t.Rows = t.Rows[:min(len(t.Rows), most)]
	return t
}

// reportOf returns a report as far as it is kept, without its records.
func reportOf(h *store.ReportHead) *dmarc.Report {
	p := &h.Published
	return &dmarc.Report{
		Namespace: h.Namespace, Version: h.Version,
		Metadata: dmarc.Metadata{
			OrgName: h.Org, Email: h.Email, ExtraContactInfo: h.ExtraContactInfo, ReportID: h.ReportID, Begin: h.Begin, End: h.End, Errors: h.Errors, Generator: h.Generator,
		},
		Policy: dmarc.Policy{
			Domain: h.Domain, P: p.P, SP: p.SP, NP: p.NP, ADKIM: p.ADKIM, ASPF: p.ASPF, Pct: p.Pct, Fo: p.Fo, Testing: p.Testing, DiscoveryMethod: p.DiscoveryMethod,
		},
	}
}

// recordOf returns a record as it is kept.
func recordOf(l *reportjson.Record) dmarc.Record {
	rec := dmarc.Record{
		Source: l.SourceIP, Count: l.Count, Disposition: l.Disposition, RawDisposition: l.RawDisposition, DKIM: l.DKIM, SPF: l.SPF, RawDKIM: l.RawDKIM, RawSPF: l.RawSPF,
		HeaderFrom: l.HeaderFrom, EnvelopeFrom: l.EnvelopeFrom, EnvelopeTo: l.EnvelopeTo,
	}
	rec.SourceIP, _ = netip.ParseAddr(l.SourceIP) // What is no address stays the zero one.
	for _, r := range l.Reasons {
		rec.Reasons = append(rec.Reasons, dmarc.OverrideReason(r))
	}
	for _, a := range l.AuthDKIM {
		rec.AuthDKIM = append(rec.AuthDKIM, dmarc.DKIMAuth(a))
	}
	for _, a := range l.AuthSPF {
		rec.AuthSPF = append(rec.AuthSPF, dmarc.SPFAuth(a))
	}
	return rec
}

// limited is memory for a file, of a limited size.
type limited struct{ bytes.Buffer }

// Write refuses what is too much.
func (b *limited) Write(text []byte) (int, error) {
	if b.Len()+len(text) > mostBytes {
		return 0, tooLarge("The report is too large for a file of this page: dmarc_exporter report show ID --format=json prints all of it.")
	}
	return b.Buffer.Write(text)
}

// wholeJSON is a report as JSON: the lines that parse prints.
func wholeJSON(ctx context.Context, v *store.View, head *store.ReportHead) (*page, error) {
	var b limited
	sep := "[\n"
	err := store.ReportLines(ctx, v, head.ReportKey, func(l reportjson.Line) error {
		if _, err := b.Write([]byte(sep)); err != nil {
			return err
		}
		sep = ","
		return reportjson.Write(&b, l)
	})
	if err != nil {
		return nil, err
	}
	if b.Len() == 0 {
		b.WriteString("[\n")
	}
	b.WriteString("]\n")
	return &page{raw: b.Bytes()}, nil
}

// reportXML is an aggregate report as RFC 9990 has it.
func (p *Pages) reportXML(ctx context.Context, v *store.View, q *query) (*page, error) {
	head, err := findReport(ctx, v, q)
	if err != nil {
		return nil, err
	}
	if head.Kind != unpack.KindAggregate {
		return nil, notFound("Only aggregate reports are XML.")
	}
	report := reportOf(head)
	const whole = 100
	if pct := report.Policy.Pct; pct != nil && *pct == whole {
		report.Policy.Pct = nil // RFC 9990 has removed it; 100 was its default.
	}
	var b limited
	e := dmarc.NewEncoder(&b)
	e.Indent = "  "
	if err = e.Header(report); err == nil {
		err = store.ReportLines(ctx, v, head.ReportKey, func(l reportjson.Line) error {
			rec := recordOf(l.(*reportjson.Record))
			return e.Record(&rec)
		})
	}
	if err == nil {
		err = e.Close()
	}
	var deviation dmarc.Deviation
	if errors.As(err, &deviation) {
		return nil, tooLarge(fmt.Sprintf("RFC 9990 cannot express what is kept of the report (%s), so that there is no XML of it. JSON and CSV have everything.", deviation.Error()))
	}
	if err != nil {
		return nil, err
	}
	return &page{raw: b.Bytes(), file: fmt.Sprintf("report-%s-%d.xml", wording.Day(head.Day), head.ID)}, nil
}
