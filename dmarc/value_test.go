package dmarc

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseCount(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64
		code Code
	}{
		{"0", 0, ""},
		{"12", 12, ""},
		{"007", 7, ""},
		{"1000000000000", maxCount, ""},
		{"1000000000001", 0, CodeCountRange},
		{"99999999999999999999999", 0, CodeCountRange},
		{"9223372036854775808", 0, CodeCountRange},
		{"18446744073709551617", 0, CodeCountRange},
		{"000000000000000000000000000005", 5, ""},
		{"5.0", 5, CodeCountRepaired},
		{"+5", 5, CodeCountRepaired},
		{"1e3", 1000, CodeCountRepaired},
		{"-0", 0, CodeCountRepaired},
		{"5.5", 0, CodeCountInvalid},
		{"-5", 0, CodeCountRange},
		{"-5.5", 0, CodeCountRange},
		{"1e23", 0, CodeCountRange},
		{"1e999", 0, CodeCountRange},
		{"many", 0, CodeCountInvalid},
		{"NaN", 0, CodeCountInvalid},
		{"Inf", 0, CodeCountInvalid},
		{"0x10", 0, CodeCountInvalid},
		{"1_000", 0, CodeCountInvalid},
		{"1,000", 0, CodeCountInvalid},
		{"5 6", 0, CodeCountInvalid},
		{"", 0, CodeCountInvalid},
	} {
		if got, code := parseCount([]byte(tt.text)); got != tt.want || code != tt.code {
			t.Errorf("%q: got %d %q, want %d %q", tt.text, got, code, tt.want, tt.code)
		}
	}
}

func TestParseDate(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string // RFC 3339, empty for unreadable
		code Code
	}{
		{"1795305600", "2026-11-22T00:00:00Z", ""},
		{"302832000", "1979-08-07T00:00:00Z", ""},
		{"4102444800", "2100-01-01T00:00:00Z", ""},
		{"1795305600000", "2026-11-22T00:00:00Z", CodeDateMilliseconds},
		{"1795305600000000", "2026-11-22T00:00:00Z", CodeDateMilliseconds},
		{"1795305600.0", "2026-11-22T00:00:00Z", CodeDateFraction},
		{"1795305600.", "2026-11-22T00:00:00Z", CodeDateFraction},
		{"1795305600.999", "2026-11-22T00:00:00Z", CodeDateFraction},
		{"2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z", CodeDateText},
		{"2026-11-22T00:00:00.123Z", "2026-11-22T00:00:00Z", CodeDateText},
		{"2026-11-22T01:00:00+01:00", "2026-11-22T00:00:00Z", CodeDateText},
		{"2026-11-22T01:00:00+0100", "2026-11-22T00:00:00Z", CodeDateText},
		{"2026-11-22T00:00:00", "2026-11-22T00:00:00Z", CodeDateText},
		{"2026-11-22 00:00:00", "2026-11-22T00:00:00Z", CodeDateText},
		{"2026-11-22 00:00:00 +0000", "2026-11-22T00:00:00Z", CodeDateText},
		{"2026-11-22 00:00:00 UTC", "2026-11-22T00:00:00Z", CodeDateText},
		{"2026-11-22", "2026-11-22T00:00:00Z", CodeDateText},
		{"Sun, 22 Nov 2026 00:00:00 +0000", "2026-11-22T00:00:00Z", CodeDateText},
		{"Sun Nov 22 00:00:00 2026", "2026-11-22T00:00:00Z", CodeDateText},
		{"0", "", ""},
		{"-1", "", ""},
		{"", "", ""},
		{"integer", "", ""},
		{"1e9", "", ""},
		{"1795305600.x", "", ""},
		{"2026-13-01", "", ""},
		{"1960-01-01", "", ""},
		{"1795305600000000000", "", ""},
		{strings.Repeat("9", 65), "", ""},
	} {
		got, code, ok := parseDate([]byte(tt.text))
		if ok != (tt.want != "") || code != tt.code || ok && got.Format("2006-01-02T15:04:05Z07:00") != tt.want {
			t.Errorf("%q: got %v %q %t, want %s %q", tt.text, got, code, ok, tt.want, tt.code)
		}
	}
}

