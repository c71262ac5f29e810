package dmarc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// zone is a Resolver over a table. A name that ends in ! fails.
type zone map[string][]string

var errServer = errors.New("server failure")

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if _, ok := z[name+"!"]; ok {
		return nil, errServer
	}
	texts, ok := z[name]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return texts, nil
}

func TestDiscoverTree(t *testing.T) {
	for _, test := range []struct {
		name, domain   string
		zone           zone
		organizational string
		record         string
		queries        int
	}{
		{"own record", "garden.example", zone{"_dmarc.garden.example": {"v=DMARC1; p=reject"}}, "garden.example", "garden.example", 2},
		{"nothing", "a.b.garden.example", zone{}, "a.b.garden.example", "", 4},
		{
			"inherited", "a.mail.garden.example",
			zone{"_dmarc.mail.garden.example": {"v=DMARC1; p=none"}, "_dmarc.garden.example": {"v=DMARC1; p=reject"}},
			"garden.example", "garden.example", 4,
		},
		{
			"own record and one above", "mail.garden.example",
			zone{"_dmarc.mail.garden.example": {"v=DMARC1; p=none"}, "_dmarc.garden.example": {"v=DMARC1; p=reject"}},
			"garden.example", "mail.garden.example", 3,
		},
		{
			"psd=n stops", "a.mail.garden.example",
			zone{"_dmarc.mail.garden.example": {"v=DMARC1; p=none; psd=n"}, "_dmarc.garden.example": {"v=DMARC1; p=reject"}},
			"mail.garden.example", "mail.garden.example", 2,
		},
		{
			"psd=y is one label above", "a.mail.garden.example",
			zone{"_dmarc.example": {"v=DMARC1; p=quarantine; psd=y"}},
			"garden.example", "example", 4,
		},
		{
			"psd=y above the own record", "mail.garden.example",
			zone{"_dmarc.mail.garden.example": {"v=DMARC1; p=none"}, "_dmarc.example": {"v=DMARC1; p=reject; psd=y"}},
			"garden.example", "mail.garden.example", 3,
		},
		{
			"psd=y above another record", "a.mail.garden.example",
			zone{"_dmarc.garden.example": {"v=DMARC1; p=none"}, "_dmarc.example": {"v=DMARC1; p=reject; psd=y"}},
			"garden.example", "garden.example", 4,
		},
		{
			"psd=y at the start", "bank.example",
			zone{"_dmarc.bank.example": {"v=DMARC1; p=none; psd=y"}, "_dmarc.example": {"v=DMARC1; p=reject"}},
			"bank.example", "bank.example", 1,
		},
		{
			"two records are none", "garden.example",
			zone{"_dmarc.garden.example": {"v=DMARC1; p=none", "v=DMARC1; p=reject"}},
			"garden.example", "", 2,
		},
		{
			"foreign records do not count", "garden.example",
			zone{"_dmarc.garden.example": {"v=spf1 -all", "v=DMARC1; p=reject", "hello"}},
			"garden.example", "garden.example", 2,
		},
		{
			"a record that asks for nothing", "mail.garden.example",
			zone{"_dmarc.mail.garden.example": {"v=DMARC1"}, "_dmarc.garden.example": {"v=DMARC1; p=reject"}},
			"garden.example", "", 3,
		},
		{"seven labels", "a.b.c.d.e.f.example", zone{}, "a.b.c.d.e.f.example", "", 7},
		{"eight labels", "a.b.c.d.e.f.g.example", zone{}, "a.b.c.d.e.f.g.example", "", 8},
		{
			"many labels", "1.2.3.4.5.6.7.8.9.garden.example",
			zone{"_dmarc.9.garden.example": {"v=DMARC1; p=reject"}},
			"9.garden.example", "9.garden.example", 8,
		},
		{"normalised", " Garden.EXAMPLE. ", zone{"_dmarc.garden.example": {"v=DMARC1; p=reject"}}, "garden.example", "garden.example", 2},
		{"top level", "example", zone{}, "example", "", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := dmarc.DiscoverTree(t.Context(), test.zone, test.domain)
			if err != nil {
				t.Fatal(err)
			}
			if d.Organizational != test.organizational || d.RecordDomain != test.record || (d.Record != nil) != (test.record != "") {
				t.Errorf("organizational domain %q, record %v at %q, want %q and %q",
					d.Organizational, d.Record, d.RecordDomain, test.organizational, test.record)
			}
			if len(d.Queries) != test.queries || d.Queries[0] != "_dmarc."+d.Domain {
				t.Errorf("queries %q, want %d", d.Queries, test.queries)
			}
			slices.Sort(d.Queries)
			if len(slices.Compact(d.Queries)) != test.queries {
				t.Errorf("a name is asked twice: %q", d.Queries)
			}
		})
	}
}

