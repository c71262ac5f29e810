package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// DeliveriesConfig says how reports are read that a database keeps. Its zero
// value works.
type DeliveriesConfig struct {
	// Draft says what is kept of them.
	Draft DraftConfig
	// Source names senders, as tally.Reader.Source does.
	Source func(*dmarc.Record) string
	// Signers also counts who authenticated messages, as tally.Reader.Signers does.
	Signers bool
	// Originals keeps failure reports as they were received.
	Originals bool
	// Domains are the policy domains of the reports, with those below them; none
	// means all. That of a TLS report is the one of its first policy.
	Domains []string
}

// deliveredAtOnce is how many reports are in memory.
const deliveredAtOnce = 100

// Deliveries calls visit with the reports that a database keeps whole, some at a
// time, as deliveries of their sources for another store. What is not kept with a
// report is lacking: the texts of its warnings, and which domain an authentic mail was of.
// Details are closed when visit returns.
func Deliveries(ctx context.Context, v *View, config DeliveriesConfig, visit func([]*Delivery) error) error {
	if config.Source == nil {
		config.Source = func(*dmarc.Record) string { return "" }
	}
	d := &delivering{view: v, config: config, draft: NewDraft(&tally.Reader{}, config.Draft), day: -1}
	if err := d.choose(ctx); err != nil {
		return err
	}
	for {
		some, err := d.read(ctx)
		if err == nil && len(some) > 0 {
			err = visit(deliveries(some))
		}
		for _, r := range some {
			r.details.Close()
		}
		if err != nil || len(some) == 0 {
			return err
		}
	}
}

// deliveries puts reports of the same source into one delivery.
func deliveries(some []*stored) (all []*Delivery) {
	for _, r := range some {
		if len(all) == 0 || all[len(all)-1].Source != r.source {
			all = append(all, &Delivery{Source: r.source})
		}
		last := all[len(all)-1]
		last.Entries, last.Details = append(last.Entries, r.entry), append(last.Details, r.details)
	}
	return all
}

// stored is a report that a database keeps.
type stored struct {
	id, day int64
	source  string
	header  int64 // 0 means none
	entry   *tally.Entry
	details *Details // nil when nothing is kept of it
}

// delivering reads stored reports.
type delivering struct {
	view    *View
	config  DeliveriesConfig
	draft   *Draft
	day, id int64 // of the last one
	domains []any // the only ones; nil means all
}

// choose finds the domains of the reports that are wanted.
func (d *delivering) choose(ctx context.Context) error {
	if len(d.config.Domains) == 0 {
		return nil
	}
	d.domains = []any{}
	return d.view.Query(ctx, func(row []any) error {
		domain, _ := row[0].(string)
		for _, wanted := range d.config.Domains {
			if wanted = folded(wanted); domain == wanted || strings.HasSuffix(domain, "."+wanted) {
				d.domains = append(d.domains, domain)
				break
			}
		}
		return nil
	}, "SELECT DISTINCT domain FROM reports")
}

// read reads the next reports.
func (d *delivering) read(ctx context.Context) ([]*stored, error) {
	some, err := d.heads(ctx)
	if err != nil || len(some) == 0 {
		return nil, err
	}
	byID := make(map[int64]*stored, len(some))
	ids := make([]int64, 0, len(some))
	for _, r := range some {
		byID[r.id] = r
		ids = append(ids, r.id)
	}
	err = d.records(ctx, some, byID, ids)
	for _, step := range []func(context.Context, map[int64]*stored, string) error{d.policies, d.failures} {
		if err == nil {
			err = step(ctx, byID, numbers(ids))
		}
	}
	if err == nil {
		err = errors.Join(d.headers(ctx, some), d.keys(ctx, some))
	}
	return some, err
}

// heads reads the reports themselves.
func (d *delivering) heads(ctx context.Context) (some []*stored, err error) {
	args, of := []any{d.day, d.id}, ""
	if d.domains != nil {
		if len(d.domains) == 0 {
			return nil, nil
		}
		args = append(args, d.domains...)
		of = " AND domain IN (" + places(3, len(d.domains)) + ")"
	}
	err = d.view.Query(ctx, func(row []any) error {
		c := cells{row: row}
		r := &stored{day: c.number(), id: c.number(), source: c.text()}
		r.entry = tally.NewEntry(tally.Identity{
			Kind: unpack.Kind(c.text()), Org: c.text(), Email: c.text(), Domain: c.text(), ReportID: c.text(), Begin: c.time(), End: c.time(),
		})
		e := r.entry
		if e.Kind != unpack.KindAggregate { // Its records add up to these.
			e.Records, e.Messages, e.PassMessages = c.row[0].(int64), c.row[1].(int64), c.row[2].(int64)
		}
		c.row = c.row[3:]
		digest, _ := c.row[0].([]byte)
		if len(digest) != len(e.Digest) {
			return Damaged(d.view.Name(), "reports: the digest of %d has %d bytes", r.id, len(digest))
		}
		copy(e.Digest[:], digest)
		r.header, _ = c.row[1].(int64)
		codes, _ := c.row[2].(string) // nil of a report that an older version kept
		for code := range strings.FieldsSeq(codes) {
			e.Warnings = append(e.Warnings, dmarc.Warning{Code: dmarc.Code(code), Offset: -1})
		}
		d.day, d.id = r.day, r.id
		some = append(some, r)
		return nil
	}, fmt.Sprintf(`SELECT day, id, source, kind, org_name, email, domain, report_id, period_begin, period_end, records, messages, pass_messages, digest, header, warnings
		FROM reports WHERE (day, id) > ($1, $2) AND kept = records%s ORDER BY day, id LIMIT %d`, of, deliveredAtOnce), args...)
	return some, err
}

