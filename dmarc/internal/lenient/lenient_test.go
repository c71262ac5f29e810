package lenient

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

func TestAddr(t *testing.T) {
	for _, test := range []struct {
		in, want string
		repaired bool
	}{
		{"192.0.2.1", "192.0.2.1", false},
		{"2001:db8:0012::1", "2001:db8:12::1", false},
		{"[192.0.2.1]", "192.0.2.1", true},
		{"[2001:db8::1] (mail.example.org)", "2001:db8::1", true},
		{"mail.example.org (192.0.2.1)", "192.0.2.1", true},
		{"[IPv6:2001:db8::1]", "2001:db8::1", true},
		{"ipv6:2001:db8::1", "2001:db8::1", true},
		{"192.0.2.1:2525", "192.0.2.1", true},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"fe80::1%eth0", "fe80::1", true},
		{"192.000.002.001", "192.0.2.1", true},
		{" 192.0.2.1 ", "192.0.2.1", true},
		{"unknown", "invalid IP", false},
		{"", "invalid IP", false},
		{"192.0.2", "invalid IP", false},
	} {
		got, repaired := Addr(test.in)
		if got.String() != test.want || repaired != test.repaired {
			t.Errorf("Addr(%q) = %v, %v, want %v, %v", test.in, got, repaired, test.want, test.repaired)
		}
	}
}

func TestDomain(t *testing.T) {
	for _, test := range []struct {
		in, want   string
		folded, ok bool
	}{
		{"example.org", "example.org", false, true},
		{" Example.ORG. ", "example.org", true, true},
		{"_dmarc.example.org", "_dmarc.example.org", false, true},
		{"bücher.example", "bücher.example", false, true},
		{"", "", false, false},
		{".", ".", false, false},
		{"a..b", "a..b", false, false},
		{"a b", "a b", false, false},
		{strings.Repeat("a", 64) + ".example", strings.Repeat("a", 64) + ".example", false, false},
	} {
		got, folded, ok := Domain(test.in)
		if got != test.want || folded != test.folded || ok != test.ok {
			t.Errorf("Domain(%q) = %q, %v, %v, want %q, %v, %v", test.in, got, folded, ok, test.want, test.folded, test.ok)
		}
	}
}

func TestText(t *testing.T) {
	for _, test := range []struct {
		in, want string
		repaired bool
	}{
		{"caf\u00e9", "caf\u00e9", false},
		{"caf\xe9 \x80", "caf\u00e9 \u20ac", true},
		{"\x9f\xff\xc3\xa9", "\u0178\u00ff\u00e9", true},
	} {
		if got, repaired := Text([]byte(test.in)); got != test.want || repaired != test.repaired {
			t.Errorf("Text(%q) = %q, %v, want %q, %v", test.in, got, repaired, test.want, test.repaired)
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"ab\u20ac", 4, "ab"},
		{"ab\u20ac", 5, "ab\u20ac"},
		{"a\xffb\xffc", 5, "a\ufffdb"},
		{"a\xffb\xffc", 9, "a\ufffdb\ufffdc"},
		{strings.Repeat("\x80", 9), 6, "\ufffd"},
		{"abc", 0, ""},
	} {
		if got := Cut(test.in, test.n); got != test.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", test.in, test.n, got, test.want)
		}
	}
}

func TestWarningsKeepTheFirstOfEachCode(t *testing.T) {
	var w Warnings
	w.Add("first", 1, 0, strings.Repeat("\u00e9", 100)+"\xff")
	for i := range dmarc.MaxWarnings + 20 {
		w.Add("many", i, int64(i), "")
	}
	w.Add("late", 0, -1, "")
	w.Add("later", 0, -1, "")
	w.Add("late", 0, -1, "")
	if len(w.List) != dmarc.MaxWarnings || len(w.List)+w.Dropped != dmarc.MaxWarnings+24 {
		t.Errorf("%d warnings and %d dropped, want %d together", len(w.List), w.Dropped, dmarc.MaxWarnings+24)
	}
	count := map[dmarc.Code]int{}
	for _, v := range w.List {
		count[v.Code]++
		if len(v.Value) > 64 || !utf8.ValidString(v.Value) {
			t.Errorf("value %q is too long or no UTF-8", v.Value)
		}
	}
	if count["first"] != 1 || count["late"] != 1 || count["later"] != 1 {
		t.Errorf("got %v, want the first of each code", count)
	}
}

func TestWarningsOfManyCodes(t *testing.T) {
	var w Warnings
	for i := range dmarc.MaxWarnings + 5 {
		w.Add(dmarc.Code(fmt.Sprint("code", i)), 0, -1, "")
	}
	if len(w.List) != dmarc.MaxWarnings || w.Dropped != 5 {
		t.Errorf("%d warnings and %d dropped, want %d and 5", len(w.List), w.Dropped, dmarc.MaxWarnings)
	}
}
