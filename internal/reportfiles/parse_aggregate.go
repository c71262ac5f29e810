package reportfiles

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// reportHeader is what the lines of all kinds have in common.
type reportHeader struct {
	Path     string      `json:"path"`
	Document string      `json:"document,omitempty"`
	Kind     unpack.Kind `json:"kind"`
	Org      string      `json:"org"`
	Email    string      `json:"email"`
	ReportID string      `json:"report_id"`
	Domain   string      `json:"domain"`
	Begin    time.Time   `json:"begin,omitzero"`
	End      time.Time   `json:"end,omitzero"`
}

// head returns h; it makes what embeds h a line.
func (h *reportHeader) head() *reportHeader { return h }

// stamp formats a time as RFC 3339; an unknown time is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// recordLine is one record of an aggregate report.
type recordLine struct {
	reportHeader
	ExtraContactInfo string          `json:"extra_contact_info,omitempty"`
	Version          string          `json:"version,omitempty"`
	Namespace        string          `json:"namespace,omitempty"`
	Generator        string          `json:"generator,omitempty"`
	Errors           []string        `json:"errors,omitempty"`
	Policy           publishedPolicy `json:"policy_published"`
	SourceIP         string          `json:"source_ip"`
	Count            int64           `json:"count"`
	Disposition      string          `json:"disposition"`
	DKIM             string          `json:"dkim"`
	SPF              string          `json:"spf"`
	Pass             bool            `json:"pass"`
	// The raw texts are given where they say more than the values above.
	RawDisposition string       `json:"raw_disposition,omitempty"`
	RawDKIM        string       `json:"raw_dkim,omitempty"`
	RawSPF         string       `json:"raw_spf,omitempty"`
	Reasons        []reasonLine `json:"reasons"`
	HeaderFrom     string       `json:"header_from"`
	EnvelopeFrom   string       `json:"envelope_from"`
	EnvelopeTo     string       `json:"envelope_to"`
	AuthDKIM       []dkimLine   `json:"auth_dkim"`
	AuthSPF        []spfLine    `json:"auth_spf"`
}

type publishedPolicy struct {
	P               dmarc.Disposition `json:"p,omitempty"`
	SP              dmarc.Disposition `json:"sp,omitempty"`
	NP              dmarc.Disposition `json:"np,omitempty"`
	ADKIM           dmarc.Alignment   `json:"adkim,omitempty"`
	ASPF            dmarc.Alignment   `json:"aspf,omitempty"`
	Pct             *int              `json:"pct,omitempty"`
	Fo              string            `json:"fo,omitempty"`
	Testing         string            `json:"testing,omitempty"`
	DiscoveryMethod string            `json:"discovery_method,omitempty"`
}

type reasonLine struct {
	Type    string `json:"type"`
	Comment string `json:"comment,omitempty"`
}

type dkimLine struct {
	Domain      string `json:"domain"`
	Selector    string `json:"selector,omitempty"`
	Result      string `json:"result"`
	RawResult   string `json:"raw_result,omitempty"`
	HumanResult string `json:"human_result,omitempty"`
}

type spfLine struct {
	Domain      string `json:"domain"`
	Scope       string `json:"scope,omitempty"`
	Result      string `json:"result"`
	RawResult   string `json:"raw_result,omitempty"`
	HumanResult string `json:"human_result,omitempty"`
}