// places returns the places of n parameters, of which the first one has a number.
func places(first, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("$", first+i)
	}
	return strings.Join(all, ", ")
}

// records reads the records of the reports, and makes the details of all of them.
func (d *delivering) records(ctx context.Context, some []*stored, byID map[int64]*stored, ids []int64) error {
	var last *stored
	take := func() (err error) {
		if last != nil {
			last.details, err = d.draft.Take()
		}
		return err
	}
	taken := map[*stored]bool{}
	err := d.view.Query(ctx, func(row []any) error {
		c := cells{row: row}
		if r := byID[c.number()]; r != last {
			if err := take(); err != nil {
				return err
			}
			last, taken[r] = r, true
			d.draft.Begin()
		}
		rec, err := readRecord(&c)
		if err != nil {
			return Damaged(d.view.Name(), "record_contents: %w", err)
		}
		last.entry.Add(rec, d.config.Source(rec))
		if d.config.Signers {
			last.entry.AddSigners(rec)
		}
		if d.config.Draft.Records != RecordsOff {
			d.draft.record(rec)
		}
		return nil
	}, `SELECT k.report, k.source_ip, k.messages, c.disposition, c.dkim, c.spf, c.header_from, c.envelope_from, c.envelope_to, c.reasons, c.auth_dkim,
		c.auth_spf, c.as_sent FROM records k JOIN record_contents c ON c.id = k.content
		WHERE k.day >= $1 AND k.day <= $2 AND k.report IN `+numbers(ids)+" ORDER BY k.report, k.n", some[0].day, some[len(some)-1].day)
	if err == nil {
		err = take()
	}
	for _, r := range some {
		if last = r; err == nil && !taken[r] {
			err = take() // nothing
		}
	}
	return err
}

// readRecord makes a record of what is kept of it.
func readRecord(c *cells) (*dmarc.Record, error) {
	source, messages := c.text(), c.number()
	disposition, alignedDKIM, alignedSPF := dmarc.Disposition(c.text()), dmarc.Evaluation(c.text()), dmarc.Evaluation(c.text())
	headerFrom, envelopeFrom, envelopeTo := c.text(), c.text(), c.text()
	parts := struct {
		reasons []reportjson.Reason
		dkim    []reportjson.DKIM
		spf     []reportjson.SPF
		sent    sentJSON
	}{}
	c.json(&parts.reasons)
	c.json(&parts.dkim)
	c.json(&parts.spf)
	c.json(&parts.sent)
	rec := recordOf(parts.reasons, parts.dkim, parts.spf)
	rec.Source, rec.Count, rec.Disposition, rec.DKIM, rec.SPF = source, messages, disposition, alignedDKIM, alignedSPF
	rec.HeaderFrom, rec.EnvelopeFrom, rec.EnvelopeTo = headerFrom, envelopeFrom, envelopeTo
	rec.SourceIP, _ = netip.ParseAddr(source) // What is no address stays the zero one.
	sent := &parts.sent
	rec.RawDisposition, rec.RawDKIM, rec.RawSPF = sent.Disposition, sent.DKIM, sent.SPF
	if sent.SourceIP != "" {
		rec.Source = sent.SourceIP
	}
	return rec, c.err
}

