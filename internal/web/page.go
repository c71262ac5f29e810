package web

import (
	"net/url"
	"slices"
)

// page is what a page shows, from top to bottom.
type page struct {
	Title   string
	Active  string // the route, in the navigation
	Nav     []place
	Trail   []link // where it belongs
	Facts   []fact
	Notes   []note
	Filter  *filter
	Parts   []*part
	Version string
	Metrics string

	last *part  // is added when the others are there
	file string // the name of raw
	raw  []byte // what programs get
	next string // the next rows, for programs
}

// link leads to another page.
type link struct{ Text, To string }

// fact is a name with a value.
type fact struct {
	Name, Text, Link, Class string
}

// note is a paragraph.
type note struct {
	Class string // warn or empty
	Text  string
	Items []string
	Links []link
}

// part is a part of a page with a heading.
type part struct {
	ID, Heading string
	Notes       []note
	Facts       []fact
	Bars        *bars
	Table       *table
}

// filter is the form that chooses what a page shows.
type filter struct {
	Action string
	Fields []field
	Hidden []fact
}

// field is a field of a filter.
type field struct {
	ID, Label, Value, Type, Hint string
	Options                      []option // of a choice
	Suggestions                  []string
}

// option is one of the values of a field.
type option struct {
	Value, Text string
	Selected    bool
}

// add adds a part.
func (p *page) add(one *part) { p.Parts = append(p.Parts, one) }

// table returns a table by its name; an empty one if there is none.
func (p *page) table(name string) *table {
	for _, one := range p.Parts {
		if one.Table != nil && one.Table.Name == name {
			return one.Table
		}
	}
	return &table{}
}

// to returns the address of a page with a query of names and values, without
// those that are empty.
func to(name string, namesAndValues ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] != "" {
			values.Set(namesAndValues[i], namesAndValues[i+1])
		}
	}
	return address(name, values)
}

// address returns the address of a page, relative to every other page.
func address(name string, values url.Values) string {
	if name == "overview" {
		name = "./"
	}
	if len(values) == 0 {
		return name
	}
	return name + "?" + values.Encode()
}

func toDomain(domain string) string { return to("domain", "name", domain) }

func toSource(source, domain string) string { return to("source", "address", source, "domain", domain) }

// place is an entry of the navigation.
type place struct{ Route, To, Text string }

// nav returns the navigation of every page.
func nav(s *sight) []place {
	all := []place{
		{"overview", "./", "Overview"}, {"sources", "sources", "Sources"}, {"reports", "reports", "Reports"}, {"refused", "refused", "Refused"}, {"tls", "tls", "TLS"}, {"failures", "failures", "Failure reports"},
	}
	return slices.DeleteFunc(all, func(one place) bool { return one.Route == "refused" && !s.all })
}
