package reportfiles

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
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
	refused *refusal
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

func newChecker(stdin io.Reader, strict bool, sender func(netip.Addr) string) *checker {
	return &checker{stdin: stdin, walker: unpack.NewWalker(ingest.Limits()), reader: tally.Reader{Validate: strict, Source: sender, Text: i18n.Text()}}
}

// read checks one file.
func (c *checker) read(f file, emit func(finding)) {
	c.entries(f, func(e *tally.Entry, refused *refusal) {
		if refused != nil {
			emit(finding{refused: refused})
			return
		}
		emit(finding{report: newChecked(f.path, e)})
	})
}

// entries reads the reports in one file; one of the arguments of visit is nil.
func (c *checker) entries(f file, visit func(*tally.Entry, *refusal)) {
	r, err := f.open(c.stdin)
	if err != nil {
		visit(nil, refuse(f.path, err))
		return
	}
	defer r.Close()
	err = c.walk(r, func(doc *unpack.Document) error {
		entry, err := c.reader.Read(doc)
		if err != nil {
			visit(nil, refuse(f.path, err))
			return nil
		}
		visit(entry, nil)
		return nil
	})
	if err != nil {
		visit(nil, refuse(f.path, err))
	}
}

// walk is Walker.Walk; a panic, which is a mistake of ours, is a refusal.
func (c *checker) walk(r io.Reader, visit func(*unpack.Document) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			*c = *newChecker(c.stdin, c.reader.Validate, c.reader.Source)
			err = &dmarc.Error{Reason: dmarc.ReasonUnsupported, Offset: -1, Err: fmt.Errorf("internal error: %v", v)}
		}
	}()
	return c.walker.Walk(r, visit)
}

// CheckConfig says how Check prints.
type CheckConfig struct {
	// JSON prints one object per report and line instead of a table.
	JSON bool
	// Strict lists deviations from RFC 9990. Then reports with deviations or
	// warnings are refused, too.
	Strict bool
}

// Check reads reports and prints a line for each of them.
func Check(ctx context.Context, s Streams, paths []string, c CheckConfig) error {
	out := bufio.NewWriterSize(s.Out, 32<<10)
	progress := newProgress(s.Err)
	sum := &summary{}
	write := jsonFinding(out)
	table := newTable(out)
	if !c.JSON {
		write = table.add
	}
	err := readAll(ctx, paths, func() func(file, func(finding)) { return newChecker(s.In, c.Strict, nil).read }, func(f finding) error {
		sum.add(f)
		progress.show(sum)
		return write(f)
	})
	progress.clear()
	if err == nil && !c.JSON {
		err = table.finish(sum)
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

// summary counts findings.
type summary struct {
	reports, refused, warned int
	deviating                int // with a deviation that a standard forbids
	messages, pass           int64
}

func (s *summary) add(f finding) {
	if f.refused != nil {
		s.refused++
		return
	}
	s.reports++
	if len(f.report.Warnings) > 0 {
		s.warned++
	}
	if slices.ContainsFunc(f.report.Deviations, func(d deviation) bool { return !d.Advisory }) {
		s.deviating++
	}
	if f.report.Kind == unpack.KindAggregate {
		s.messages += f.report.Messages
		s.pass += f.report.PassMessages
	}
}

// String is the last line of the table.
func (s *summary) String() string {
	text := fmt.Sprintf("%s, %s refused", plural(s.reports, "report"), grouped(int64(s.refused)))
	if s.warned > 0 {
		text += fmt.Sprintf(", %s with warnings", grouped(int64(s.warned)))
	}
	if s.deviating > 0 {
		text += fmt.Sprintf(", %s against RFC 9990", grouped(int64(s.deviating)))
	}
	if s.messages > 0 {
		text += fmt.Sprintf("; %s, %s pass", plural(int(s.messages), "message"), percent(s.pass, s.messages))
	}
	return text
}
