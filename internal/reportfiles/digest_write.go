package reportfiles

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode/utf8"
)

// The formats of a digest.
const (
	FormatText = "text"
	FormatHTML = "html"
)

// digestWidth is what a mail in plain text has room for.
const digestWidth = 72

//go:embed digest.html.tmpl
var digestHTML string

// write writes a page in a format.
func (p *page) write(w io.Writer, format string) error {
	text, err := p.string(format)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return written(nil, err)
}

// string returns a page in a format.
func (p *page) string(format string) (string, error) {
	var b strings.Builder
	if format != FormatHTML {
		err := p.text(&b)
		return b.String(), err
	}
	t, err := template.New("digest").Parse(digestHTML)
	if err == nil {
		err = t.Execute(&b, p.view())
	}
	return b.String(), err
}

// text writes a page as plain text.
func (p *page) text(w io.Writer) error {
	fmt.Fprintln(w, p.title) // A strings.Builder has no errors.
	for _, text := range p.intro {
		fmt.Fprintln(w)
		if err := printItem(w, digestWidth, "", text); err != nil {
			return err
		}
	}
	for i := range p.sections {
		if err := p.sections[i].text(w); err != nil {
			return err
		}
	}
	return nil
}

// text writes a section under its title.
func (s *pageSection) text(w io.Writer) error {
	title := cut(s.title, digestWidth)
	fmt.Fprintf(w, "\n%s\n%s\n", title, strings.Repeat("=", utf8.RuneCountInString(title)))
	if len(s.facts) > 0 {
		t := newTable(w, digestWidth, column{}, column{}, column{})
		for _, f := range s.facts {
			row := tableRow{cells: []string{f.name + ":", f.value, f.detail}}
			if f.detail == "" {
				row = tableRow{cells: row.cells[:1], text: f.value}
			}
			if err := t.addRow(row); err != nil {
				return err
			}
		}
		if err := t.finish(); err != nil {
			return err
		}
	}
	for _, note := range s.notes {
		if err := printItem(w, digestWidth, "", note); err != nil {
			return err
		}
	}
	for i := range s.tables {
		if err := s.tables[i].text(w); err != nil {
			return err
		}
	}
	return nil
}

// text writes a table under its sentence. Of a column of sentences each has the
// room that is left.
func (t *pageTable) text(w io.Writer) error {
	if t.title != "" {
		fmt.Fprintf(w, "\n%s\n", t.title)
	}
	sentences := t.columns[len(t.columns)-1].name == adviceColumn
	columns := t.columns
	if sentences {
		columns = columns[:len(columns)-1]
	}
	out := newTable(w, digestWidth, columns...)
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	for _, row := range append([][]string{names}, t.rows...) {
		r := tableRow{cells: row}
		if sentences {
			r = tableRow{cells: row[:len(columns)], text: row[len(columns)]}
		}
		if err := out.addRow(r); err != nil {
			return err
		}
	}
	if t.more != "" {
		if err := out.addRow(tableRow{text: t.more}); err != nil {
			return err
		}
	}
	return out.finish()
}

// The fields of a page that the template reads.
type (
	pageView struct {
		Title    string
		Intro    []string
		Sections []sectionView
	}
	sectionView struct {
		Title  string
		Facts  []factView
		Notes  []string
		Tables []tableView
	}
	factView  struct{ Name, Value, Detail, News string }
	tableView struct {
		Title string
		Names []cellView
		Rows  [][]cellView
		More  string
	}
	cellView struct {
		Text  string
		Right bool
	}
)

// view returns what the template shows. Names are cut as in the text.
func (p *page) view() *pageView {
	v := &pageView{Title: p.title, Intro: p.intro}
	for _, s := range p.sections {
		section := sectionView{Title: cut(s.title, digestWidth), Notes: s.notes}
		for _, f := range s.facts {
			section.Facts = append(section.Facts, factView{f.name, f.value, f.detail, f.news})
		}
		for _, t := range s.tables {
			section.Tables = append(section.Tables, t.view())
		}
		v.Sections = append(v.Sections, section)
	}
	return v
}

func (t *pageTable) view() tableView {
	v := tableView{Title: t.title, More: t.more}
	for _, c := range t.columns {
		v.Names = append(v.Names, cellView{c.name[:1] + strings.ToLower(c.name[1:]), c.right})
	}
	for _, row := range t.rows {
		var cells []cellView
		for i, text := range row {
			if most := t.columns[i].most; most > 0 {
				text = cut(text, most)
			}
			cells = append(cells, cellView{clean(text), t.columns[i].right})
		}
		v.Rows = append(v.Rows, cells)
	}
	return v
}
