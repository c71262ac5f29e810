package store

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// Records says which records of aggregate reports are kept beside the counts.
type Records string

// The choices. The empty value means RecordsAll.
const (
	RecordsOff     Records = "off"     // no reports at all: only counts
	RecordsFailing Records = "failing" // records without an aligned pass
	RecordsAll     Records = "all"
)

// DraftConfig configures a Draft. Its zero value works.
type DraftConfig struct {
	// Records says which records are kept; a Draft with RecordsOff keeps nothing.
	Records Records
	// Sender says what is known of who sent the messages of a record; nil knows nothing.
	Sender func(*dmarc.Record) Sender
	// Dir is where large reports wait in files without a name; empty means the
	// directory for temporary files.
	Dir string
}

// Draft collects what is kept of a report while a tally.Reader reads it, before
// it is known whether the report is whole. It serves one goroutine.
type Draft struct {
	config   DraftConfig
	details  *Details
	usual    int    // for spill
	report   uint64 // counts reports: contents are told anew in each
	contents map[string]*content
	headers  map[string]*header
	senders  map[netip.Addr]uint64 // the report that told the address last
	key      []byte
}

// content is what records have in common, as it is told in a report.
type content struct {
	id   int64
	told []byte
	last uint64 // report that told it last
}

// maxContents bounds what a Draft remembers of earlier records.
const maxContents = 2000

// NewDraft returns a Draft for the reports that r reads, whose Record, TLS and
// Failure it sets. What was set before is called as well.
func NewDraft(r *tally.Reader, config DraftConfig) *Draft {
	d := &Draft{config: config, contents: map[string]*content{}, headers: map[string]*header{}, senders: map[netip.Addr]uint64{}}
	if config.Records == RecordsOff {
		return d
	}
	record, report, tls, failed := r.Record, r.Report, r.TLS, r.Failure
	r.Record = func(report *dmarc.Report, rec *dmarc.Record) {
		d.record(rec)
		if record != nil {
			record(report, rec)
		}
	}
	r.Report = func(whole *dmarc.Report) {
		d.details.header = d.header(whole)
		if report != nil {
			report(whole)
		}
	}
	r.TLS = func(whole *tlsrpt.Report) {
		d.tls(whole)
		if tls != nil {
			tls(whole)
		}
	}
	r.Failure = func(whole *failure.Report) {
		d.failure(whole)
		if failed != nil {
			failed(whole)
		}
	}
	d.Begin()
	return d
}

// Begin drops what was not taken.
func (d *Draft) Begin() {
	if d.details != nil && d.details.empty() {
		return
	}
	d.details.Close()
	d.details = &Details{spill: spill{dir: d.config.Dir, usual: d.usual}}
	d.report++
}

// Take returns what was collected, nil if nothing is kept. An error says that
// a large report could not be set aside, which is not the report's fault.
func (d *Draft) Take() (*Details, error) {
	if d.config.Records == RecordsOff {
		return nil, nil
	}
	details := d.details
	d.usual = int(min(details.spill.size+details.spill.size/8, largeSpill))
	d.details = &Details{spill: spill{dir: d.config.Dir, usual: d.usual}}
	d.report++
	if details.spill.err != nil {
		details.Close()
		return nil, details.spill.err
	}
	return details, nil
}

// record adds a record.
func (d *Draft) record(rec *dmarc.Record) {
	if d.config.Records == RecordsFailing && rec.Aligned() {
		return
	}
	var text [64]byte
	source := text[:0]
	if rec.SourceIP.IsValid() {
		source = rec.SourceIP.AppendTo(source)
	} else {
		source = append(source, clean(rec.Source)...)
	}
	c := d.content(rec, source)
	d.sender(rec, source)
	b := binary.BigEndian.AppendUint64(d.key[:0], uint64(c.id))
	b = binary.AppendUvarint(b, uint64(rec.Count))
	b = append(binary.AppendUvarint(b, uint64(len(source))), source...)
	d.tell(tagRecord, b)
	d.details.kept++
	d.key = b
}

// tell adds one thing to the report.
func (d *Draft) tell(tag byte, data []byte) {
	var head [1 + binary.MaxVarintLen64]byte
	head[0] = tag
	d.details.spill.Write(head[:1+binary.PutUvarint(head[1:], uint64(len(data)))])
	d.details.spill.Write(data)
}

// content tells what a record has in common with others, once in each report.
func (d *Draft) content(rec *dmarc.Record, source []byte) *content {
	d.key = appendKey(d.key[:0], rec, source)
	c := d.contents[string(d.key)]
	if c == nil {
		if len(d.contents) >= maxContents {
			clear(d.contents)
		}
		sender := ""
		if d.config.Sender != nil {
			sender = d.config.Sender(rec).Authenticated
		}
		columns := contentOf(rec, source, sender)
		c = &content{id: hashID(text.AppendFields(nil, columns[:contentColumns-1]...))}
		c.told = binary.BigEndian.AppendUint64(nil, uint64(c.id))
		c.told = text.AppendFields(c.told, columns[:]...)
		d.contents[string(d.key)] = c
	}
	if c.last != d.report {
		c.last = d.report
		d.tell(tagContent, c.told)
	}
	return c
}