// suffix knows two public suffixes.
func suffix(domain string) string {
	for _, s := range []string{"co.example", "example"} {
		if domain == s || strings.HasSuffix(domain, "."+s) {
			return s
		}
	}
	return ""
}

func TestDiscoverPSL(t *testing.T) {
	for _, test := range []struct {
		name, domain   string
		zone           zone
		organizational string
		record         string
		queries        int
	}{
		{"own record", "mail.garden.example", zone{"_dmarc.mail.garden.example": {"v=DMARC1; p=none"}}, "garden.example", "mail.garden.example", 1},
		{"inherited", "a.b.garden.co.example", zone{"_dmarc.garden.co.example": {"v=DMARC1; p=none"}}, "garden.co.example", "garden.co.example", 2},
		{"not in between", "a.b.garden.example", zone{"_dmarc.b.garden.example": {"v=DMARC1; p=none"}}, "garden.example", "", 2},
		{"organizational itself", "garden.example", zone{}, "garden.example", "", 1},
		{"a suffix", "co.example", zone{}, "co.example", "", 1},
		{"an unknown suffix", "a.garden.test", zone{"_dmarc.garden.test": {"v=DMARC1; p=none"}}, "garden.test", "garden.test", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := dmarc.DiscoverPSL(t.Context(), test.zone, test.domain, suffix)
			if err != nil {
				t.Fatal(err)
			}
			if d.Organizational != test.organizational || d.RecordDomain != test.record || len(d.Queries) != test.queries {
				t.Errorf("organizational domain %q, record at %q, queries %q, want %q, %q and %d",
					d.Organizational, d.RecordDomain, d.Queries, test.organizational, test.record, test.queries)
			}
		})
	}
}

func TestDiscoveryErrors(t *testing.T) {
	failing := zone{"_dmarc.garden.example!": nil}
	if d, err := dmarc.DiscoverTree(t.Context(), failing, "a.garden.example"); d != nil || !errors.Is(err, errServer) {
		t.Errorf("DiscoverTree = %v, %v, want %v", d, err, errServer)
	}
	if d, err := dmarc.DiscoverPSL(t.Context(), failing, "a.garden.example", suffix); d != nil || !errors.Is(err, errServer) {
		t.Errorf("DiscoverPSL = %v, %v, want %v", d, err, errServer)
	}
	for _, domain := range []string{"", ".", "a..b", "not a domain", "b\u00fccher.example", strings.Repeat("a.", 130) + "example", "x/../y"} {
		if d, err := dmarc.DiscoverTree(t.Context(), zone{}, domain); d != nil || err == nil {
			t.Errorf("DiscoverTree(%q) = %v, %v, want an error", domain, d, err)
		}
	}
}

func TestDiscoveryRequested(t *testing.T) {
	z := zone{"_dmarc.garden.example": {"v=DMARC1; p=reject; sp=quarantine; np=none"}}
	for _, test := range []struct {
		domain string
		exists bool
		want   dmarc.Disposition
	}{
		{"garden.example", true, "reject"},
		{"mail.garden.example", true, "quarantine"},
		{"mail.garden.example", false, "none"},
		{"other.test", true, dmarc.DispositionAbsent},
	} {
		d, err := dmarc.DiscoverTree(t.Context(), z, test.domain)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Requested(test.exists); got != test.want {
			t.Errorf("%s, exists %v: %q, want %q", test.domain, test.exists, got, test.want)
		}
	}
}

