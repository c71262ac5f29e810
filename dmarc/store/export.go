package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Filter says which reports are exported. Its zero value takes all.
type Filter struct {
	// Since and Until bound the end of the period of a report: not before Since,
	// and before Until. Zero ones bound nothing.
	Since, Until time.Time
	// Domain is the policy domain; empty means any.
	Domain string

	one *keptAt // the only report
}

// where returns the condition of a filter, and its arguments.
func (f *Filter) where(kind unpack.Kind, domain string) (string, []any) {
	args := []any{string(kind)}
	conditions := []string{"r.kind = $1"}
	add := func(condition string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		conditions = append(conditions, condition)
	}
	if !f.Since.IsZero() {
		add("r.day >= ? AND r.period_end >= ?", int64(tally.DayOf(f.Since)), f.Since.Unix())
	}
	if !f.Until.IsZero() {
		add("r.day <= ? AND r.period_end < ?", int64(tally.DayOf(f.Until)), f.Until.Unix())
	}
	if f.Domain != "" {
		add(domain+" = ?", folded(f.Domain))
	}
	if f.one != nil {
		add("r.id = ? AND r.day = ?", f.one.id, f.one.day)
	}
	return strings.Join(conditions, " AND "), args
}

// The columns of a report that its lines begin with.
const (
	headColumns = "r.source, r.org_name, r.email, r.report_id, r.domain, r.period_begin, r.period_end, r.received"
	headCount   = 8
)

// Export calls visit with each record, policy and failure report that is kept,
// by day and in the order of their reports: aggregate reports first, then TLS
// reports, then failure reports. A line is visit's to keep.
func Export(ctx context.Context, v *View, f Filter, visit func(reportjson.Line) error) error {
	for _, one := range []struct {
		kind   unpack.Kind
		export func(context.Context, *View, *Filter, visitor) error
	}{{unpack.KindAggregate, exportRecords}, {unpack.KindTLS, exportPolicies}, {unpack.KindFailure, exportFailures}} {
		if f.one != nil && f.one.kind != "" && f.one.kind != one.kind {
			continue
		}
		if err := one.export(ctx, v, &f, visit); err != nil {
			return err
		}
	}
	return nil
}

// cells takes the values of a row, one after the other.
type cells struct {
	row []any
	err error
}

func (c *cells) text() string {
	s, _ := c.row[0].(string)
	c.row = c.row[1:]
	return s
}

func (c *cells) number() int64 {
	n, _ := c.row[0].(int64)
	c.row = c.row[1:]
	return n
}

func (c *cells) time() time.Time {
	n, ok := c.row[0].(int64)
	c.row = c.row[1:]
	if !ok {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// json reads what a column holds as JSON, nothing if it is empty.
func (c *cells) json(to any) {
	if text := c.text(); text != "" && c.err == nil {
		c.err = json.Unmarshal([]byte(text), to)
	}
}

// head takes what all lines begin with.
func (c *cells) head(kind unpack.Kind) reportjson.Header {
	h := reportjson.Header{
		Path: c.text(), Kind: kind, Org: c.text(), Email: c.text(), ReportID: c.text(), Domain: c.text(), Begin: c.time(), End: c.time(), Received: c.time(),
	}
	if h.End.Unix() <= 0 { // of a failure report without a date
		h.Begin, h.End = time.Time{}, time.Time{}
	}
	return h
}

// damaged says what cannot be read.
func (c *cells) damaged(v *View, h *reportjson.Header) error {
	if c.err == nil {
		return nil
	}
	return Damaged(v.Name(), "%s report %q of %q: %w", h.Kind, h.ReportID, h.Org, c.err)
}

// visitor takes the lines of an export.
type visitor = func(reportjson.Line) error

func exportRecords(ctx context.Context, v *View, f *Filter, visit visitor) error {
	where, args := f.where(unpack.KindAggregate, "r.domain")
	return v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		l := recordLine(&c)
		if err := c.damaged(v, &l.Header); err != nil {
			return err
		}
		return visit(l)
	}, `SELECT `+headColumns+`, h.version, h.namespace, h.generator, h.extra_contact_info, h.errors, h.p, h.sp, h.np, h.adkim, h.aspf, h.pct,
		h.fo, h.testing, h.discovery_method, k.source_ip, k.messages, c.disposition, c.dkim, c.spf, c.header_from, c.envelope_from, c.envelope_to,
		c.reasons, c.auth_dkim, c.auth_spf, c.as_sent, a.sender, a.asn, a.as_name, a.country
		FROM reports r JOIN records k ON k.report = r.id AND k.day = r.day LEFT JOIN report_headers h ON h.id = r.header
		LEFT JOIN record_contents c ON c.id = k.content LEFT JOIN addresses a ON a.source_ip = k.source_ip
		WHERE `+where+` ORDER BY r.day, r.id, k.n`, args...)
}