// sender tells what is known of an address, once in each report.
func (d *Draft) sender(rec *dmarc.Record, source []byte) {
	if d.config.Sender == nil || d.senders[rec.SourceIP] == d.report {
		return
	}
	if len(d.senders) >= maxContents {
		clear(d.senders)
	}
	d.senders[rec.SourceIP] = d.report
	s := d.config.Sender(rec)
	if s.Authenticated = ""; s == (Sender{}) {
		return
	}
	b := text.AppendFields(nil, string(source), clean(s.Network), clean(s.Guess), clean(s.ASName), clean(s.Country))
	d.tell(tagSender, binary.AppendUvarint(b, uint64(s.ASN)))
	d.details.named = true
}

// header returns what an aggregate report has in common with others.
func (d *Draft) header(r *dmarc.Report) *header {
	m, p, pct := &r.Metadata, &r.Policy, int64(-1)
	if p.Pct != nil {
		pct = int64(*p.Pct)
	}
	d.key = text.AppendFields(d.key[:0], r.Version, r.Namespace, m.Generator, m.ExtraContactInfo,
		string(p.P), string(p.SP), string(p.NP), string(p.ADKIM), string(p.ASPF), p.Fo, p.Testing, p.DiscoveryMethod)
	d.key = text.AppendFields(binary.AppendVarint(d.key, pct), m.Errors...)
	h := d.headers[string(d.key)]
	if h == nil {
		if len(d.headers) >= maxContents {
			clear(d.headers)
		}
		h = &header{hashID(d.key), headerOf(r)}
		d.headers[string(d.key)] = h
	}
	return h
}

// tls keeps a TLS report.
func (d *Draft) tls(r *tlsrpt.Report) {
	for i := range r.Policies {
		p := &r.Policies[i]
		d.details.policies = append(d.details.policies, []any{
			int64(i), textOf(string(p.Type)), textOf(p.Domain), textOf(jsonText(p.Strings, len(p.Strings) > 0)),
			textOf(jsonText(p.MXHosts, len(p.MXHosts) > 0)), p.Successful, p.Failed,
		})
		for j := range p.Details {
			f := &p.Details[j]
			d.details.sessions = append(d.details.sessions, []any{
				int64(i), int64(j), textOf(string(f.ResultType)), textOf(f.SendingMTA), textOf(f.Receiving), textOf(f.ReceivingMXHostname),
				textOf(f.ReceivingMXHELO), f.FailedSessions, textOf(f.AdditionalInformation), textOf(f.FailureReasonCode),
			})
		}
	}
	d.details.kept = int64(len(r.Policies))
}

// failure keeps a failure report without what may be personal.
func (d *Draft) failure(report *failure.Report) {
	r := *report
	r.OriginalRcptTo = append([]string(nil), r.OriginalRcptTo...)
	r.Warnings = nil
	r.Redact()
	source := r.Source
	if r.SourceIP.IsValid() {
		source = r.SourceIP.String()
	}
	d.details.email = r.ReporterAddress
	d.details.kept = 1
	d.details.failed = []any{
		textOf(string(r.AuthFailure)), textOf(string(r.DeliveryResult)), textOf(source), timeOf(r.Arrival), r.Incidents,
		textOf(r.OriginalMailFrom), textOf(jsonText(r.OriginalRcptTo, len(r.OriginalRcptTo) > 0)), textOf(r.DKIMDomain), textOf(r.DKIMSelector),
		textOf(r.Evidence.HeaderFrom), textOf(r.ReportingMTA), textOf(jsonText(failureDetails(&r), true)), nil,
	}
}

// failureJSON is what of a failure report has no column of its own.
type failureJSON struct {
	Version           string    `json:"version,omitempty"`
	UserAgent         string    `json:"user_agent,omitempty"`
	RawAuthFailure    string    `json:"raw_auth_failure,omitempty"`
	IdentityAlignment []string  `json:"identity_alignment,omitempty"`
	RawDeliveryResult string    `json:"raw_delivery_result,omitempty"`
	ReportedDomains   []string  `json:"reported_domains,omitempty"`
	SourcePort        uint16    `json:"source_port,omitempty"`
	Sent              time.Time `json:"sent,omitzero"`
	DKIMIdentity      string    `json:"dkim_identity,omitempty"`
	DKIMSelectorDNS   string    `json:"dkim_selector_dns,omitempty"`
	SPFDNS            []string  `json:"spf_dns,omitempty"`
	EvidenceFound     bool      `json:"evidence_found"`
	EvidenceDate      time.Time `json:"evidence_date,omitzero"`
}

func failureDetails(r *failure.Report) any {
	return failureJSON{
		r.Version, r.UserAgent, r.RawAuthFailure, r.IdentityAlignment, r.RawDeliveryResult, r.ReportedDomains, r.SourcePort, r.Sent,
		r.DKIMIdentity, r.DKIMSelectorDNS, r.SPFDNS, r.Evidence.Found, r.Evidence.Date,
	}
}

// textOf returns a text for a column; an empty one is no value.
func textOf(s string) any {
	if s == "" {
		return nil
	}
	return clean(s)
}

// timeOf returns a time for a column.
func timeOf(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}
