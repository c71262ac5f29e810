package reportfiles

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// archiveSource is the source of reports that were read from an archive: of
// those nothing is counted, because all of them were, and a crash may have left
// a part of one there.
const archiveSource = "import of an archive"

// lineStart is what each line of an archive begins with.
const lineStart = `{"path":`

// longestLine bounds a line of an archive.
const longestLine = 4 << 20

// openArchived opens a file that is an archive, packed or not; nil if it is none
// or none is wanted.
func openArchived(f file, none bool) (io.ReadCloser, *bufio.Reader) {
	if none || f.err != nil || f.path == "-" || f.size < 0 {
		return nil, nil
	}
	in, err := f.open(nil)
	if err != nil {
		return nil, nil // Whoever reads it next says why.
	}
	r := bufio.NewReader(in)
	if head, _ := r.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		if z, err := gzip.NewReader(r); err == nil {
			r = bufio.NewReader(z)
		}
	}
	if head, _ := r.Peek(len(lineStart)); string(head) == lineStart {
		return in, bufio.NewReaderSize(r, longestLine)
	}
	in.Close() // It was only read.
	return nil, nil
}

// archived reads the reports in an archive.
func (i *importer) archived(ctx context.Context, pipeline *ingest.Pipeline, path string, r *bufio.Reader) error {
	var all []*archivedReport
	memory := 0
	flush := func() error {
		defer func() {
			for _, a := range all {
				a.text.reset()
			}
			all, memory = nil, 0
		}()
		var deliveries []*ingest.Delivery
		for _, a := range all {
			if a.key.Kind == unpack.KindFailure {
				i.leave(a.lines)
				continue
			}
			body, err := a.end()
			if err != nil {
				return fmt.Errorf("set a large report aside: %w", err)
			}
			deliveries = append(deliveries, &ingest.Delivery{Source: archiveSource, Name: path, Body: body, Size: a.text.size})
		}
		return i.deliver(ctx, pipeline, deliveries)
	}
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return flush()
		}
		var head struct{ reportjson.Header }
		if err == nil {
			err = json.Unmarshal(line, &head)
		}
		if err != nil {
			i.refuse(fmt.Sprintf("%s: line %d", path, n), err)
			if errors.Is(err, io.EOF) || !errors.Is(err, bufio.ErrBufferFull) && bytes.LastIndexByte(line, '\n') < 0 {
				return flush() // Nothing comes behind it.
			}
			continue
		}
		key := head.Header
		if key.Kind == unpack.KindTLS {
			key.Domain = "" // Each policy has its own.
		}
		if last := len(all) - 1; last < 0 || all[last].key != key {
			if len(all) >= importFiles || memory >= importBytes {
				if err := flush(); err != nil {
					return err
				}
			}
			all = append(all, &archivedReport{key: key})
		}
		if err := all[len(all)-1].add(line); err != nil {
			i.refuse(fmt.Sprintf("%s: line %d", path, n), err)
		}
		memory += len(line)
	}
}

// refuse reports a line that cannot be read.
func (i *importer) refuse(input string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.complain(input, err)
}

// onlyInArchive is the outcome of failure reports in an archive, which has too
// little of them.
const onlyInArchive tally.Outcome = "only in an archive"

// leave counts reports that are not imported.
func (i *importer) leave(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.outcomes[onlyInArchive] += n
}

// onlyKnown takes reports of archives out of deliveries that were not counted, and
// returns how results become those of all entries again.
func (i *importer) onlyKnown(ctx context.Context, deliveries []*store.Delivery) (func([][]tally.Result), error) {
	outcomes := make([][]tally.Result, len(deliveries))
	for n, d := range deliveries {
		if d.Source != archiveSource {
			continue
		}
		entries, details := d.Entries, d.Details
		d.Entries, d.Details = nil, nil
		for j, e := range entries {
			result, err := i.store.Peek(ctx, e)
			if err != nil {
				return nil, err
			}
			result.Counted = false
			if outcomes[n] = append(outcomes[n], result); result.Outcome == tally.OutcomeDuplicate {
				d.Entries, d.Details = append(d.Entries, e), append(d.Details, details[j])
			}
		}
	}
	return func(results [][]tally.Result) {
		for n := range results {
			if deliveries[n].Source == archiveSource {
				results[n] = outcomes[n]
			}
		}
	}, nil
}

// archivedReport is a report that becomes a document again, line by line.
type archivedReport struct {
	key      reportjson.Header
	text     spill
	policies []*reportjson.Policy
	lines    int // of failure reports
}

// add adds a line.
func (a *archivedReport) add(line []byte) error {
	switch a.key.Kind {
	case unpack.KindAggregate:
		l := &reportjson.Record{}
		if err := json.Unmarshal(line, l); err != nil {
			return err
		}
		if a.text.size == 0 {
			a.head(l)
		}
		a.record(l)
		return nil
	case unpack.KindTLS:
		l := &reportjson.Policy{}
		a.policies = append(a.policies, l)
		return json.Unmarshal(line, l)
	}
	a.lines++
	return nil
}

