package tally

import (
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Reader reads documents into entries and keeps its buffers from one to the
// next. It serves one goroutine; its zero value is ready.
type Reader struct {
	decoder *dmarc.Decoder
	record  dmarc.Record
	hash    digest
}

// Read reads one document with a Reader of its own.
func Read(doc *unpack.Document) (*Entry, error) { return new(Reader).Read(doc) }

// Read reads a document to its end. The error is a *dmarc.Error and the entry
// then nil: a report that is not whole counts nothing. A Document with Err set
// gives that error.
func (r *Reader) Read(doc *unpack.Document) (*Entry, error) {
	if doc.Err != nil {
		return nil, doc.Err
	}
	var (
		e   *Entry
		err error
	)
	switch doc.Kind {
	case unpack.KindAggregate:
		e, err = r.aggregate(doc.Reader)
	case unpack.KindTLS:
		e, err = r.tls(doc.Reader)
	case unpack.KindFailure:
		e, err = r.failure(doc.Reader)
	default:
		err = &dmarc.Error{Reason: dmarc.ReasonUnsupported, Offset: -1, Err: fmt.Errorf("document of kind %q", doc.Kind)}
	}
	if err == nil {
		err = drain(doc.Reader)
	}
	if err != nil {
		return nil, asError(err)
	}
	e.Kind = doc.Kind
	e.Warnings = append(append([]dmarc.Warning(nil), doc.Warnings...), e.Warnings...)
	e.WarningsDropped += doc.WarningsDropped
	return e, nil
}

// drain reads what a parser has left, so that every checksum is verified.
func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// asError makes every refusal carry a reason.
func asError(err error) error {
	var refusal *dmarc.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	return &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: err}
}

func (r *Reader) aggregate(in io.Reader) (*Entry, error) {
	if r.decoder == nil {
		r.decoder = dmarc.NewDecoder(in)
	} else {
		r.decoder.Reset(in)
	}
	r.hash.reset()
	e := &Entry{Dispositions: map[string]int64{}, Groups: map[Group]int64{}}
	for {
		err := r.decoder.Next(&r.record)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		e.add(&r.record)
		r.hash.record(&r.record)
	}
	report := r.decoder.Report()
	m := &report.Metadata
	e.Identity = Identity{
		Org: m.OrgName, Email: m.Email, Domain: report.Policy.Domain, ReportID: m.ReportID, Begin: m.Begin, End: m.End,
	}
	e.Digest = r.hash.sum()
	e.Policy = report.Policy
	e.Warnings, e.WarningsDropped = report.Warnings, report.WarningsDropped
	return e, nil
}

func (r *Reader) tls(in io.Reader) (*Entry, error) {
	report, err := tlsrpt.Parse(in)
	if err != nil {
		return nil, err
	}
	r.hash.reset()
	e := &Entry{
		Identity: Identity{
			Org: report.OrganizationName, Email: report.ContactInfo, ReportID: report.ReportID, Begin: report.Start, End: report.End,
		},
		Records: int64(len(report.Policies)), Messages: report.Sessions(), PassMessages: report.Successful(),
		Warnings: report.Warnings, WarningsDropped: report.WarningsDropped,
	}
	if domains := report.Domains(); len(domains) > 0 {
		e.Domain = domains[0]
	}
	for i := range report.Policies {
		p := &report.Policies[i]
		s := Sessions{Domain: p.Domain, Policy: p.Type, Successful: p.Successful, Failed: p.Failed}
		for _, d := range p.Details {
			if s.Failures == nil {
				s.Failures = map[tlsrpt.ResultType]int64{}
			}
			s.Failures[d.ResultType] += d.FailedSessions
		}
		e.TLS = append(e.TLS, s)
		r.hash.text(string(p.Type), p.Domain)
		r.hash.number(p.Successful, p.Failed)
	}
	e.Digest = r.hash.sum()
	return e, nil
}

func (r *Reader) failure(in io.Reader) (*Entry, error) {
	report, err := failure.Parse(in)
	if err != nil {
		return nil, err
	}
	r.hash.reset()
	r.hash.text(string(report.AuthFailure), report.Source, report.OriginalMailFrom)
	r.hash.number(report.Incidents)
	return &Entry{
		Identity: Identity{
			Org: report.Reporter, Email: report.ReporterAddress, Domain: report.Domain, ReportID: report.ReportID,
			Begin: report.Arrival, End: report.Arrival,
		},
		Digest: r.hash.sum(), Records: 1, Messages: report.Incidents, AuthFailure: report.AuthFailure,
		Warnings: report.Warnings, WarningsDropped: report.WarningsDropped,
	}, nil
}

// digest hashes the content of a report. It tells re-sent reports from
// contradicting ones, and need not withstand an attacker: whoever can forge a
// report can as well forge another identity.
type digest struct {
	table *crc64.Table
	crc   uint64
	buf   []byte
}

func (d *digest) reset() {
	if d.table == nil {
		d.table = crc64.MakeTable(crc64.ECMA)
	}
	d.crc = 0
}

func (d *digest) record(rec *dmarc.Record) {
	b := d.buf[:0]
	b = append(b, rec.Source...)
	b = append(b, 0)
	b = strconv.AppendInt(b, rec.Count, 10)
	for _, s := range [...]string{string(rec.Disposition), string(rec.DKIM), string(rec.SPF), rec.HeaderFrom, rec.EnvelopeFrom} {
		b = append(b, 0)
		b = append(b, s...)
	}
	d.buf = append(b, '\n')
	d.crc = crc64.Update(d.crc, d.table, d.buf)
}

func (d *digest) text(all ...string) {
	for _, s := range all {
		d.crc = crc64.Update(d.crc, d.table, append(append(d.buf[:0], s...), 0))
	}
}

func (d *digest) number(all ...int64) {
	for _, n := range all {
		d.crc = crc64.Update(d.crc, d.table, append(strconv.AppendInt(d.buf[:0], n, 10), 0))
	}
}

func (d *digest) sum() (out [8]byte) {
	for i := range out {
		out[i] = byte(d.crc >> (56 - 8*i))
	}
	return out
}