// headers reads what aggregate reports have in common.
func (d *delivering) headers(ctx context.Context, some []*stored) error {
	var ids []int64
	for _, r := range some {
		if r.header != 0 {
			ids = append(ids, r.header)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	known := map[int64]*header{}
	slices.Sort(ids)
	err := d.view.Query(ctx, func(row []any) error {
		id, _ := row[0].(int64)
		known[id] = &header{id, slices.Clone(row[1:])}
		return nil
	}, "SELECT id, "+strings.Join(sheetHeaders.Columns[2:], ", ")+" FROM report_headers WHERE id IN "+numbers(slices.Compact(ids)))
	for _, r := range some {
		h := known[r.header]
		switch {
		case err != nil || r.header == 0:
			continue
		case h == nil:
			return Damaged(d.view.Name(), "report_headers: %d is missing", r.header)
		}
		r.entry.Policy = policyOf(r.entry.Domain, h.columns)
		if r.details != nil {
			r.details.header = h
		}
	}
	return err
}

// policyOf returns the policy in the columns of a header.
func policyOf(domain string, columns []any) dmarc.Policy {
	c := cells{row: columns[5:]}
	p := dmarc.Policy{
		Domain: domain, P: dmarc.Disposition(c.text()), SP: dmarc.Disposition(c.text()), NP: dmarc.Disposition(c.text()),
		ADKIM: dmarc.Alignment(c.text()), ASPF: dmarc.Alignment(c.text()),
	}
	if pct, ok := c.row[0].(int64); ok {
		n := int(pct)
		p.Pct = &n
	}
	c.row = c.row[1:]
	p.Fo, p.Testing, p.DiscoveryMethod = c.text(), c.text(), c.text()
	return p
}

// policies reads the policies of TLS reports with what failed.
func (d *delivering) policies(ctx context.Context, byID map[int64]*stored, ids string) error {
	type policyAt struct{ report, policy int64 }
	failed := map[policyAt][]tlsrpt.Detail{}
	err := d.view.Query(ctx, func(row []any) error {
		c := cells{row: row}
		at := policyAt{c.number(), c.number()}
		if r := byID[at.report]; r.details != nil {
			r.details.sessions = append(r.details.sessions, slices.Clone(row[1:]))
		}
		kind, _ := row[3].(string)
		sessions, _ := row[8].(int64)
		failed[at] = append(failed[at], tlsrpt.Detail{ResultType: tlsrpt.ResultType(kind), FailedSessions: sessions})
		return nil
	}, "SELECT "+strings.Join(sheetSessions.Columns, ", ")+" FROM tls_details WHERE report IN "+ids+" ORDER BY report, policy, n")
	if err != nil {
		return err
	}
	return d.view.Query(ctx, func(row []any) error {
		c := cells{row: row}
		at := policyAt{c.number(), c.number()}
		p := &tlsrpt.Policy{Type: tlsrpt.PolicyType(c.text()), Domain: c.text(), Details: failed[at]}
		p.Successful, _ = row[6].(int64)
		p.Failed, _ = row[7].(int64)
		r := byID[at.report]
		r.entry.AddSessions(p)
		if r.details != nil {
			r.details.policies = append(r.details.policies, slices.Clone(row[1:]))
			r.details.kept++
		}
		return nil
	}, "SELECT "+strings.Join(sheetPolicies.Columns, ", ")+" FROM tls_policies WHERE report IN "+ids+" ORDER BY report, n")
}

// failures reads failure reports.
func (d *delivering) failures(ctx context.Context, byID map[int64]*stored, ids string) error {
	return d.view.Query(ctx, func(row []any) error {
		id, _ := row[0].(int64)
		r, columns := byID[id], slices.Clone(row[1:])
		kind, _ := columns[0].(string)
		r.entry.AuthFailure = failure.AuthFailure(kind)
		if !d.config.Originals {
			columns[len(columns)-1] = nil
		}
		if r.details != nil {
			r.details.email, r.details.kept, r.details.failed = r.entry.Email, 1, columns
		}
		return nil
	}, "SELECT "+strings.Join(sheetFailures.Columns, ", ")+" FROM failures WHERE report IN "+ids)
}

// keys finds the identities that the reports are known under: of a failure report
// they tell the key, which depends on what is not kept of it.
func (d *delivering) keys(ctx context.Context, some []*stored) error {
	byKey := map[tally.Key][]*stored{} // more than one when conflicts are counted
	var keys []any
	for _, r := range some {
		key := r.entry.Key()
		if r.entry.Kind == unpack.KindFailure {
			if err := d.failureKey(ctx, r, key); err != nil {
				return err
			}
			continue
		}
		if byKey[key] = append(byKey[key], r); len(byKey[key]) > 1 {
			continue
		}
		keys = append(keys, key[:])
	}
	if len(keys) == 0 {
		return nil
	}
	return d.view.Query(ctx, func(row []any) error {
		key, _ := row[0].([]byte)
		digests, _ := row[1].([]byte)
		contents, authentic := tally.Contents(digests)
		for _, r := range byKey[tally.Key(key)] {
			r.entry.Authentic = authentic >= 0 && contents[authentic] == r.entry.Digest
		}
		return nil
	}, "SELECT key, digests FROM identities WHERE key IN ("+places(1, len(keys))+")", keys...)
}

// failureKey finds the key of a failure report among those of the same reporter,
// domain and time, by its digest.
func (d *delivering) failureKey(ctx context.Context, r *stored, key tally.Key) error {
	twins := key.Twins()
	last := append(twins[:len(twins):len(twins)], bytes.Repeat([]byte{0xff}, tally.KeySize-len(twins))...)
	return d.view.Query(ctx, func(row []any) error {
		key, _ := row[0].([]byte)
		digests, _ := row[1].([]byte)
		contents, authentic := tally.Contents(digests)
		if i := slices.Index(contents, r.entry.Digest); i >= 0 {
			as := tally.Key(key)
			r.entry.As, r.entry.Authentic = &as, i == authentic
		}
		return nil
	}, "SELECT key, digests FROM identities WHERE key >= $1 AND key <= $2", twins[:], last)
}
