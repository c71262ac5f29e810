package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// query is what a page is asked for.
type query struct {
	route  string
	form   form
	table  string // of a program
	tables []string
	values url.Values
	sight  sight
	now    time.Time
	page   int // from 1
	days   int
	to     time.Time // the last day; zero is the last one that a report is about
}

// dayChoices are the periods of the filters.
var dayChoices = []int{1, 7, 30, 90, 400}

const (
	usualDays    = 30
	longestValue = 1000
	mostPages    = 1_000_000
	exportRows   = 10_000 // of a table for programs
)

// names are those that some page has a value of. All others are left out: links lead
// on with what a page was asked for.
var names = []string{"address", "day", "days", "domain", "failing", "id", "kind", "name", "page", "reason", "reporter", "sender", "sort", "source", "table", "to"}

// newQuery reads the address of a page.
func newQuery(u *url.URL, r route, as form, now time.Time) (*query, error) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, badQuery("The part behind the question mark cannot be read.")
	}
	q := &query{route: r.name, form: as, tables: r.tables, values: url.Values{}, now: now.UTC(), page: 1, days: usualDays}
	for _, name := range names {
		value := values.Get(name)
		if len(value) > longestValue || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
			return nil, badQuery(fmt.Sprintf("The value of %s is too long or no text.", name))
		}
		if name == "domain" || name == "name" {
			value = config.SpellDomain(value)
		}
		if value != "" {
			q.values.Set(name, value)
		}
	}
	if text := q.values.Get("page"); text != "" {
		if q.page, err = strconv.Atoi(text); err != nil || q.page < 1 || q.page > mostPages {
			return nil, badQuery("The number of the page is none.")
		}
	}
	if text := q.values.Get("days"); text != "" {
		if q.days, err = strconv.Atoi(text); err != nil || !slices.Contains(dayChoices, q.days) {
			return nil, badQuery(fmt.Sprintf("The number of days is none of %v.", dayChoices))
		}
	}
	if text := q.values.Get("to"); text != "" {
		if q.to, err = time.Parse(time.DateOnly, text); err != nil {
			return nil, badQuery("The last day is no day such as 2026-11-29.")
		}
	}
	if as == formCSV || as == formJSON {
		q.table = cmp.Or(q.values.Get("table"), r.tables[0])
		if !slices.Contains(r.tables, q.table) {
			return nil, notFound(fmt.Sprintf("This page has the tables %v.", r.tables))
		}
	}
	return q, nil
}

// cut shortens a text.
func cut(s string) string {
	const longest = 100
	if len(s) <= longest {
		return s
	}
	return s[:longest] + "…"
}

// get returns a value of the query.
func (q *query) get(name string) string { return q.values.Get(name) }

// wants reports whether a table is asked for.
func (q *query) wants(table string) bool { return q.table == "" || q.table == table }

// with returns the address of the same page with a value changed, or without it.
func (q *query) with(form form, name, value string) string {
	values := maps.Clone(q.values)
	if value == "" {
		values.Del(name)
	} else {
		values.Set(name, value)
	}
	if name != "page" {
		values.Del("page")
	}
	route := q.route
	if form == formHTML {
		values.Del("table")
	} else {
		route += string(form)
	}
	return address(route, values)
}

// sameDays returns the address of another page that is about the same days.
func (q *query) sameDays(name string, namesAndValues ...string) string {
	return to(name, append(namesAndValues, "days", q.get("days"), "to", q.get("to"))...)
}

// rows returns how many rows to skip, and how many to show.
func (q *query) rows(perPage int) (skip, top int) {
	if q.table != "" {
		perPage = exportRows
	}
	return (q.page - 1) * perPage, perPage
}

// pager leads from page to page of a table.
type pager struct {
	First, Last, All string // rows, from 1
	Before, After    string // addresses
}