func TestCheckDestinations(t *testing.T) {
	z := zone{
		"_dmarc.garden.example":                       {"v=DMARC1; p=reject"},
		"garden.example._report._dmarc.agrees.test":   {"hello", "v=DMARC1"},
		"garden.example._report._dmarc.moves.test":    {"v=DMARC1; rua=mailto:new@moves.test,mailto:x@elsewhere.test; ruf=mailto:f@moves.test"},
		"garden.example._report._dmarc.foreign.test":  {"v=spf1 -all"},
		"garden.example._report._dmarc.failing.test!": nil,
		"_dmarc.unreachable.test!":                    nil,
		"_dmarc.test":                                 {"v=DMARC1; p=none; psd=y"},
		"_dmarc.example":                              {"v=DMARC1; p=none; psd=y"},
	}
	rua := "v=DMARC1; p=none; rua=mailto:a@garden.example,mailto:a@reports.garden.example,mailto:a@agrees.test,mailto:a@moves.test," +
		"mailto:a@foreign.test,mailto:a@silent.test,mailto:a@failing.test,mailto:a@unreachable.test,mailto:b@agrees.test"
	record, _, err := dmarc.ParseRecord(rua)
	if err != nil {
		t.Fatal(err)
	}
	got, err := dmarc.CheckDestinations(t.Context(), z, "garden.example", record.RUA)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, d := range got {
		line := fmt.Sprintf("%s external=%v allowed=%v", d.URI.Address, d.External, d.Allowed)
		for _, u := range append(d.RUA, d.RUF...) {
			line += " " + u.Address
		}
		if d.Err != nil {
			line += fmt.Sprint(" failed=", errors.Is(d.Err, errServer))
		}
		lines = append(lines, line)
	}
	want := []string{
		"a@garden.example external=false allowed=true",
		"a@reports.garden.example external=false allowed=true",
		"a@agrees.test external=true allowed=true",
		"a@moves.test external=true allowed=true new@moves.test f@moves.test",
		"a@foreign.test external=true allowed=false",
		"a@silent.test external=true allowed=false",
		"a@failing.test external=true allowed=false failed=true",
		"a@unreachable.test external=false allowed=false failed=true",
		"b@agrees.test external=true allowed=true",
	}
	if g, w := strings.Join(lines, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if q := got[2].Query; q != "garden.example._report._dmarc.agrees.test" {
		t.Errorf("asked for %q", q)
	}
}

func TestDestinationsAreBounded(t *testing.T) {
	var list []dmarc.ReportURI
	for i := range dmarc.MaxDestinations + 2 {
		list = append(list, mailto(fmt.Sprintf("a@h%d.test", i)))
	}
	got, err := dmarc.CheckDestinations(t.Context(), zone{}, "garden.example", list)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range got {
		if errors.Is(d.Err, dmarc.ErrTooManyDestinations) != (i >= dmarc.MaxDestinations) || d.Allowed {
			t.Errorf("destination %d: %+v", i, d)
		}
	}
	if _, err := dmarc.CheckDestinations(t.Context(), zone{}, "not a domain", list); err == nil {
		t.Error("a bad domain is accepted")
	}
}

func ExampleDiscoverTree() {
	resolver := zone{ // net.DefaultResolver in a program
		"_dmarc.garden.example": {"v=DMARC1; p=reject; sp=quarantine"},
	}
	d, err := dmarc.DiscoverTree(context.Background(), resolver, "news.mail.garden.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Organizational, d.RecordDomain, d.Requested(true))
	for _, name := range d.Queries {
		fmt.Println("-", name)
	}
	// Output:
	// garden.example garden.example quarantine
	// - _dmarc.news.mail.garden.example
	// - _dmarc.mail.garden.example
	// - _dmarc.garden.example
	// - _dmarc.example
}

func ExampleDiscoverPSL() {
	resolver := zone{"_dmarc.garden.co.example": {"v=DMARC1; p=none"}}
	d, err := dmarc.DiscoverPSL(context.Background(), resolver, "mail.garden.co.example", func(string) string { return "co.example" })
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Organizational, d.Requested(true))
	// Output: garden.co.example none
}

func ExampleCheckDestinations() {
	resolver := zone{
		"_dmarc.garden.example":                      {"v=DMARC1; p=none; rua=mailto:a@reports.test"},
		"garden.example._report._dmarc.reports.test": {"v=DMARC1"},
	}
	d, err := dmarc.DiscoverTree(context.Background(), resolver, "garden.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := dmarc.CheckDestinations(context.Background(), resolver, d.RecordDomain, d.Record.RUA)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(list[0].URI.Host, list[0].External, list[0].Allowed)
	// Output: reports.test true true
}

// TestDiscoverPSLNothing holds that a record that asks for nothing ends discovery by
// the public suffix list, too.
func TestDiscoverPSLNothing(t *testing.T) {
	z := zone{"_dmarc.mail.garden.example": {"v=DMARC1; p=reject; sp=block"}, "_dmarc.garden.example": {"v=DMARC1; p=reject"}}
	d, err := dmarc.DiscoverPSL(t.Context(), z, "mail.garden.example", func(string) string { return "example" })
	if err != nil || d.Record != nil || d.Organizational != "garden.example" {
		t.Errorf("got %+v, %v", d, err)
	}
}