// recordLine makes the line of a record.
func recordLine(c *cells) *reportjson.Record {
	l := &reportjson.Record{Header: c.head(unpack.KindAggregate), Reasons: []reportjson.Reason{}, AuthDKIM: []reportjson.DKIM{}, AuthSPF: []reportjson.SPF{}}
	l.Version, l.Namespace, l.Generator, l.ExtraContactInfo = c.text(), c.text(), c.text(), c.text()
	c.json(&l.Errors)
	c.published(&l.Policy)
	l.SourceIP, l.Count, l.Disposition = c.text(), c.number(), dmarc.Disposition(c.text())
	l.DKIM, l.SPF = dmarc.Evaluation(c.text()), dmarc.Evaluation(c.text())
	l.Pass = l.DKIM == dmarc.EvaluationPass || l.SPF == dmarc.EvaluationPass
	l.HeaderFrom, l.EnvelopeFrom, l.EnvelopeTo = c.text(), c.text(), c.text()
	c.json(&l.Reasons)
	c.json(&l.AuthDKIM)
	c.json(&l.AuthSPF)
	var sent sentJSON
	c.json(&sent)
	l.RawDisposition, l.RawDKIM, l.RawSPF = sent.Disposition, sent.DKIM, sent.SPF
	l.Sender, l.ASN, l.ASName, l.Country = c.text(), c.number(), c.text(), c.text()
	return l
}

func exportPolicies(ctx context.Context, v *View, f *Filter, visit visitor) error {
	where, args := f.where(unpack.KindTLS, "p.domain")
	// A policy has a row for each of its details, or one without.
	var l *reportjson.Policy
	var last [2]int64
	flush := func() error {
		if l == nil {
			return nil
		}
		return visit(l)
	}
	err := v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		if at := [2]int64{c.number(), c.number()}; l == nil || at != last {
			if err := flush(); err != nil {
				return err
			}
			last, l = at, &reportjson.Policy{Header: c.head(unpack.KindTLS), Strings: []string{}, MXHosts: []string{}, Details: []reportjson.Detail{}}
			l.PolicyType, l.Domain = tlsrpt.PolicyType(c.text()), c.text()
			c.json(&l.Strings)
			c.json(&l.MXHosts)
			l.Successful, l.Failed = c.number(), c.number()
		} else {
			c.row = c.row[headCount+6:]
		}
		if c.row[0] != nil {
			c.row = c.row[1:]
			l.Details = append(l.Details, reportjson.Detail{
				ResultType: tlsrpt.ResultType(c.text()), SendingMTA: c.text(), Receiving: c.text(), ReceivingMXHostname: c.text(), ReceivingMXHELO: c.text(),
				Failed: c.number(), Information: c.text(), ReasonCode: c.text(),
			})
		}
		return c.damaged(v, &l.Header)
	}, `SELECT r.id, p.n, `+headColumns+`, p.policy_type, p.domain, p.policy, p.mx_hosts, p.successful_sessions, p.failed_sessions, d.n, d.result_type,
		d.sending_mta_ip, d.receiving_ip, d.receiving_mx_hostname, d.receiving_mx_helo, d.failed_sessions, d.additional_information, d.failure_reason_code
		FROM reports r JOIN tls_policies p ON p.report = r.id LEFT JOIN tls_details d ON d.report = p.report AND d.policy = p.n
		WHERE `+where+` ORDER BY r.day, r.id, p.n, d.n`, args...)
	if err != nil {
		return err
	}
	return flush()
}

func exportFailures(ctx context.Context, v *View, f *Filter, visit visitor) error {
	where, args := f.where(unpack.KindFailure, "r.domain")
	return v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		l := failureLine(&c)
		if err := c.damaged(v, &l.Header); err != nil {
			return err
		}
		return visit(l)
	}, "SELECT "+failureColumns+" FROM reports r JOIN failures f ON f.report = r.id WHERE "+where+" ORDER BY r.day, r.id", args...)
}

const failureColumns = headColumns + `, f.auth_failure, f.delivery_result, f.source_ip, f.arrival, f.incidents, f.mail_from, f.rcpt_to, f.dkim_domain,
		f.dkim_selector, f.header_from, f.reporting_mta, f.details`

// failureLine takes the columns of a failure report.
func failureLine(c *cells) *reportjson.Failure {
	l := &reportjson.Failure{Header: c.head(unpack.KindFailure), IdentityAlignment: []string{}, ReportedDomains: []string{}, RcptTo: []string{}}
	l.AuthFailure, l.DeliveryResult, l.SourceIP, l.Arrival = failure.AuthFailure(c.text()), failure.DeliveryResult(c.text()), c.text(), c.time()
	l.Incidents, l.MailFrom = c.number(), c.text()
	c.json(&l.RcptTo)
	l.DKIMDomain, l.DKIMSelector, l.EvidenceHeaderFrom, l.ReportingMTA = c.text(), c.text(), c.text(), c.text()
	var more failureJSON
	c.json(&more)
	more.complete(l)
	return l
}

// complete adds what has no column of its own.
func (f *failureJSON) complete(l *reportjson.Failure) {
	l.Version, l.UserAgent, l.RawAuthFailure, l.RawDeliveryResult = f.Version, f.UserAgent, f.RawAuthFailure, f.RawDeliveryResult
	if f.IdentityAlignment != nil {
		l.IdentityAlignment = f.IdentityAlignment
	}
	if f.ReportedDomains != nil {
		l.ReportedDomains = f.ReportedDomains
	}
	l.SourcePort, l.Sent, l.DKIMIdentity, l.DKIMSelectorDNS, l.SPFDNS = f.SourcePort, f.Sent, f.DKIMIdentity, f.DKIMSelectorDNS, f.SPFDNS
	l.EvidenceFound, l.EvidenceDate = f.EvidenceFound, f.EvidenceDate
}