// cells returns the columns of the section for aggregate reports.
func (l *recordLine) cells() (section, []string) {
	pct := ""
	if l.Policy.Pct != nil {
		pct = strconv.Itoa(*l.Policy.Pct)
	}
	return sectionAggregate, []string{
		string(l.Policy.P), string(l.Policy.SP), string(l.Policy.NP), string(l.Policy.ADKIM), string(l.Policy.ASPF), pct,
		l.SourceIP, strconv.FormatInt(l.Count, 10), l.Disposition, l.DKIM, l.SPF, strconv.FormatBool(l.Pass),
		join(l.Reasons, func(r reasonLine) string { return r.Type }),
		l.HeaderFrom, l.EnvelopeFrom, l.EnvelopeTo,
		join(l.AuthDKIM, func(a dkimLine) string { return a.Domain + "/" + a.Selector + "=" + a.Result }),
		join(l.AuthSPF, func(a spfLine) string { return a.Domain + "/" + a.Scope + "=" + a.Result }),
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

// heldRecords is how many records wait for a header that comes late.
const heldRecords = 1000

// recordLines makes lines of the records of a report. Few reports have their
// header at the end; their first records are held back for it.
type recordLines struct{ held []dmarc.Record }

// add emits the line of a record and those that waited, or holds it back.
func (l *recordLines) add(header reportHeader, report *dmarc.Report, record *dmarc.Record, emit func(line)) {
	if (report.Metadata.End.IsZero() || report.Policy.Domain == "") && len(l.held) < heldRecords {
		l.held = append(l.held, record.Clone())
		return
	}
	l.flush(header, report, emit)
	emit(newRecordLine(header, report, record))
}

// flush emits the lines that waited.
func (l *recordLines) flush(header reportHeader, report *dmarc.Report, emit func(line)) {
	for i := range l.held {
		emit(newRecordLine(header, report, &l.held[i]))
	}
	l.drop()
}

// drop forgets the records that waited.
func (l *recordLines) drop() { l.held = nil }

// parseAggregate prints the records of an aggregate report as they are read.
func parseAggregate(d *dmarc.Decoder, r io.Reader, header reportHeader, emit func(line)) error {
	d.Reset(r)
	var record dmarc.Record
	var lines recordLines
	for {
		err := d.Next(&record)
		if err != nil {
			lines.flush(header, d.Report(), emit)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		lines.add(header, d.Report(), &record, emit)
	}
}

// newRecordLine makes the line of one record.
func newRecordLine(header reportHeader, r *dmarc.Report, record *dmarc.Record) *recordLine {
	header.Org, header.Email, header.ReportID = r.Metadata.OrgName, r.Metadata.Email, r.Metadata.ReportID
	header.Domain, header.Begin, header.End = r.Policy.Domain, r.Metadata.Begin, r.Metadata.End
	l := &recordLine{
		reportHeader: header, ExtraContactInfo: r.Metadata.ExtraContactInfo, Version: r.Version,
		Namespace: r.Namespace, Generator: r.Metadata.Generator, Errors: r.Metadata.Errors,
		Policy: publishedPolicy{
			P: r.Policy.P, SP: r.Policy.SP, NP: r.Policy.NP, ADKIM: r.Policy.ADKIM, ASPF: r.Policy.ASPF,
			Pct: r.Policy.Pct, Fo: r.Policy.Fo, Testing: r.Policy.Testing, DiscoveryMethod: r.Policy.DiscoveryMethod,
		},
		SourceIP: record.Source, Count: record.Count, Disposition: string(record.Disposition),
		DKIM: string(record.DKIM), SPF: string(record.SPF), Pass: record.Aligned(),
		RawDisposition: record.RawDisposition, RawDKIM: record.RawDKIM, RawSPF: record.RawSPF,
		HeaderFrom: record.HeaderFrom, EnvelopeFrom: record.EnvelopeFrom, EnvelopeTo: record.EnvelopeTo,
		Reasons: []reasonLine{}, AuthDKIM: []dkimLine{}, AuthSPF: []spfLine{},
	}
	if record.SourceIP.IsValid() {
		l.SourceIP = record.SourceIP.String()
	}
	for _, reason := range record.Reasons {
		l.Reasons = append(l.Reasons, reasonLine{Type: reason.Type, Comment: reason.Comment})
	}
	for _, a := range record.AuthDKIM {
		l.AuthDKIM = append(l.AuthDKIM, dkimLine{
			Domain: a.Domain, Selector: a.Selector, Result: string(a.Result), RawResult: a.RawResult, HumanResult: a.HumanResult,
		})
	}
	for _, a := range record.AuthSPF {
		l.AuthSPF = append(l.AuthSPF, spfLine{
			Domain: a.Domain, Scope: a.Scope, Result: string(a.Result), RawResult: a.RawResult, HumanResult: a.HumanResult,
		})
	}
	return l
}
