package reportfiles

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// output is a piece of what parse prints.
type output struct {
	text []byte
	rows []tableRow // in place of text, in a table
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

// outputSize is how much text is collected before it is handed on, and outputRows
// how many rows of a table.
const (
	outputSize = 16 << 10
	outputRows = 100
)

// The formats of Parse and of answers.
const (
	FormatJSON  = "json"
	FormatCSV   = "csv"
	FormatTable = "table"
)

// parser prints the reports in files, one file after the other.
type parser struct {
	format string
	stdin  io.Reader
	walker *unpack.Walker
	dmarc  *dmarc.Decoder
	buf    bytes.Buffer
	rows   []tableRow
}

func newParser(w *unpack.Walker, format string, stdin io.Reader) *parser {
	d := dmarc.NewDecoder(nil)
	d.Text = i18n.Text()
	return &parser{format: format, stdin: stdin, walker: w, dmarc: d}
}

// read prints everything in one file.
func (p *parser) read(f file, emit func(output)) {
	flush := func() {
		if p.buf.Len() > 0 || len(p.rows) > 0 {
			emit(output{text: bytes.Clone(p.buf.Bytes()), rows: p.rows})
			p.buf.Reset()
			p.rows = nil
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
		err := p.document(doc, f.path, func(l reportjson.Line) {
			p.print(l)
			if p.buf.Len() >= outputSize || len(p.rows) >= outputRows {
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
func (p *parser) document(doc *unpack.Document, path string, emit func(reportjson.Line)) error {
	header := reportjson.Header{Path: path, Document: doc.Name}
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
func (p *parser) print(l reportjson.Line) {
	switch p.format {
	case FormatCSV:
		_ = writeRow(&p.buf, l)
	case FormatTable:
		p.rows = append(p.rows, rowOf(l))
	default:
		_ = reportjson.Write(&p.buf, l)
	}
}

// Parse prints every record of reports, one per line: as JSON, as CSV, or in a
// table for a terminal of a width, 0 for none.
func Parse(ctx context.Context, s Streams, paths []string, format string, width int) error {
	printed, err := newPrinter(s.Out, format, width)
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	refused := false
	newWorker := func(w *unpack.Walker) func(file, func(output)) { return newParser(w, format, s.In).read }
	err = readAll(ctx, paths, newWorker, func(o output) error {
		if o.refused == nil {
			return printed.print(o)
		}
		refused = true
		if format == FormatJSON {
			return reportjson.Write(s.Out, o.refused)
		}
		_, err := fmt.Fprintf(s.Err, "%s: %s\n", clean(o.refused.Path), clean(o.refused.Error.Message))
		return err
	})
	if printed.table != nil {
		err = cmp.Or(err, printed.table.finish())
	}
	if err == nil && refused {
		return ErrRefused
	}
	return err
}

// printer prints what a parser hands on.
type printer struct {
	w     io.Writer
	table *table // of FormatTable
}

// newPrinter prints what comes before the first line.
func newPrinter(w io.Writer, format string, width int) (p printer, err error) {
	p.w = w
	switch format {
	case FormatCSV:
		err = writeHeader(w)
	case FormatTable:
		p.table, err = newLineTable(w, width)
	}
	return p, err
}

func (p *printer) print(o output) error {
	for _, row := range o.rows {
		if err := p.table.addRow(row); err != nil {
			return err
		}
	}
	_, err := p.w.Write(o.text)
	return err
}
