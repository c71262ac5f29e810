package web

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// table is rows for people and for programs.
type table struct {
	Name    string
	Caption string
	Columns []column
	Rows    [][]cell
	// Of many rows for programs, row makes each of count when it is written.
	count int
	row   func(i int) []cell
	// Empty is shown in place of a table without rows.
	Empty string
	Pager *pager
	// CSV and JSON are the same rows for programs.
	CSV, JSON string
}

// fill makes the rows of a table: all at once for people, who get few.
func (t *table) fill(count int, programs bool, row func(i int) []cell) {
	if programs {
		t.count, t.row = count, row
		return
	}
	for i := range count {
		t.Rows = append(t.Rows, row(i))
	}
}

// all are the rows for programs.
func (t *table) all() iter.Seq[[]cell] {
	return func(yield func([]cell) bool) {
		for _, cells := range t.Rows {
			if !yield(cells) {
				return
			}
		}
		for i := range t.count {
			if !yield(t.row(i)) {
				return
			}
		}
	}
}

// column is a column of a table.
type column struct {
	Key, Title string
	Class      string // num for numbers; wide for what narrow windows leave out
	Sort       string // the address that sorts by the column
	Sorted     string // of aria-sort
}

// cell is a cell of a row.
type cell struct {
	Text string
	// Value is what programs get; nil means Text.
	Value any
	Link  string
	// Class is good or bad.
	Class string
	// Small is said below, to people alone.
	Small string
	Bars  *bars
}

// Columns of kinds.
func text(key, title string) column   { return column{Key: key, Title: title} }
func wide(key, title string) column   { return column{Key: key, Title: title, Class: "wide"} }
func number(key, title string) column { return column{Key: key, Title: title, Class: "num"} }
func long(key, title string) column   { return column{Key: key, Title: title, Class: "long"} }
func when(key, title string) column   { return column{Key: key, Title: title, Class: "when"} }
func wideWhen(key, title string) column {
	return column{Key: key, Title: title, Class: "when wide"}
}

func wideNumber(key, title string) column {
	return column{Key: key, Title: title, Class: "num wide"}
}

// word is a cell with a text.
func word(s string) cell { return cell{Text: s} }

// linked is a cell with a text that leads elsewhere.
func linked(s, to string) cell {
	if s == "" {
		return cell{}
	}
	return cell{Text: s, Link: to}
}

// count is a cell with a number.
func count(n int64) cell { return cell{Text: wording.Grouped(n), Value: n} }

// share is a cell with a share of all; programs get it as a ratio.
func share(part, whole int64) cell {
	c := cell{Text: wording.Percent(part, whole), Value: ""}
	if whole > 0 {
		c.Value = float64(part) / float64(whole)
	}
	return c
}

// day is a cell with a day.
func day(t time.Time) cell { return word(wording.Day(t)) }

// moment is a cell with a time.
func moment(t time.Time) cell {
	if t.IsZero() {
		return cell{Value: ""}
	}
	return cell{Text: t.UTC().Format("2006-01-02 15:04"), Value: t.UTC().Format(time.RFC3339)}
}

// verdict is a cell with pass or fail.
func verdict(ok bool) cell {
	if ok {
		return cell{Text: "pass", Class: "good"}
	}
	return cell{Text: "fail", Class: "bad"}
}

// value returns what programs get.
func (c *cell) value() any {
	if c.Value == nil {
		return c.Text
	}
	return c.Value
}

// csv returns the table as CSV.
func (t *table) csv() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	row := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		row[i] = c.Key
	}
	_ = w.Write(row) // Memory takes everything.
	for cells := range t.all() {
		for i := range cells {
			row[i] = wording.Cell(fmt.Sprint(cells[i].value()))
		}
		_ = w.Write(row)
	}
	w.Flush()
	return b.Bytes()
}

// json returns the table as a list of objects.
func (t *table) json() []byte {
	const indent = "  "
	b := []byte("[")
	for cells := range t.all() {
		row := make(map[string]any, len(cells))
		for i := range cells {
			row[t.Columns[i].Key] = cells[i].value()
		}
		one, err := json.MarshalIndent(row, indent, indent)
		if err != nil {
			panic(err) // Texts and finite numbers have JSON.
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(b, "\n"+indent...), one...)
	}
	if len(b) > 1 {
		b = append(b, '\n')
	}
	return append(reportjson.Escape(append(b, ']')), '\n')
}
