package reportfiles

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// section is the part of the CSV columns that belongs to one kind of report.
type section int

const (
	sectionAggregate section = iota
	sectionTLS
	sectionFailure
)

// csvSections are the columns of each section, after those of csvHeader.
var csvSections = [...][]string{
	sectionAggregate: {
		"p", "sp", "np", "adkim", "aspf", "pct", "source_ip", "count", "disposition", "dkim", "spf", "pass", "reasons",
		"header_from", "envelope_from", "envelope_to", "auth_dkim", "auth_spf",
	},
	sectionTLS:     {"policy_type", "successful_sessions", "failed_sessions", "failure_details"},
	sectionFailure: {"auth_failure", "delivery_result", "incidents", "failure_source_ip", "original_mail_from", "dkim_domain", "evidence_header_from"},
}

// csvHeader are the columns that all kinds of reports fill.
var csvHeader = []string{"path", "document", "kind", "org", "email", "report_id", "domain", "begin", "end"}

// writeHeader writes the names of the columns.
func writeHeader(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write(slices.Concat(append([][]string{csvHeader}, csvSections[:]...)...)) // Flush has the error.
	out.Flush()
	return out.Error()
}

// writeRow writes the row of a line: the header, its own section, and blanks in the others.
func writeRow(w io.Writer, l reportjson.Line) error {
	h := l.Head()
	row := []string{h.Path, h.Document, string(h.Kind), h.Org, h.Email, h.ReportID, h.Domain, stamp(h.Begin), stamp(h.End)}
	own, cells := cellsOf(l)
	for s, columns := range csvSections {
		if section(s) != own {
			cells := make([]string, len(columns))
			row = append(row, cells...)
			continue
		}
		row = append(row, cells...)
	}
	for i := range row {
		row[i] = wording.Cell(row[i])
	}
	out := csv.NewWriter(w)
	_ = out.Write(row)
	out.Flush()
	return out.Error()
}

// cellsOf returns the columns of the own section of a line.
func cellsOf(l reportjson.Line) (section, []string) {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	switch l := l.(type) {
	case *reportjson.Policy:
		return sectionTLS, []string{
			string(l.PolicyType), number(l.Successful), number(l.Failed),
			join(l.Details, func(d reportjson.Detail) string { return string(d.ResultType) + "=" + number(d.Failed) }),
		}
	case *reportjson.Failure:
		return sectionFailure, []string{
			string(l.AuthFailure), string(l.DeliveryResult), number(l.Incidents), l.SourceIP, l.MailFrom, l.DKIMDomain, l.EvidenceHeaderFrom,
		}
	case *reportjson.Record:
		return sectionAggregate, recordCells(l)
	}
	panic("reportfiles: a line of an unknown kind")
}

func recordCells(l *reportjson.Record) []string {
	pct := ""
	if l.Policy.Pct != nil {
		pct = strconv.Itoa(*l.Policy.Pct)
	}
	return []string{
		string(l.Policy.P), string(l.Policy.SP), string(l.Policy.NP), string(l.Policy.ADKIM), string(l.Policy.ASPF), pct,
		l.SourceIP, strconv.FormatInt(l.Count, 10), string(l.Disposition), string(l.DKIM), string(l.SPF), strconv.FormatBool(l.Pass),
		join(l.Reasons, func(r reportjson.Reason) string { return r.Type }),
		l.HeaderFrom, l.EnvelopeFrom, l.EnvelopeTo,
		join(l.AuthDKIM, func(a reportjson.DKIM) string { return a.Domain + "/" + a.Selector + "=" + string(a.Result) }),
		join(l.AuthSPF, func(a reportjson.SPF) string { return a.Domain + "/" + a.Scope + "=" + string(a.Result) }),
	}
}

// join makes one cell of a list.
func join[T any](list []T, text func(T) string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = text(v)
	}
	return strings.Join(parts, " ")
}

// stamp formats a time as RFC 3339; an unknown time is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