// end ends the document and returns it.
func (a *archivedReport) end() (io.Reader, error) {
	switch {
	case a.text.size > 0:
		a.raw("</feedback>")
	case len(a.policies) > 0:
		a.tls()
	}
	if a.text.err != nil {
		return nil, a.text.err
	}
	return a.text.reader()
}

// raw writes markup; errors are those of text.
func (a *archivedReport) raw(markup string) { _, _ = io.WriteString(&a.text, markup) }

// element writes elements with texts, by turns.
func (a *archivedReport) element(texts ...string) {
	for i := 0; i < len(texts); i += 2 {
		a.raw("<" + texts[i] + ">")
		_ = xml.EscapeText(&a.text, []byte(texts[i+1]))
		a.raw("</" + texts[i] + ">")
	}
}

// head writes what comes before the records.
func (a *archivedReport) head(l *reportjson.Record) {
	unix := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	a.raw("<feedback")
	if l.Namespace != "" {
		a.raw(` xmlns="`)
		_ = xml.EscapeText(&a.text, []byte(l.Namespace))
		a.raw(`"`)
	}
	a.raw(">")
	a.element("version", l.Version)
	a.raw("<report_metadata>")
	a.element("org_name", l.Org, "email", l.Email, "extra_contact_info", l.ExtraContactInfo, "report_id", l.ReportID)
	a.raw("<date_range>")
	a.element("begin", unix(l.Begin), "end", unix(l.End))
	a.raw("</date_range>")
	for _, text := range l.Errors {
		a.element("error", text)
	}
	a.element("generator", l.Generator)
	a.raw("</report_metadata><policy_published>")
	p := &l.Policy
	a.element("domain", l.Domain, "p", string(p.P), "sp", string(p.SP), "np", string(p.NP), "adkim", string(p.ADKIM), "aspf", string(p.ASPF),
		"fo", p.Fo, "testing", p.Testing, "discovery_method", p.DiscoveryMethod)
	if p.Pct != nil {
		a.element("pct", strconv.Itoa(*p.Pct))
	}
	a.raw("</policy_published>")
}

// record writes a record.
func (a *archivedReport) record(l *reportjson.Record) {
	a.raw("<record><row>")
	a.element("source_ip", l.SourceIP, "count", strconv.FormatInt(l.Count, 10))
	a.raw("<policy_evaluated>")
	a.element("disposition", cmp.Or(l.RawDisposition, string(l.Disposition)), "dkim", cmp.Or(l.RawDKIM, string(l.DKIM)), "spf", cmp.Or(l.RawSPF, string(l.SPF)))
	for _, r := range l.Reasons {
		a.raw("<reason>")
		a.element("type", r.Type, "comment", r.Comment)
		a.raw("</reason>")
	}
	a.raw("</policy_evaluated></row><identifiers>")
	a.element("header_from", l.HeaderFrom, "envelope_from", l.EnvelopeFrom, "envelope_to", l.EnvelopeTo)
	a.raw("</identifiers><auth_results>")
	for _, d := range l.AuthDKIM {
		a.raw("<dkim>")
		a.element("domain", d.Domain, "selector", d.Selector, "result", cmp.Or(d.RawResult, string(d.Result)), "human_result", d.HumanResult)
		a.raw("</dkim>")
	}
	for _, s := range l.AuthSPF {
		a.raw("<spf>")
		a.element("domain", s.Domain, "scope", s.Scope, "result", cmp.Or(s.RawResult, string(s.Result)), "human_result", s.HumanResult)
		a.raw("</spf>")
	}
	a.raw("</auth_results></record>")
}

// tls writes a TLS report (RFC 8460, section 4).
func (a *archivedReport) tls() {
	type object = map[string]any
	var policies []object
	for _, p := range a.policies {
		var details []object
		for i := range p.Details {
			d := &p.Details[i]
			details = append(details, object{
				"result-type": cmp.Or(d.RawResultType, string(d.ResultType)), "sending-mta-ip": d.SendingMTA, "receiving-ip": d.Receiving,
				"receiving-mx-hostname": d.ReceivingMXHostname, "receiving-mx-helo": d.ReceivingMXHELO, "failed-session-count": d.Failed,
				"additional-information": d.Information, "failure-reason-code": d.ReasonCode,
			})
		}
		policies = append(policies, object{
			"policy": object{
				"policy-type": cmp.Or(p.RawType, string(p.PolicyType)), "policy-string": p.Strings, "policy-domain": p.Domain, "mx-host": p.MXHosts,
			},
			"summary":         object{"total-successful-session-count": p.Successful, "total-failure-session-count": p.Failed},
			"failure-details": details,
		})
	}
	h := &a.policies[0].Header
	_ = reportjson.Write(&a.text, object{
		"organization-name": h.Org, "contact-info": h.Email, "report-id": h.ReportID, "policies": policies,
		"date-range": object{"start-datetime": h.Begin, "end-datetime": h.End},
	})
}
