package dmarc

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
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
		{"1000000000000", text.MaxCount, ""},
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
		{"1.795305600e9", "2026-11-22T00:00:00Z", CodeDateText},
		{"1e-9", "", ""},
		{"1795305600.x", "", ""},
		{"2026-13-01", "", ""},
		{"1960-01-01", "", ""},
		{"1795305600000000000", "", ""},
		{strings.Repeat("9", 65), "", ""},
	} {
		got, code := parseDate([]byte(tt.text))
		if got.IsZero() != (tt.want == "") || code != tt.code || tt.want != "" && got.Format("2006-01-02T15:04:05Z07:00") != tt.want {
			t.Errorf("%q: got %v %q, want %s %q", tt.text, got, code, tt.want, tt.code)
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
		{"1.2.3.4/32", "1.2.3.4", CodeSourceRepaired},
		{"1.2.3.0/24", "", CodeSourceInvalid},
		{"unknown", "", CodeSourceInvalid},
		{"192.0.2.1 192.0.2.2", "", CodeSourceInvalid},
		{"[", "", CodeSourceInvalid},
		{"...", "", CodeSourceInvalid},
		{"0000000000000000000000000000000000000000000000000000000000000000000.0.0.1", "", CodeSourceInvalid},
	} {
		got, code := parseSource(tt.text)
		var want netip.Addr
		if tt.want != "" {
			want = netip.MustParseAddr(tt.want)
		}
		if got != want || code != tt.code {
			t.Errorf("%q: got %v %q, want %v %q", tt.text, got, code, want, tt.code)
		}
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
