package tally

import (
	"errors"
	"fmt"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Reader reads documents into entries and keeps its buffers from one to the
// next. It serves one goroutine; its zero value is ready.
type Reader struct {
	// Source names the sender of the messages of a record, from a set of names
	// that is bounded: they become labels. Nil names none.
	Source func(*dmarc.Record) string
	// Signers collects Entry.Signers for Config.Signers; it costs some time.
	Signers bool
	// Record is given each record of an aggregate report with the report as far
	// as it was read, before it is known whether the report is whole. Both are
	// the Reader's own; nil gives nobody anything.
	Record func(*dmarc.Report, *dmarc.Record)
	// Report, TLS and Failure are given a whole report of their kind, as far as
	// the document was read: its containers may still turn out to be damaged.
	// The *dmarc.Report is the Reader's own. Nil ones give nobody anything.
	Report  func(*dmarc.Report)
	TLS     func(*tlsrpt.Report)
	Failure func(*failure.Report)
	// Validate collects Entry.Deviations from Standard, RFC 9990 if it is empty.
	Validate bool
	Standard dmarc.Standard
	// Text knows more of text than the standard library.
	Text dmarc.Text
	// Limits bounds what a report may claim and cost.
	Limits Limits
	// Work, if not nil, adds up what reports have cost, and Limits.Work
	// bounds it: set it to 0 for each input. Nil bounds each report alone.
	Work *int64

	decoder *dmarc.Decoder
	record  dmarc.Record
	digest  digest
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
	r.digest.reset()
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
		// What a parser has left must be read too: only there the checksums end.
		_, err = io.Copy(io.Discard, doc.Reader)
	}
	if err != nil {
		return nil, asError(err)
	}
	e.Kind = doc.Kind
	e.Digest = r.digest.sum()
	e.Warnings = append(append([]dmarc.Warning(nil), doc.Warnings...), e.Warnings...)
	e.WarningsDropped += doc.WarningsDropped
	return e, nil
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
	e := &Entry{Dispositions: map[string]int64{}, Groups: map[Group]int64{}}
	r.decoder.Text = r.Text
	report := r.decoder.Report()
	validator := dmarc.Validator{Standard: r.Standard}
	same, limits := sameGroup{}, r.Limits.withDefaults()
	r.decoder.Limits.Work = limits.Work
	if r.Work != nil {
		r.decoder.Limits.Work = max(limits.Work-*r.Work, 1)
		defer func() { *r.Work += r.decoder.Work() }()
	}
	for {
		err := r.decoder.Next(&r.record)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		source := ""
		if r.Source != nil {
			source = r.Source(&r.record)
		}
		e.add(&r.record, source, &same)
		if err := limits.check(r.record.Count, e.Messages); err != nil {
			return nil, err
		}
		if r.Signers {
			e.AddSigners(&r.record)
		}
		if r.Validate {
			validator.Record(&r.record)
		}
		if r.Record != nil {
			r.Record(report, &r.record)
		}
		r.digest.record(&r.record)
	}
	e.flush(&same)
	if r.Validate {
		e.Deviations = validator.Report(report)
	}
	if r.Report != nil {
		r.Report(report)
	}
	m := &report.Metadata
	e.Identity = Identity{
		Org: m.OrgName, Email: m.Email, Domain: report.Policy.Domain, ReportID: m.ReportID, Begin: m.Begin, End: m.End,
	}
	e.Policy = report.Policy
	e.Warnings, e.WarningsDropped = report.Warnings, report.WarningsDropped
	return e, nil
}

func (r *Reader) tls(in io.Reader) (*Entry, error) {
	counted, settle := r.costly(in, workTLS)
	defer settle()
	report, err := tlsrpt.Parser{Text: r.Text}.Parse(counted)
	if err != nil {
		return nil, err
	}
	e := &Entry{
		Identity: Identity{
			Org: report.OrganizationName, Email: report.ContactInfo, ReportID: report.ReportID, Begin: report.Start, End: report.End,
		},
		Records: int64(len(report.Policies)), Messages: report.Sessions(), PassMessages: report.Successful(),
		Warnings: report.Warnings, WarningsDropped: report.WarningsDropped,
	}
	for i := range report.Policies {
		p := &report.Policies[i]
		explained := int64(0)
		for j := range p.Details {
			explained = Add(explained, p.Details[j].FailedSessions)
		}
		if err := r.Limits.withDefaults().check(max(Add(p.Successful, p.Failed), explained), e.Messages); err != nil {
			return nil, err
		}
		if e.Domain == "" {
			e.Domain = p.Domain
		}
		e.AddSessions(p)
		r.digest.policy(p)
	}
	if r.TLS != nil {
		r.TLS(report)
	}
	return e, nil
}

func (r *Reader) failure(in io.Reader) (*Entry, error) {
	counted, settle := r.costly(in, workFailure)
	defer settle()
	report, err := failure.Parser{Text: r.Text}.Parse(counted)
	if err != nil {
		return nil, err
	}
	if err := r.Limits.withDefaults().check(report.Incidents, report.Incidents); err != nil {
		return nil, err
	}
	r.digest.text(string(report.AuthFailure))
	r.digest.text(report.Source)
	r.digest.text(report.OriginalMailFrom)
	r.digest.number(report.Incidents)
	r.digest.end()
	if r.Failure != nil {
		r.Failure(report)
	}
	return &Entry{
		Identity: Identity{
			Org: report.Reporter, Email: report.ReporterAddress, Domain: report.Domain, ReportID: report.ReportID,
			Begin: report.Arrival, End: report.Arrival,
		},
		Records: 1, Messages: report.Incidents, AuthFailure: report.AuthFailure,
		Warnings: report.Warnings, WarningsDropped: report.WarningsDropped,
	}, nil
}
