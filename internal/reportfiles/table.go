package reportfiles

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// table prints findings for people. Rows come in blocks, whose columns only
// ever get wider, so that output starts before the last file is read.
type table struct {
	w      io.Writer
	rows   [][]string
	widths []int
}

// tableBlock is how many rows are lined up together.
const tableBlock = 50

// The columns of the table; those with a true are aligned to the right.
var tableColumns = []struct {
	name  string
	right bool
}{
	{"FILE", false},
	{"KIND", false},
	{"REPORTER", false},
	{"DOMAIN", false},
	{"PERIOD", false},
	{"RECORDS", true},
	{"MESSAGES", true},
	{"PASS", true},
	{"WARNINGS", false},
}

// The widest texts of a row; longer ones are cut.
const (
	maxPath = 48
	maxText = 28
)

func newTable(w io.Writer) *table {
	return &table{w: w, widths: make([]int, len(tableColumns))}
}

// add adds a finding.
func (t *table) add(f finding) error {
	if t.rows == nil && t.widths[0] == 0 {
		header := make([]string, len(tableColumns))
		for i, c := range tableColumns {
			header[i] = c.name
		}
		t.rows = append(t.rows, header)
	}
	if f.refused != nil {
		t.rows = append(t.rows, []string{cutLeft(f.refused.Path, maxPath), "REFUSED", clean(f.refused.Error.Message)})
	} else {
		t.rows = append(t.rows, reportRow(f.report))
		for _, d := range f.report.Deviations {
			t.rows = append(t.rows, []string{"", fmt.Sprintf("%s: %s (%s)", clean(d.Path), clean(d.Message), d.Section)})
		}
	}
	if len(t.rows) >= tableBlock {
		return t.flush()
	}
	return nil
}

func reportRow(r *checked) []string {
	share := percent(r.PassMessages, r.Messages)
	if r.Kind == unpack.KindFailure {
		share = "-"
	}
	return []string{
		cutLeft(r.Path, maxPath), string(r.Kind), cut(r.Org, maxText), cut(r.Domain, maxText), period(r.Begin, r.End),
		grouped(r.Records), grouped(r.Messages), share, codes(r.Warnings),
	}
}

// flush prints the rows that wait. A refusal is a file, a word and a free text.
func (t *table) flush() error {
	for _, row := range t.rows {
		if len(row) < len(t.widths) {
			row = row[:min(2, len(row)-1)]
		}
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", max(t.widths[i]-utf8.RuneCountInString(cell), 0))
			switch {
			case len(row) == len(t.widths) && tableColumns[i].right:
				line.WriteString(pad + cell + "  ")
			case i == len(row)-1:
				line.WriteString(cell)
			default:
				line.WriteString(cell + pad + "  ")
			}
		}
		if _, err := fmt.Fprintln(t.w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	t.rows = t.rows[:0]
	return nil
}

// finish prints the last rows and the summary.
func (t *table) finish(s *summary) error {
	if err := t.flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(t.w, s)
	return err
}

// clean makes untrusted text fit for a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// cut shortens a text at its end.
func cut(text string, limit int) string {
	runes := []rune(clean(text))
	if len(runes) <= limit {
		return string(runes)
	}
	return string(runes[:limit-1]) + "…"
}

// cutLeft shortens a path at its start, since its end says more.
func cutLeft(path string, limit int) string {
	runes := []rune(clean(path))
	if len(runes) <= limit {
		return string(runes)
	}
	return "…" + string(runes[len(runes)-limit+1:])
}

// period shows the days of a report: one if it is a whole day, give or take an hour.
func period(begin, end *time.Time) string {
	if begin == nil || end == nil {
		return "-"
	}
	const day = "2006-01-02"
	first, last := begin.Format(day), end.Add(-time.Second).Format(day)
	if first == last || end.Before(*begin) || end.Equal(*begin) {
		return first
	}
	return first + "…" + last
}

// codes shows at most three warnings.
func codes(list []dmarc.Code) string {
	const limit = 3
	var parts []string
	for i, code := range list {
		if i == limit {
			parts = append(parts, fmt.Sprintf("+%d", len(list)-limit))
			break
		}
		parts = append(parts, string(code))
	}
	return strings.Join(parts, " ")
}

// percent shows a share; nothing of nothing is "-". Only all is 100 %.
func percent(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	share := float64(part) * 100 / float64(whole)
	if part < whole {
		share = min(share, 99.9)
	}
	return strconv.FormatFloat(share, 'f', 1, 64) + "%"
}

// grouped shows a number with its thousands apart.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plural shows a number of things.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return grouped(int64(n)) + " " + thing
}

// progress tells a person at a terminal how far a long run is.
type progress struct {
	w     io.Writer
	last  time.Time
	shown bool
}

// progressEvery is how often the progress is renewed.
const progressEvery = 200 * time.Millisecond

// newProgress returns nil, which shows nothing, unless w is a terminal.
func newProgress(w io.Writer) *progress {
	file, ok := w.(*os.File)
	if !ok {
		return nil
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return &progress{w: w, last: time.Now()}
}

func (p *progress) show(s *summary) {
	if p == nil || time.Since(p.last) < progressEvery {
		return
	}
	p.last, p.shown = time.Now(), true
	fmt.Fprintf(p.w, "\r\x1b[K%s", s)
}

func (p *progress) clear() {
	if p != nil && p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
