package reportfiles

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// Show prints the reports with an id whole; stored says that they are in a
// database, and when they came there.
func Show(ctx context.Context, w io.Writer, v *store.View, id, format string, stored bool, width int) error {
	out := bufio.NewWriter(w)
	s := &shower{w: out, width: width, stored: stored}
	visit := s.add
	if format == FormatJSON {
		visit = func(l reportjson.Line) error { return writeJSON(out, l) }
	}
	lines := 0
	n, err := store.Find(ctx, v, id, func(l reportjson.Line) error {
		lines++
		return visit(l)
	})
	if err == nil {
		err = s.finish()
	}
	if err == nil && n > 0 && lines == 0 {
		_, err = fmt.Fprintln(out, "The report is kept, but none of its records: --records=failing keeps those that did not pass.")
	}
	if err == nil && n == 0 {
		err = fmt.Errorf("no report has the id %q: store export lists those that are kept", clean(id))
	}
	return written(err, out.Flush())
}

// shower prints reports for people, one after the other.
type shower struct {
	w       io.Writer
	width   int
	stored  bool
	last    *reportjson.Header // of the report whose rows wait
	some    bool
	columns []column
	rows    []tableRow
}

// add adds a line of a report.
func (s *shower) add(l reportjson.Line) error {
	h := l.Head()
	if s.last == nil || !s.last.SameReport(h) {
		if err := s.finish(); err != nil {
			return err
		}
		if err := s.begin(l); err != nil {
			return err
		}
	}
	switch l := l.(type) {
	case *reportjson.Record:
		s.rows = append(s.rows, recordRow(l))
	case *reportjson.Policy:
		s.rows = append(s.rows, policyRows(l)...)
	}
	return nil
}

// begin prints what a report begins with.
func (s *shower) begin(l reportjson.Line) error {
	h := l.Head()
	s.last = h
	if s.some {
		fmt.Fprintln(s.w)
	}
	s.some = true
	const second = "2006-01-02 15:04:05"
	facts := [][2]string{{"Report", h.ReportID}, {"Reporter", strings.TrimSpace(h.Org + " " + bracketed(h.Email))}, {"Domain", h.Domain}}
	if !h.Begin.IsZero() {
		facts = append(facts, [2]string{"Period", h.Begin.Format(second) + " to " + h.End.Format(second) + " UTC"})
	}
	if s.stored {
		facts = append(facts, [2]string{"Kept", h.Received.Format(second) + " UTC from " + h.Path})
	}
	switch l := l.(type) {
	case *reportjson.Record:
		facts = append(facts, [2]string{"Policy", wording.Policy(&l.Policy)}, [2]string{"Contact", l.ExtraContactInfo}, [2]string{"Generator", l.Generator}, [2]string{"Errors", strings.Join(l.Errors, "; ")})
		s.columns = []column{
			{name: "SOURCE", least: 15, most: 39},
			{name: "SENDER", wide: true, least: 10, most: 24},
			{name: "MESSAGES", right: true},
			{name: "DISPOSITION"},
			{name: "DKIM"},
			{name: "SPF"},
			{name: "FROM", least: 12, most: 40},
			{name: "RESULTS", least: 20, most: 120},
		}
	case *reportjson.Policy:
		s.columns = []column{
			{name: "DOMAIN", least: 12, most: 40}, {name: "POLICY"}, {name: "SESSIONS", right: true}, {name: "FAILED", right: true}, {name: "RESULT", least: 12, most: 60},
		}
	case *reportjson.Failure:
		facts = append(facts, [2]string{"Failure", string(l.AuthFailure)}, [2]string{"Delivery", string(l.DeliveryResult)}, [2]string{"Source", l.SourceIP},
			[2]string{"Incidents", wording.Grouped(l.Incidents)}, [2]string{"Mail from", l.MailFrom}, [2]string{"From", l.EvidenceHeaderFrom},
			[2]string{"DKIM", strings.Trim(l.DKIMSelector+"._domainkey."+l.DKIMDomain, ".")}, [2]string{"Reporting MTA", l.ReportingMTA})
		s.columns = nil
	}
	for _, f := range facts {
		if f[1] == "" || f[1] == "_domainkey" {
			continue
		}
		const indent = 15
		for i, line := range wrapped(f[1], s.width-indent) {
			label := ""
			if i == 0 {
				label = f[0] + ":"
			}
			if _, err := fmt.Fprintf(s.w, "%-*s%s\n", indent, label, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish prints the rows that wait.
func (s *shower) finish() error {
	rows := s.rows
	s.rows, s.last = nil, nil
	return printTable(s.w, s.width, rows, s.columns...)
}

func bracketed(email string) string {
	if email == "" {
		return ""
	}
	return "<" + email + ">"
}

// recordRow shows a record.
func recordRow(l *reportjson.Record) tableRow {
	var results []string
	for _, a := range l.AuthDKIM {
		name := a.Domain
		if a.Selector != "" {
			name = a.Selector + "._domainkey." + a.Domain
		}
		results = append(results, "dkim="+string(a.Result)+" "+name)
	}
	for _, a := range l.AuthSPF {
		results = append(results, "spf="+string(a.Result)+" "+a.Domain)
	}
	for _, r := range l.Reasons {
		results = append(results, "reason="+strings.TrimSpace(r.Type+" "+r.Comment))
	}
	return tableRow{cells: []string{
		l.SourceIP, cmp.Or(l.Sender, l.ASName), wording.Grouped(l.Count), cmp.Or(string(l.Disposition), "-"), cmp.Or(string(l.DKIM), "-"), cmp.Or(string(l.SPF), "-"),
		l.HeaderFrom, strings.Join(results, "; "),
	}}
}

// policyRows shows a policy, and how sessions failed.
func policyRows(l *reportjson.Policy) []tableRow {
	rows := []tableRow{{cells: []string{l.Domain, string(l.PolicyType), wording.Grouped(l.Successful + l.Failed), wording.Grouped(l.Failed), ""}}}
	for _, d := range l.Details {
		rows = append(rows, tableRow{cells: []string{"", "", "", wording.Grouped(d.Failed), strings.Join([]string{string(d.ResultType), d.ReceivingMXHostname, d.ReasonCode}, " ")}})
	}
	return rows
}
