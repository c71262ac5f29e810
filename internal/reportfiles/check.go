package reportfiles

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// checked is a report that check found, as --json prints it.
type checked struct {
	Path     string      `json:"path"`
	Kind     unpack.Kind `json:"kind"`
	Org      string      `json:"org"`
	Domain   string      `json:"domain"`
	ReportID string      `json:"report_id"`
	// Begin and End are nil for failure reports without a date.
	Begin        *time.Time       `json:"begin"`
	End          *time.Time       `json:"end"`
	Records      int64            `json:"records"`
	Messages     int64            `json:"messages"`
	PassMessages int64            `json:"pass_messages"`
	Dispositions map[string]int64 `json:"dispositions"`
	Warnings     []dmarc.Code     `json:"warnings"`
	// Deviations are from RFC 9990; only --strict lists them.
	Deviations []deviation `json:"deviations,omitempty"`
}

// deviation is a dmarc.Deviation as --json prints it.
type deviation struct {
	Section  string     `json:"section"`
	Rule     dmarc.Rule `json:"rule"`
	Path     string     `json:"path"`
	Message  string     `json:"message"`
	Advisory bool       `json:"advisory"`
}

// finding is what check says about a report or a refusal; one of the two is set.
type finding struct {
	report  *checked
	refused *reportjson.Refusal
}

// newChecked makes the line of a report. Each warning code is listed once.
func newChecked(path string, e *tally.Entry) *checked {
	c := &checked{
		Path: path, Kind: e.Kind, Org: e.Org, Domain: e.Domain, ReportID: e.ReportID,
		Begin: timeOrNil(e.Begin), End: timeOrNil(e.End), Records: e.Records, Messages: e.Messages,
		PassMessages: e.PassMessages, Dispositions: e.Dispositions, Warnings: []dmarc.Code{},
	}
	if c.Dispositions == nil {
		c.Dispositions = map[string]int64{}
	}
	for _, d := range e.Deviations {
		c.Deviations = append(c.Deviations, deviation(d))
	}
	seen := make(map[dmarc.Code]bool, len(e.Warnings))
	for _, w := range e.Warnings {
		if !seen[w.Code] {
			seen[w.Code] = true
			c.Warnings = append(c.Warnings, w.Code)
		}
	}
	return c
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// checker checks files, one after the other.
type checker struct {
	stdin  io.Reader
	walker *unpack.Walker
	reader tally.Reader
}

func newChecker(w *unpack.Walker, stdin io.Reader, sender func(*dmarc.Record) string) *checker {
	return &checker{stdin: stdin, walker: w, reader: tally.Reader{Source: sender, Text: i18n.Text()}}
}

// newStrictChecker makes one that finds deviations, if they are asked for.
func newStrictChecker(w *unpack.Walker, stdin io.Reader, config CheckConfig) *checker {
	c := newChecker(w, stdin, nil)
	c.reader.Validate, c.reader.Standard = config.Strict, config.Standard
	return c
}

// read checks one file.
func (c *checker) read(f file, emit func(finding)) {
	c.entries(f, func(e *tally.Entry, refused *reportjson.Refusal) {
		if refused != nil {
			emit(finding{refused: refused})
			return
		}
		emit(finding{report: newChecked(f.path, e)})
	})
}

// entries reads the reports in one file; one of the arguments of visit is nil.
func (c *checker) entries(f file, visit func(*tally.Entry, *reportjson.Refusal)) {
	r, err := f.open(c.stdin)
	if err != nil {
		visit(nil, reportjson.NewRefusal(f.path, err))
		return
	}
	defer r.Close()
	err = c.walk(r, func(doc *unpack.Document) error {
		entry, err := c.reader.Read(doc)
		if err != nil {
			visit(nil, reportjson.NewRefusal(f.path, err))
			return nil
		}
		visit(entry, nil)
		return nil
	})
	if err != nil {
		visit(nil, reportjson.NewRefusal(f.path, err))
	}
}

// walk is Walker.Walk; a panic, which is a mistake of ours, is a refusal.
func (c *checker) walk(r io.Reader, visit func(*unpack.Document) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			old, w := c.reader, newWalker()
			w.Large = c.walker.Large
			*c = *newChecker(w, c.stdin, old.Source)
			c.reader.Validate, c.reader.Standard = old.Validate, old.Standard
			err = &dmarc.Error{Reason: dmarc.ReasonUnsupported, Offset: -1, Err: fmt.Errorf("internal error: %v", v)}
		}
	}()
	return c.walker.Walk(r, visit)
}

// CheckConfig says how Check prints.
type CheckConfig struct {
	// JSON prints one object per report and line instead of a table.
	JSON bool
	// Strict lists deviations from the standard. Then reports with deviations or
	// warnings are refused, too.
	Strict bool
	// Standard is what Strict compares with, RFC 9990 if it is empty.
	Standard dmarc.Standard
	// Width is how many columns the terminal has; 0 means that nothing is cut for it.
	Width int
}

// Check reads reports and prints a line for each of them.
func Check(ctx context.Context, s Streams, paths []string, c CheckConfig) error {
	out := bufio.NewWriterSize(s.Out, 32<<10)
	progress := newProgress(s.Err)
	sum := newSummary(c.Standard)
	write := jsonFinding(out)
	findings := newFindings(out, c.Width)
	if !c.JSON {
		write = findings.add
	}
	err := readAll(ctx, paths, func(w *unpack.Walker) func(file, func(finding)) { return newStrictChecker(w, s.In, c).read }, func(f finding) error {
		sum.add(f)
		progress.show(sum)
		return write(f)
	})
	progress.clear()
	if err == nil && !c.JSON {
		err = errors.Join(findings.table.finish(), sum.print(out, c.Width))
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if sum.refused > 0 || c.Strict && sum.warned+sum.deviating > 0 {
		return ErrRefused
	}
	return nil
}

// jsonFinding prints findings as JSON, one per line.
func jsonFinding(w io.Writer) func(finding) error {
	return func(f finding) error {
		if f.refused != nil {
			return reportjson.Write(w, f.refused)
		}
		return reportjson.Write(w, f.report)
	}
}
