package reportfiles

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// column is a column of a table.
type column struct {
	name string
	// right aligns numbers, path cuts at the start instead of the end.
	right, path bool
	// most is the widest a text may be, least what a narrow terminal leaves of
	// it; columns without are never cut.
	least, most int
	// wide columns are left out of a narrow terminal.
	wide bool
}

// tableRow is a line of a table. A text stands behind the cells that are there,
// and takes the room of the others.
type tableRow struct {
	cells []string
	text  string
}

// table prints lines in columns. The first rows decide how wide the columns are;
// output begins before the last input is read.
type table struct {
	w       io.Writer
	width   int // of the terminal, 0 for none
	columns []column
	widths  []int // nil until they are decided
	rows    []tableRow
}

// tableBlock is how many rows decide about the columns.
const tableBlock = 200

// narrow is the width below which wide columns are left out.
const narrow = 100

func newTable(w io.Writer, width int, columns ...column) *table {
	return &table{w: w, width: width, columns: columns}
}

// add adds a line with a text for each column.
func (t *table) add(cells ...string) error { return t.addRow(tableRow{cells: cells}) }

// addText adds a line with texts for the first columns and a free text.
func (t *table) addText(text string, cells ...string) error {
	return t.addRow(tableRow{cells, text})
}

func (t *table) addRow(r tableRow) error {
	t.rows = append(t.rows, r)
	if t.widths != nil {
		return t.flush()
	}
	if len(t.rows) < tableBlock {
		return nil
	}
	t.decide(true)
	return t.flush()
}

// decide sets the widths by the rows so far. More rows may need more room.
func (t *table) decide(more bool) {
	t.widths = make([]int, len(t.columns))
	for i, c := range t.columns {
		if t.width > 0 && t.width < narrow && c.wide {
			t.widths[i] = -1
			continue
		}
		t.widths[i] = utf8.RuneCountInString(c.name)
		for _, r := range t.rows {
			if i < len(r.cells) {
				t.widths[i] = max(t.widths[i], utf8.RuneCountInString(t.cut(i, r.cells[i], c.most)))
			}
		}
		if more {
			t.widths[i] = max(t.widths[i], c.least*2)
		}
	}
	for t.width > 0 && t.total() > t.width && t.shrink() {
	}
}

// total is how wide a line is.
func (t *table) total() int {
	sum := -len(gap)
	for _, w := range t.widths {
		if w >= 0 {
			sum += w + len(gap)
		}
	}
	return sum
}

const gap = "  "

// shrink takes a character from the column that has most to give.
func (t *table) shrink() bool {
	best, most := -1, 0
	for i, c := range t.columns {
		if slack := t.widths[i] - c.least; c.most > 0 && t.widths[i] >= 0 && slack > most {
			best, most = i, slack
		}
	}
	if best < 0 {
		return false
	}
	t.widths[best]--
	return true
}

// cut makes a text of a column fit; 0 is no limit.
func (t *table) cut(column int, text string, limit int) string {
	switch {
	case t.columns[column].most == 0 || limit == 0:
		return clean(text)
	case t.columns[column].path:
		return cutLeft(text, limit)
	}
	return cut(text, limit)
}

// flush prints the rows that wait.
func (t *table) flush() error {
	for _, r := range t.rows {
		if _, err := fmt.Fprintln(t.w, t.line(r)); err != nil {
			return err
		}
	}
	t.rows = t.rows[:0]
	return nil
}

func (t *table) line(r tableRow) string {
	var line strings.Builder
	for i, cell := range r.cells {
		if t.widths[i] < 0 {
			continue
		}
		cell = t.cut(i, cell, t.widths[i])
		pad := strings.Repeat(" ", max(t.widths[i]-utf8.RuneCountInString(cell), 0))
		if t.columns[i].right {
			cell = pad + cell
		} else {
			cell += pad
		}
		line.WriteString(cell + gap)
	}
	if r.text == "" {
		return strings.TrimRight(line.String(), " ")
	}
	indent := utf8.RuneCountInString(line.String())
	for i, part := range wrapped(r.text, t.width-indent) {
		if i > 0 {
			line.WriteString("\n" + strings.Repeat(" ", indent))
		}
		line.WriteString(part)
	}
	return line.String()
}

// finish prints what waits.
func (t *table) finish() error {
	if t.widths == nil {
		t.decide(false)
	}
	return t.flush()
}

// header adds the names of the columns.
func (t *table) header() error {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	return t.add(names...)
}