// paged completes a table of which all rows are so many.
func (q *query) paged(p *page, t *table, perPage int, all int64) *table {
	skip, top := q.rows(perPage)
	q.programs(t)
	rows := len(t.Rows) + t.count
	last := int64(skip + rows)
	if last < all && rows == top {
		after := strconv.Itoa(q.page + 1)
		if q.table != "" {
			p.next = q.with(q.form, "page", after)
		} else {
			t.Pager = &pager{After: q.with(formHTML, "page", after)}
		}
	}
	if skip > 0 && q.table == "" {
		if t.Pager == nil {
			t.Pager = &pager{}
		}
		before := ""
		if q.page > 2 {
			before = strconv.Itoa(q.page - 1)
		}
		t.Pager.Before = q.with(formHTML, "page", before)
	}
	if t.Pager != nil {
		t.Pager.First, t.Pager.Last, t.Pager.All = wording.Grouped(int64(skip)+1), wording.Grouped(last), wording.Grouped(all)
		if len(t.Rows) == 0 {
			t.Empty, t.Pager.First = "There are no rows on this page.", "0"
		}
	}
	return t
}

// mostDays bounds the rows of days for people: the chart has all of them.
const mostDays = 31

// short cuts a table for people, and says so.
func (q *query) short(t *table, most int) (notes []note) {
	if q.table == "" && len(t.Rows) > most {
		notes = []note{{Text: fmt.Sprintf("The first %d of %s are shown; the CSV and the JSON have all.", most, wording.Plural(int64(len(t.Rows)), "row"))}}
		t.Rows = t.Rows[:most]
	}
	return notes
}

// programs adds where programs find a table.
func (q *query) programs(t *table) *table {
	name := t.Name
	if name == q.tables[0] {
		name = ""
	}
	t.CSV, t.JSON = q.with(formCSV, "table", name), q.with(formJSON, "table", name)
	return t
}

// period returns the days that a page is about: they end with the last day that
// a report is about, so that a page does not become empty when reports stop.
func (q *query) period(ctx context.Context, v *store.View, domain string) (store.Period, error) {
	p := store.Period{Domain: domain, Until: q.to}
	if q.to.IsZero() {
		last, err := store.AskLastDay(ctx, v, unpack.KindAggregate, domain)
		if err != nil || last.IsZero() {
			return p, err
		}
		p.Until = last
		if last.After(q.now) { // by the clock of its reporter
			p.Until = q.now.Truncate(24 * time.Hour)
		}
	}
	p.Until = p.Until.AddDate(0, 0, 1)
	p.Since = p.Until.AddDate(0, 0, -q.days)
	return p, nil
}

// lastDay is the last day of a period.
func lastDay(p store.Period) time.Time {
	if p.Until.IsZero() {
		return time.Time{}
	}
	return p.Until.AddDate(0, 0, -1)
}

// days says which days a period has.
func days(p store.Period) string {
	if p.Until.IsZero() {
		return "no days"
	}
	first, last := wording.Day(p.Since), wording.Day(lastDay(p))
	if first == last {
		return first
	}
	return first + " to " + last
}

// periodFields are the fields that choose a period.
func (q *query) periodFields() []field {
	choose := field{ID: "days", Label: "Days"}
	for _, n := range dayChoices {
		choose.Options = append(choose.Options, option{strconv.Itoa(n), wording.Plural(int64(n), "day"), n == q.days})
	}
	return []field{choose, {ID: "to", Label: "Last day", Type: "date", Value: wording.Day(q.to)}}
}

// choice is a field with a choice of values.
func (q *query) choice(id, label string, options ...option) field {
	f := field{ID: id, Label: label, Options: options}
	for i := range f.Options {
		f.Options[i].Selected = f.Options[i].Value == q.get(id)
	}
	return f
}

// input is a field for a text.
func (q *query) input(id, label string) field {
	return field{ID: id, Label: label, Type: "text", Value: q.get(id)}
}
