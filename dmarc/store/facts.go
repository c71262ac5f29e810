package store

import (
	"context"
	"slices"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// outcome is what a content says that groups by source add up.
type outcome struct {
	class  tally.Class
	sentBy string
}

// facts are all that a content says about the messages of its records.
type facts struct {
	outcome
	dkim, spf   bool // the aligned verdicts
	disposition string
	headerFrom  string
	sender      string
	dkimResults []reportjson.DKIM
	passed      []string // the domains that they were authenticated for, of DKIM first
}

// pass reports whether the messages passed DMARC.
func (f *facts) pass() bool { return f.dkim || f.spf }

// passed returns the domains that a record was authenticated for, each once.
func passed(rec *dmarc.Record) (domains []string) {
	add := func(domain string, result dmarc.AuthResult) {
		if domain = folded(domain); result == dmarc.AuthResultPass && domain != "" && !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	}
	for i := range rec.AuthDKIM {
		add(rec.AuthDKIM[i].Domain, rec.AuthDKIM[i].Result)
	}
	for i := range rec.AuthSPF {
		add(rec.AuthSPF[i].Domain, rec.AuthSPF[i].Result)
	}
	return domains
}

// contentFacts are the facts of contents that were read.
type contentFacts map[int64]*facts

// mostListed bounds the list of a query.
const mostListed = 500

// contentReader is where contents are read from: a View, or the database of a Store.
type contentReader interface {
	Name() string
	Query(ctx context.Context, visit func(row []any) error, query string, args ...any) error
}

// read reads the contents with ids that are not there yet.
func (c contentFacts) read(ctx context.Context, v contentReader, ids []int64) error {
	ids = slices.DeleteFunc(ids, func(id int64) bool { return c[id] != nil })
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for some := range slices.Chunk(ids, mostListed) {
		err := v.Query(ctx, func(row []any) error {
			id, f, err := readFacts(row)
			if err != nil {
				return Damaged(v.Name(), "record_contents: row %d: %w", id, err)
			}
			c[id] = f
			return nil
		}, "SELECT id, disposition, header_from, sender, dkim, spf, reasons, auth_dkim, auth_spf FROM record_contents WHERE id IN "+numbers(some))
		if err != nil {
			return err
		}
	}
	for _, id := range ids {
		if c[id] == nil {
			return Damaged(v.Name(), "records: content %d is missing", id)
		}
	}
	return nil
}

// readFacts reads a row of record_contents.
func readFacts(row []any) (id int64, f *facts, err error) {
	r := cells{row: row}
	var reasons []reportjson.Reason
	var spf []reportjson.SPF
	f = &facts{}
	id, f.disposition, f.headerFrom, f.sender = r.number(), r.text(), r.text(), r.text()
	alignedDKIM, alignedSPF := dmarc.Evaluation(r.text()), dmarc.Evaluation(r.text())
	r.json(&reasons)
	r.json(&f.dkimResults)
	r.json(&spf)
	rec := recordOf(reasons, f.dkimResults, spf)
	rec.DKIM, rec.SPF = alignedDKIM, alignedSPF
	f.class, f.passed = tally.ClassOf(rec), passed(rec)
	f.dkim, f.spf = rec.DKIM == dmarc.EvaluationPass, rec.SPF == dmarc.EvaluationPass
	f.sentBy = f.authenticatedFor()
	return id, f, r.err
}

// recordOf returns a record with what is kept as JSON.
func recordOf(reasons []reportjson.Reason, dkim []reportjson.DKIM, spf []reportjson.SPF) *dmarc.Record {
	rec := &dmarc.Record{}
	for _, r := range reasons {
		rec.Reasons = append(rec.Reasons, dmarc.OverrideReason(r))
	}
	for _, a := range dkim {
		rec.AuthDKIM = append(rec.AuthDKIM, dmarc.DKIMAuth(a))
	}
	for _, a := range spf {
		rec.AuthSPF = append(rec.AuthSPF, dmarc.SPFAuth(a))
	}
	return rec
}

// numbers returns a list of numbers for a query. They stand in its text: of many
// parameters a database first has to find each.
func numbers(ids []int64) string {
	b := []byte{'('}
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ')'))
}
