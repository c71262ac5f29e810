package reportfiles

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// output is a piece of what parse prints.
type output struct {
	text []byte
	rows []tableRow // in place of text, in a table
	// refused is a complaint about an input.
	refused *reportjson.Refusal
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
	reader reports.Reader

	path   string
	emit   func(output)
	report *dmarc.Report // whose records are read
	lines  recordLines
	buf    bytes.Buffer
	rows   []tableRow
}

func newParser(w *unpack.Walker, format string, stdin io.Reader) *parser {
	p := &parser{format: format, stdin: stdin, reader: reports.Reader{Walker: w, Text: i18n.Text()}}
	p.reader.Record = p.record
	return p
}

// read prints everything in one file.
func (p *parser) read(f file, emit func(output)) {
	p.path, p.emit = f.path, emit
	r, err := f.open(p.stdin)
	if err != nil {
		p.complain(err)
		return
	}
	defer r.Close()
	err = p.reader.Read(r, p.whole)
	p.flush()
	if err != nil {
		p.complain(err)
	}
}

// record prints a record of a report that may still turn out not to be whole.
func (p *parser) record(r *reports.Report, rec *dmarc.Record) error {
	p.report = r.Aggregate
	p.lines.add(p.header(r), r.Aggregate, rec, p.print)
	return nil
}

// whole prints what is not printed yet of a report.
func (p *parser) whole(r *reports.Report) error {
	if p.report != nil {
		p.lines.flush(p.header(r), p.report, p.print)
		p.report = nil
	}
	if r.Err != nil {
		p.complain(r.Err)
	}
	for l := range reportjson.Lines(p.path, r) {
		p.print(l)
	}
	return nil
}

func (p *parser) header(r *reports.Report) reportjson.Header {
	return reportjson.Header{Path: p.path, Document: r.Document}
}

// complain prints a refusal.
func (p *parser) complain(err error) {
	p.flush()
	p.emit(output{refused: reportjson.NewRefusal(p.path, err)})
}

// flush hands on what was printed.
func (p *parser) flush() {
	if p.buf.Len() > 0 || len(p.rows) > 0 {
		p.emit(output{text: bytes.Clone(p.buf.Bytes()), rows: p.rows})
		p.buf.Reset()
		p.rows = nil
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
	if p.buf.Len() >= outputSize || len(p.rows) >= outputRows {
		p.flush()
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
