package reportfiles

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// line is one line of parse: a record, a policy or a failure.
type line interface {
	head() *reportHeader
	cells() (section, []string)
}

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

// csvRow makes the row of a line: the header, its own section, and blanks in the others.
func csvRow(l line) []string {
	h := l.head()
	row := []string{h.Path, h.Document, string(h.Kind), h.Org, h.Email, h.ReportID, h.Domain, stamp(h.Begin), stamp(h.End)}
	own, cells := l.cells()
	for s, columns := range csvSections {
		if section(s) != own {
			cells := make([]string, len(columns))
			row = append(row, cells...)
			continue
		}
		row = append(row, cells...)
	}
	return row
}

// output is a piece of what parse prints.
type output struct {
	text []byte
	// refused is a complaint about an input.
	refused *refusal
}

// refusal is an input, or a part of one, that is no good report.
type refusal struct {
	Path  string  `json:"path"`
	Error problem `json:"error"`
}

// problem is the error of a refusal.
type problem struct {
	Reason  dmarc.Reason `json:"reason"`
	Message string       `json:"message"`
}

// refuse makes the refusal for an error of any kind.
func refuse(path string, err error) *refusal {
	var e *dmarc.Error
	if !errors.As(err, &e) {
		e = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: err}
	}
	return &refusal{Path: path, Error: problem{Reason: e.Reason, Message: e.Error()}}
}

// outputSize is how much text is collected before it is handed on.
const outputSize = 16 << 10

// parser prints the reports in files, one file after the other.
type parser struct {
	csv    bool
	stdin  io.Reader
	walker *unpack.Walker
	dmarc  *dmarc.Decoder
	buf    bytes.Buffer
}

func newParser(csv bool, stdin io.Reader) *parser {
	d := dmarc.NewDecoder(nil)
	d.Text = i18n.Text()
	return &parser{csv: csv, stdin: stdin, walker: unpack.NewWalker(ingest.Limits()), dmarc: d}
}

// read prints everything in one file.
func (p *parser) read(f file, emit func(output)) {
	flush := func() {
		if p.buf.Len() > 0 {
			emit(output{text: bytes.Clone(p.buf.Bytes())})
			p.buf.Reset()
		}
	}
	complain := func(err error) {
		flush()
		emit(output{refused: refuse(f.path, err)})
	}
	r, err := f.open(p.stdin)
	if err != nil {
		complain(err)
		return
	}
	defer r.Close()
	err = p.walker.Walk(r, func(doc *unpack.Document) error {
		if doc.Err != nil {
			complain(doc.Err)
			return nil
		}
		err := p.document(doc, f.path, func(l line) {
			p.print(l)
			if p.buf.Len() >= outputSize {
				flush()
			}
		})
		if err != nil {
			complain(err)
		}
		return nil
	})
	flush()
	if err != nil {
		complain(err)
	}
}

// document prints one report.
func (p *parser) document(doc *unpack.Document, path string, emit func(line)) error {
	header := reportHeader{Path: path, Document: doc.Name, Kind: doc.Kind}
	switch doc.Kind {
	case unpack.KindTLS:
		return parseTLS(doc.Reader, header, emit)
	case unpack.KindFailure:
		return parseFailure(doc.Reader, header, emit)
	default:
		return parseAggregate(p.dmarc, doc.Reader, header, emit)
	}
}

// print adds a line to the buffer, which cannot fail.
func (p *parser) print(l line) {
	if !p.csv {
		_ = newJSONEncoder(&p.buf).Encode(l)
		return
	}
	w := csv.NewWriter(&p.buf)
	_ = w.Write(csvRow(l))
	w.Flush()
}

// newJSONEncoder returns an encoder for lines that people read too.
func newJSONEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// Parse prints every record of reports, one per line: as JSON, or as CSV.
func Parse(ctx context.Context, s Streams, paths []string, asCSV bool) error {
	if asCSV {
		w := csv.NewWriter(s.Out)
		_ = w.Write(slices.Concat(append([][]string{csvHeader}, csvSections[:]...)...))
		w.Flush()
		if err := w.Error(); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
	refused := false
	newWorker := func() func(file, func(output)) { return newParser(asCSV, s.In).read }
	err := readAll(ctx, paths, newWorker, func(o output) error {
		if o.refused == nil {
			_, err := s.Out.Write(o.text)
			return err
		}
		refused = true
		if asCSV {
			_, err := fmt.Fprintf(s.Err, "%s: %s\n", o.refused.Path, o.refused.Error.Message)
			return err
		}
		return newJSONEncoder(s.Out).Encode(o.refused)
	})
	if err == nil && refused {
		return ErrRefused
	}
	return err
}
