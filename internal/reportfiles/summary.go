package reportfiles

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// summary counts findings.
type summary struct {
	reports, refused, warned int
	deviating                int // with a deviation that the standard forbids
	messages, pass           int64
	standard                 dmarc.Standard
	reporters, domains       shares
	reasons                  map[string]int
}

// share is what one name has of the reports.
type share struct {
	reports        int
	messages, pass int64
}

// shares are by name. Names are untrusted: of very many the rest is left out.
type shares map[string]share

const (
	mostNames = 10_000 // that are counted
	topNames  = 10     // that are printed
)

func newSummary(standard dmarc.Standard) *summary {
	return &summary{standard: cmp.Or(standard, dmarc.RFC9990), reporters: shares{}, domains: shares{}, reasons: map[string]int{}}
}

func (s *summary) add(f finding) {
	if f.refused != nil {
		s.refused++
		s.reasons[string(f.refused.Error.Reason)]++
		return
	}
	s.reports++
	if len(f.report.Warnings) > 0 {
		s.warned++
	}
	if slices.ContainsFunc(f.report.Deviations, func(d deviation) bool { return !d.Advisory }) {
		s.deviating++
	}
	one := share{reports: 1}
	if f.report.Kind == unpack.KindAggregate {
		one.messages, one.pass = f.report.Messages, f.report.PassMessages
	}
	s.messages, s.pass = tally.Add(s.messages, one.messages), tally.Add(s.pass, one.pass)
	s.reporters.add(f.report.Org, one)
	s.domains.add(f.report.Domain, one)
}

func (m shares) add(name string, one share) {
	sum, known := m[name]
	if !known && len(m) >= mostNames {
		return
	}
	m[name] = share{sum.reports + one.reports, tally.Add(sum.messages, one.messages), tally.Add(sum.pass, one.pass)}
}

// String is the last line of what check prints.
func (s *summary) String() string {
	text := fmt.Sprintf("%s, %s refused", plural(s.reports, "report"), wording.Grouped(int64(s.refused)))
	if s.warned > 0 {
		text += fmt.Sprintf(", %s with warnings", wording.Grouped(int64(s.warned)))
	}
	if s.deviating > 0 {
		text += fmt.Sprintf(", %s against %s", wording.Grouped(int64(s.deviating)), s.standard)
	}
	if s.messages > 0 {
		text += fmt.Sprintf("; %s, %s pass", plural(int(s.messages), "message"), wording.Percent(s.pass, s.messages))
	}
	return text
}

// print prints who reported about which domains and why inputs were refused,
// when there is more than one finding, and the line that sums up.
func (s *summary) print(w io.Writer, width int) error {
	if s.reports+s.refused > 1 {
		if err := s.printParts(w, width); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, s)
	return err
}

func (s *summary) printParts(w io.Writer, width int) error {
	if err := errors.Join(s.reporters.print(w, width, "REPORTER"), s.domains.print(w, width, "DOMAIN"), s.printReasons(w, width)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// print prints those with the most messages.
func (m shares) print(w io.Writer, width int, name string) error {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(m[b].messages, m[a].messages), cmp.Compare(m[b].reports, m[a].reports), cmp.Compare(a, b))
	})
	var rows []tableRow
	for _, n := range names[:min(len(names), topNames)] {
		rows = append(rows, tableRow{cells: []string{cmp.Or(n, "-"), wording.Grouped(int64(m[n].reports)), wording.Grouped(m[n].messages), wording.Percent(m[n].pass, m[n].messages)}})
	}
	if more := len(names) - topNames; more > 0 {
		rows = append(rows, tableRow{text: fmt.Sprintf("and %s more", wording.Grouped(int64(more)))})
	}
	return printTable(w, width, rows, column{name: name, least: 12, most: 48},
		column{name: "REPORTS", right: true}, column{name: "MESSAGES", right: true}, column{name: "PASS", right: true})
}

// printReasons prints why inputs were refused, the most frequent reason first.
func (s *summary) printReasons(w io.Writer, width int) error {
	reasons := slices.SortedFunc(maps.Keys(s.reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.reasons[b], s.reasons[a]), cmp.Compare(a, b))
	})
	var rows []tableRow
	for _, reason := range reasons {
		rows = append(rows, tableRow{cells: []string{reason, wording.Grouped(int64(s.reasons[reason]))}})
	}
	return printTable(w, width, rows, column{name: "REFUSED"}, column{name: "FILES", right: true})
}

// printTable prints a whole table behind an empty line, and nothing without rows.
func printTable(w io.Writer, width int, rows []tableRow, columns ...column) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	t := newTable(w, width, columns...)
	if err := t.header(); err != nil {
		return err
	}
	for _, row := range rows {
		if err := t.addRow(row); err != nil {
			return err
		}
	}
	return t.finish()
}