func TestParseSource(t *testing.T) {
	for _, tt := range []struct {
		text, want string
		code       Code
	}{
		{"192.0.2.1", "192.0.2.1", ""},
		{"0.0.0.0", "0.0.0.0", ""},
		{"255.255.255.255", "255.255.255.255", ""},
		{"2001:db8::1", "2001:db8::1", ""},
		{"2001:DB8:0:0:0:0:0:25", "2001:db8::25", ""},
		{"::", "::", ""},
		{"::ffff:192.0.2.1", "192.0.2.1", CodeSourceRepaired},
		{"fe80::1%eth0", "fe80::1", CodeSourceRepaired},
		{"[192.0.2.1]", "192.0.2.1", CodeSourceRepaired},
		{"[2001:db8::1]", "2001:db8::1", CodeSourceRepaired},
		{"[IPv6:2001:db8::1]", "2001:db8::1", CodeSourceRepaired},
		{"192.0.2.1:25", "192.0.2.1", CodeSourceRepaired},
		{"[2001:db8::1]:25", "2001:db8::1", CodeSourceRepaired},
		{"192.000.002.010", "192.0.2.10", CodeSourceRepaired},
		{"01.2.3.4", "1.2.3.4", CodeSourceRepaired},
		{"192.0.2.256", "", CodeSourceInvalid},
		{"192.0.2", "", CodeSourceInvalid},
		{"192.0.2.1.", "", CodeSourceInvalid},
		{"1.2.3.4/32", "", CodeSourceInvalid},
		{"unknown", "", CodeSourceInvalid},
		{"192.0.2.1 192.0.2.2", "", CodeSourceInvalid},
		{"[", "", CodeSourceInvalid},
		{"...", "", CodeSourceInvalid},
		{"0000000000000000000000000000000000000000000000000000000000000000000.0.0.1", "", CodeSourceInvalid},
	} {
		got, code := parseSource([]byte(tt.text))
		var want netip.Addr
		if tt.want != "" {
			want = netip.MustParseAddr(tt.want)
		}
		if got != want || code != tt.code {
			t.Errorf("%q: got %v %q, want %v %q", tt.text, got, code, want, tt.code)
		}
	}
}

// FuzzParseIPv4 compares the dotted quads with net/netip.
func FuzzParseIPv4(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "0.0.0.0", "1.2.3.04", "1.2.3", "1..2.3", "256.1.1.1", "1.2.3.4.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseIPv4([]byte(s))
		want, err := netip.ParseAddr(s)
		if ok != (err == nil && want.Is4()) || ok && got != want {
			t.Errorf("%q: got %v %t, want %v %v", s, got, ok, want, err)
		}
	})
}

func TestDomainState(t *testing.T) {
	for text, want := range map[string]Code{
		"": "", "example.org": "", "a_b.example": "", "gärten.example": "", "xn--grten-fxa.example": "", "localhost": "",
		"Example.org": CodeDomainNormalized, "example.org.": CodeDomainNormalized,
		".": CodeDomainInvalid, ".example.org": CodeDomainInvalid, "a..b": CodeDomainInvalid, "a b": CodeDomainInvalid,
		"ann@example.org": CodeDomainInvalid, "a\nb": CodeDomainInvalid, `a"b`: CodeDomainInvalid,
		strings.Repeat("a", 63) + ".example":          "",
		strings.Repeat("a", 64) + ".example":          CodeDomainInvalid,
		strings.Repeat("a.", 127) + "a":               "",
		strings.Repeat("a.", 127) + "ab":              CodeDomainInvalid,
		strings.Repeat("ä", 60) + ".example":          "",
		strings.Repeat("EXAMPLE.", 4) + "example.org": CodeDomainNormalized,
	} {
		if got := domainState([]byte(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got, code := normalizeDomain([]byte("GÄRTEN.Example.")); got != "gärten.example" || code != CodeDomainNormalized {
		t.Errorf("got %q %q", got, code)
	}
}

// TestPlainEnd compares the scan of eight bytes at once with a plain loop.
func TestPlainEnd(t *testing.T) {
	special := func(c byte) bool { return c == '<' || c == '&' || c < ' ' || c >= 0x80 }
	for c := range 256 {
		for at := range 20 {
			for _, fill := range []byte{' ', '=', '%', '\'', ';', 0x7f, 'a'} {
				buf := bytes.Repeat([]byte{fill}, 40)
				buf = append(buf, make([]byte, slack)...)
				buf[at] = byte(c)
				buf[30] = '<'
				want := 30
				if special(byte(c)) {
					want = at
				}
				if got := plainEnd(buf, 0); got != want {
					t.Fatalf("byte %#x at %d in %q: got %d, want %d", c, at, fill, got, want)
				}
			}
		}
	}
}

func TestCutText(t *testing.T) {
	for _, tt := range []struct {
		text string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"aéé", 3, "aé"}, {"aéé", 4, "aé"}, {"a\xffb", 9, "a\uFFFDb"}, {"€€", 2, ""}, {"€€", 5, "€"}, {"", 0, ""},
	} {
		if got := cutText(tt.text, tt.n); got != tt.want || !utf8.ValidString(got) {
			t.Errorf("%q cut to %d: got %q, want %q", tt.text, tt.n, got, tt.want)
		}
	}
}

func TestCharsets(t *testing.T) {
	for name, want := range map[string]charset{
		"utf-8": charsetUTF8, "UTF-8": charsetUTF8, "US-ASCII": charsetASCII, "iso-8859-1": charset1252,
		"Windows-1252": charset1252, "latin1": charset1252, "ISO-8859-15": charset8859x15,
	} {
		if got, ok := charsetOf(name); !ok || got != want {
			t.Errorf("%s: got %d %t, want %d", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "utf8", "utf-16", "koi8-r", "utf-8 "} {
		if _, ok := charsetOf(name); ok {
			t.Errorf("%q is known", name)
		}
	}
	if got := string([]rune{charset1252.byteRune(0x80), charset1252.byteRune(0x81), charset1252.byteRune(0xe9), charset8859x15.byteRune(0xa4), charset8859x15.byteRune(0xa5)}); got != "€\uFFFDé€¥" {
		t.Errorf("got %q", got)
	}
}
