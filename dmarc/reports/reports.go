package reports

import (
	"errors"
	"fmt"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Report is one report, or one document that was refused. It belongs to the
// caller, but for Mail.
type Report struct {
	// Document is the path of the document through its containers, whose names are
	// untrusted input. It is empty for a bare document.
	Document string
	// Kind is unpack.KindUnknown when a container was refused, and the kind of
	// its reports is not known.
	Kind unpack.Kind
	// Aggregate, TLS and Failure are the report; one of them is set unless Err is.
	Aggregate *dmarc.Report
	TLS       *tlsrpt.Report
	Failure   *failure.Report
	// Err is a *dmarc.Error that tells why there is no report.
	Err error
	// Warnings are what was tolerated: in the containers, then in the report.
	Warnings []dmarc.Warning
	// WarningsDropped counts the warnings beyond dmarc.MaxWarnings of either.
	WarningsDropped int
	// Mail is the mail that carried the report, nil when there is none. It is
	// valid only during the call that it is given to.
	Mail *unpack.Mail
}

// Reader reads one input after the other and keeps its buffers in between. Its
// zero value is ready. It serves one goroutine.
type Reader struct {
	// Walker opens the containers; nil stands for one with the default limits.
	Walker *unpack.Walker
	// Limits bounds aggregate reports. Its Records are also what bounds the
	// memory of reports that are held whole: without Record their default is
	// 250,000, which takes some 150 MB.
	Limits dmarc.Limits
	// Text knows more of text than the standard library: package i18n has one.
	Text dmarc.Text
	// Record, unless it is nil, is given each record of an aggregate report as it
	// is read, and the records are not held in Aggregate.Records. Whether the
	// report is whole is known only later. The report is as far as it was read,
	// and the record is the Reader's own: Clone it to keep it. An error ends Read.
	Record func(*Report, *dmarc.Record) error

	walker  *unpack.Walker
	decoder *dmarc.Decoder
	record  dmarc.Record
}

// heldRecords is the default of Limits.Records for reports that are held whole.
const heldRecords = 250_000

// Read reads the reports in r with a Reader of its own.
func Read(r io.Reader, visit func(*Report) error) error { return new(Reader).Read(r, visit) }

// Read calls visit with each report in an input, in order, and with each document
// that is recognised but damaged, with Err set.
//
// When visit was not called, the error is a *dmarc.Error that tells why.
// Otherwise the error is that of visit or Record, which ends Read and is returned
// as it is, or a *dmarc.Error with dmarc.ReasonIO when the input failed.
func (r *Reader) Read(in io.Reader, visit func(*Report) error) error {
	w := r.Walker
	if w == nil {
		if r.walker == nil {
			r.walker = unpack.NewWalker(unpack.Limits{})
		}
		w = r.walker
	}
	return w.Walk(in, func(doc *unpack.Document) error {
		report, err := r.document(doc)
		if err != nil {
			return err
		}
		return visit(report)
	})
}

// stopped is an error of Record, which is not one of the report.
type stopped struct{ error }

// document reads one document to its end. The error is one of Record.
func (r *Reader) document(doc *unpack.Document) (*Report, error) {
	report := &Report{Document: doc.Name, Kind: doc.Kind, Mail: doc.Mail}
	err := doc.Err
	if err == nil {
		err = r.parse(report, doc.Reader)
	}
	if err == nil {
		// What a parser has left must be read too: only there the checksums end.
		_, err = io.Copy(io.Discard, doc.Reader)
	}
	var stop stopped
	if errors.As(err, &stop) {
		return nil, stop.error
	}
	report.Warnings, report.WarningsDropped = append([]dmarc.Warning(nil), doc.Warnings...), doc.WarningsDropped
	if err != nil {
		report.Aggregate, report.TLS, report.Failure, report.Err = nil, nil, nil, refusal(err)
		return report, nil
	}
	report.addWarnings()
	return report, nil
}

// refusal makes every error carry a reason.
func refusal(err error) error {
	var e *dmarc.Error
	if errors.As(err, &e) {
		return e
	}
	return &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: err}
}

func (r *Reader) parse(report *Report, in io.Reader) (err error) {
	switch report.Kind {
	case unpack.KindAggregate:
		return r.aggregate(report, in)
	case unpack.KindTLS:
		report.TLS, err = tlsrpt.Parser{Text: r.Text}.Parse(in)
	case unpack.KindFailure:
		report.Failure, err = failure.Parser{Text: r.Text}.Parse(in)
	default:
		err = &dmarc.Error{Reason: dmarc.ReasonUnsupported, Offset: -1, Err: fmt.Errorf("document of kind %q", report.Kind)}
	}
	return err
}

func (r *Reader) aggregate(report *Report, in io.Reader) (err error) {
	if r.decoder == nil {
		r.decoder = dmarc.NewDecoder(in)
	} else {
		r.decoder.Reset(in)
	}
	r.decoder.Text, r.decoder.Limits = r.Text, r.Limits
	if r.Record == nil {
		text.Default(&r.decoder.Limits.Records, heldRecords)
		report.Aggregate, err = r.decoder.Parse()
		return err
	}
	report.Aggregate = r.decoder.Report()
	for {
		err = r.decoder.Next(&r.record)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.Record(report, &r.record); err != nil {
			return stopped{err}
		}
	}
}

// addWarnings adds the warnings of the report itself.
func (r *Report) addWarnings() {
	switch {
	case r.Aggregate != nil:
		r.Warnings, r.WarningsDropped = append(r.Warnings, r.Aggregate.Warnings...), r.WarningsDropped+r.Aggregate.WarningsDropped
	case r.TLS != nil:
		r.Warnings, r.WarningsDropped = append(r.Warnings, r.TLS.Warnings...), r.WarningsDropped+r.TLS.WarningsDropped
	case r.Failure != nil:
		r.Warnings, r.WarningsDropped = append(r.Warnings, r.Failure.Warnings...), r.WarningsDropped+r.Failure.WarningsDropped
	}
}
