package text

import (
	"bytes"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

func TestNamed(t *testing.T) {
	for name, want := range map[string]Charset{
		"utf-8": UTF8, "UTF-8": UTF8, "US-ASCII": ASCII, "iso-8859-1": Windows1252,
		"Windows-1252": Windows1252, "latin1": Windows1252, "ISO-8859-15": ISO8859x15,
	} {
		if got, ok := Named(name); !ok || got != want {
			t.Errorf("%s: got %d %t, want %d", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "utf8", "utf-16", "koi8-r", "utf-8 "} {
		if _, ok := Named(name); ok {
			t.Errorf("%q is known", name)
		}
	}
	if got := string([]rune{Windows1252.Rune(0x80), UTF8.Rune(0x81), ASCII.Rune(0xe9), ISO8859x15.Rune(0xa4), ISO8859x15.Rune(0xa5)}); got != "€\uFFFDé€¥" {
		t.Errorf("got %q", got)
	}
}

// The five bytes that windows-1252 leaves out are no control characters.
func TestValid(t *testing.T) {
	for _, test := range []struct {
		in, want string
		repaired bool
	}{
		{"caf\u00e9", "caf\u00e9", false},
		{"caf\xe9 \x80", "caf\u00e9 \u20ac", true},
		{"\x9f\xff\xc3\xa9", "\u0178\u00ff\u00e9", true},
		{"\x81\x8d\x8f\x90\x9d", strings.Repeat("\uFFFD", 5), true},
	} {
		if got, repaired := Valid([]byte(test.in)); got != test.want || repaired != test.repaired {
			t.Errorf("Valid(%q) = %q, %v, want %q, %v", test.in, got, repaired, test.want, test.repaired)
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
		{"aéé", 3, "aé"},
		{"aéé", 4, "aé"},
		{"ab€", 4, "ab"},
		{"ab€", 5, "ab€"},
		{"€€", 2, ""},
		{"€€", 5, "€"},
		{"a\xffb\xffc", 5, "a\ufffdb"},
		{"a\xffb\xffc", 9, "a\ufffdb\ufffdc"},
		{strings.Repeat("\x80", 9), 6, "\ufffd"},
		{"abc", 0, ""},
		{"", 0, ""},
	} {
		if got := Cut(test.in, test.n); got != test.want || !utf8.ValidString(got) {
			t.Errorf("Cut(%q, %d) = %q, want %q", test.in, test.n, got, test.want)
		}
	}
}

func TestDetect(t *testing.T) {
	for _, test := range []struct {
		in     string
		e      Encoding
		mark   int
		narrow string
	}{
		{"<a>", Single, 0, ""},
		{"\ufeff<a>", Single, 3, ""},
		{"\xff\xfe<\x00a\x00", UTF16LE, 2, "<a"},
		{"\xfe\xff\x00<\x00a", UTF16BE, 2, "<a"},
		{"<\x00a\x00\xac\x20", UTF16LE, 0, "<a?"},
		{"\x00{\x00a", UTF16BE, 0, "{a"},
		{" \x00<\x00", Single, 0, " <"},
		{"\xff\xfe\x00\x00<\x00\x00\x00", UTF32, 4, "<"},
		{"\x00\x00\x00<\x00\x00\x00a", UTF32, 0, "<a"},
		{"", Single, 0, ""},
	} {
		e, mark := Detect([]byte(test.in))
		narrow, ok := Narrow([]byte(test.in))
		if e != test.e || mark != test.mark || string(narrow) != test.narrow || ok != (test.narrow != "") {
			t.Errorf("%q: got %d, %d, %q, %v", test.in, e, mark, narrow, ok)
		}
	}
}

func TestUTF16Reader(t *testing.T) {
	for _, test := range []struct {
		in, want string
		replaced bool
	}{
		{"a\x00\x3d\xd8\x00\xde", "a😀", false},
		{"\x3d\xd8a\x00", "\ufffda", true},
		{"a\x00b", "a", true},
		{"", "", false},
	} {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(test.in), "bytes": iotest.OneByteReader(strings.NewReader(test.in)),
		} {
			u := NewUTF16Reader(r, UTF16LE)
			got, err := io.ReadAll(u)
			if string(got) != test.want || err != nil || u.Replaced != test.replaced {
				t.Errorf("%q, %s: got %q, %v, replaced %v", test.in, name, got, err, u.Replaced)
			}
		}
	}
}

func TestHost(t *testing.T) {
	long := strings.Repeat("a.", 126) + "a" // 253 bytes
	for _, test := range []struct {
		in, want string
		form     HostForm
	}{
		{"example.org", "example.org", HostNormal},
		{"a_b.example", "a_b.example", HostNormal},
		{"localhost", "localhost", HostNormal},
		{"gärten.example", "gärten.example", HostNormal},
		{"xn--grten-fxa.example", "xn--grten-fxa.example", HostNormal},
		{long, long, HostNormal},
		{strings.Repeat("a", 63) + ".example", strings.Repeat("a", 63) + ".example", HostNormal},
		{strings.Repeat("ä", 60) + ".example", strings.Repeat("ä", 60) + ".example", HostNormal},
		{"Example.org", "example.org", HostFolded},
		{"example.org.", "example.org", HostFolded},
		{long + ".", long, HostFolded},
		{" GÄRTEN.Example. ", "gärten.example", HostFolded},
		{" example.org", "example.org", HostFolded},
		{"", "", HostInvalid},
		{".", ".", HostInvalid},
		{".example.org", ".example.org", HostInvalid},
		{"a..b", "a..b", HostInvalid},
		{"example.org..", "example.org.", HostInvalid},
		{"a b", "a b", HostInvalid},
		{"Ann@example.org", "ann@example.org", HostInvalid},
		{`a"b`, `a"b`, HostInvalid},
		{"a\u0081b.example", "a\u0081b.example", HostInvalid},
		{"a\u202eb.example", "a\u202eb.example", HostInvalid},
		{"\ufffd.example", "\ufffd.example", HostInvalid},
		{"ä..example", "ä..example", HostInvalid},
		{"ä." + strings.Repeat("a", 64), "ä." + strings.Repeat("a", 64), HostInvalid},
		{strings.Repeat("a", 64) + ".example", strings.Repeat("a", 64) + ".example", HostInvalid},
		{"a" + long, "a" + long, HostNormal},
		{"aa." + long, "aa." + long, HostInvalid},
	} {
		if len(test.in) > 253 && test.form == HostNormal {
			test.form = HostInvalid
		}
		got, form := Host(test.in)
		if got != test.want || form != test.form {
			t.Errorf("Host(%q) = %q, %d, want %q, %d", test.in, got, form, test.want, test.form)
		}
	}
}

func TestAddressHost(t *testing.T) {
	for in, want := range map[string]string{
		"a@B.Example.": "b.example", "<a@b.example>": "b.example", `"x@y"@b.example;`: "b.example",
		"a@": "", "nobody": "", "a@b c": "", "": "",
	} {
		if got := ToASCII(nil).AddressHost(in); got != want {
			t.Errorf("AddressHost(%q) = %q, want %q", in, got, want)
		}
	}
}

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
		{"192.0.2.1 [192.0.2.1]", "192.0.2.1", true},
		{"[IPv6:2001:db8::1]", "2001:db8::1", true},
		{"ipv6:2001:db8::1", "2001:db8::1", true},
		{"192.0.2.1:2525", "192.0.2.1", true},
		{"[2001:db8::1]:25", "2001:db8::1", true},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"fe80::1%eth0", "fe80::1", true},
		{"192.000.002.001", "192.0.2.1", true},
		{" 192.0.2.1 ", "192.0.2.1", true},
		{"mail.example.org[192.0.2.1]:25", "192.0.2.1", true},
		{"mail.example.org/192.0.2.1", "192.0.2.1", true},
		{"/2001:db8::1", "2001:db8::1", true},
		{"192.0.2.1/32", "192.0.2.1", true},
		{"ip4:192.0.2.1", "192.0.2.1", true},
		{"inet6:2001:db8::1", "2001:db8::1", true},
		{"192.0.2.0/24", "invalid IP", false},
		{"2001:db8::/32", "invalid IP", false},
		{"192.0.2.1, 192.0.2.2", "invalid IP", false},
		{"unknown", "invalid IP", false},
		{"", "invalid IP", false},
		{"192.0.2", "invalid IP", false},
		{strings.Repeat("0", longestAddr) + ".0.0.1", "invalid IP", false},
	} {
		got, repaired := Addr(test.in)
		if got.String() != test.want || repaired != test.repaired {
			t.Errorf("Addr(%q) = %v, %v, want %v, %v", test.in, got, repaired, test.want, test.repaired)
		}
	}
}

// FuzzIPv4 compares the dotted quads with net/netip.
func FuzzIPv4(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "0.0.0.0", "1.2.3.04", "1.2.3", "1..2.3", "256.1.1.1", "1.2.3.4.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := IPv4([]byte(s))
		want, err := netip.ParseAddr(s)
		if ok != (err == nil && want.Is4()) || ok && got != want {
			t.Errorf("%q: got %v %t, want %v %v", s, got, ok, want, err)
		}
	})
}

func TestDate(t *testing.T) {
	const want = "2026-03-02T08:00:00Z"
	for _, test := range []struct {
		in   string
		form DateForm
	}{
		{"Mon, 2 Mar 2026 08:00:00 +0000", DateMail},
		{"2 Mar 2026 08:00:00 GMT", DateMail},
		{"Mon, 2 Mar 2026 03:00:00 EST", DateMail},
		{"Mon, 2 Mar 2026 08:00 +0000", DateMail},
		{"Mon, 2 Mar 26 08:00:00 +0000", DateMail},
		{"Mo, 2 mar 2026 08:00:00 +0000", DateMail},
		{"Mon,2 Mar 2026 08:00:00 +0000;", DateMail},
		{"Mon 2 Mar 2026 08:00:00 +0000", DateOther},
		{"Mon, 2 Mar 2026 08:00:00 XYZ", DateOther},
		{"Mon, 2 Mar 2026 08:00:00", DateOther},
		{"Mon Mar  2 08:00:00 2026", DateOther},
		{"Mon Mar  2 09:00:00 CET 2026", DateOther},
		{"Mar 2 08:00:00 2026", DateOther},
		{"2026-03-02T08:00:00Z", DateOther},
		{"2026-03-02t08:00:00.123z", DateOther},
		{"2026-03-02T09:00:00+0100", DateOther},
		{"2026-03-02 09:00:00 +0100", DateOther},
		{"2026-03-02 09:00:00 CET", DateOther},
		{"2026-03-02 08:00:00", DateOther},
		{"2026-03-02 08:00", DateOther},
		{"1772438400", DateSeconds},
		{"1772438400000", DateMilliseconds},
		{"1772438400000000", DateMilliseconds},
		{"1772438400.75", DateFraction},
		{"1772438400.", DateFraction},
		{"@1772438400", DateOther},
		{"1.7724384e9", DateOther},
		{"1.77243840E+09", DateOther},
		{"20260302080000", DateOther},
		{"202603020800", DateOther},
		{"20260302T080000Z", DateOther},
		{"20260302T0800Z", DateOther},
		{"20260302T090000+0100", DateOther},
		{"20260302T080000", DateOther},
		{"2026-03-02 08:00:00 +0000 UTC", DateOther},
		{"2026-03-02 10:00:00.5 +0200 SAST", DateOther},
		{"2026-03-02 09:00:00.000000001 +0100 CET m=+0.000012345", DateOther},
		{"2026-03-02T09:00:00+01:00[Europe/Berlin]", DateOther},
		{"Monday, 02-Mar-26 08:00:00 UTC", DateOther},
		{"Monday, 02-Mar-2026 08:00:00 GMT", DateOther},
		{"Mon, 02 Mar 2026 08:00:00 +00:00", DateOther},
		{"Mar 2, 2026 8:00:00 AM", DateOther},
		{"Mon Mar 2 08:00:00 AM UTC 2026", DateOther},
		{"2026/03/02 08:00:00", DateOther},
		{"2026-03-02 08:00:00.000000", DateOther},
		{"2026-03-02 10:00:00+02", DateOther},
		{"2.3.2026 08:00", DateOther},
		{"2026-061T08:00:00Z", DateOther},
	} {
		got, form := Date(test.in)
		if form != test.form || got.Format(time.RFC3339) != want {
			t.Errorf("Date(%q) = %v, %v, want %s, %v", test.in, got, form, want, test.form)
		}
	}
	for _, in := range []string{
		"", "yesterday", ",", "Mon,", "()", "Mon, 2 Mar 1969 08:00:00 +0000", "0", "-5", "99 Mar 2026", "2026-13-01", "1e99", "-1e9", "1e", "@", "@x",
		"2026-03-02T24:00:01Z", "2026-03-02T08:60:00Z", "2026-03-02T08:00:61Z", "24:00", ":60", "[UTC]", "M=",
		"1772438400.x", "1795305600000000000", strings.Repeat("9", 65), strings.Repeat(" ", 200) + "2026-03-02",
	} {
		if got, form := Date(in); form != DateInvalid || !got.IsZero() {
			t.Errorf("Date(%q) = %v, %v, want nothing", in, got, form)
		}
	}
}

// TestDateForms is about days that end in their last second or the next.
func TestDateForms(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"date-forms", "2026-03-02T23:59:60Z", "2026-03-02T23:59:59Z"},
		{"date-forms", "Mon, 2 Mar 2026 23:59:60 GMT", "2026-03-02T23:59:59Z"},
		{"date-forms", "2026-03-03T00:59:60.5+01:00", "2026-03-02T23:59:59Z"},
		{"date-forms", "2026-02-28T24:00:00Z", "2026-03-01T00:00:00Z"},
		{"date-forms", "2026-02-28 24:00", "2026-03-01T00:00:00Z"},
		{"date-forms", "Sat, 28 Feb 2026 24:00:00 +0000", "2026-03-01T00:00:00Z"},
		{"date-forms", "20260228", "2026-02-28T00:00:00Z"},
		{"date-forms", "2026-02-28Z", "2026-02-28T00:00:00Z"},
		{"date-forms", "28.2.2026", "2026-02-28T00:00:00Z"},
	} {
		if got, _ := Date(test.in); got.Format(time.RFC3339) != test.want {
			t.Errorf("%s: Date(%q) = %v, want %s", test.name, test.in, got, test.want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, test := range []struct {
		got, want bool
	}{
		{EqualFold([]byte("BASE64"), "base64"), true},
		{EqualFold([]byte("BASE6"), "base64"), false},
		{HasPrefixFold([]byte("Multipart/Mixed"), "multipart/"), true},
		{HasPrefixFold([]byte("Multi"), "multipart/"), false},
		{ContainsFold([]byte("an <Feedback>"), "<feedback"), true},
		{ContainsFold([]byte("<feed"), "<feedback"), false},
	} {
		if test.got != test.want {
			t.Errorf("%+v", test)
		}
	}
	if got := AppendLower([]byte("x"), []byte("ABÄ")); !bytes.Equal(got, []byte("xabä")) {
		t.Errorf("got %s", got)
	}
	for in, want := range map[string]string{"<a@b>": "a@b", "< a >": "a", "<>": "", "<a": "<a", "": ""} {
		if got := TrimAngles(in); got != want {
			t.Errorf("TrimAngles(%q) = %q, want %q", in, got, want)
		}
	}
}

// A bounded list keeps the first item of each key, and counts what it drops.
func TestBoundedList(t *testing.T) {
	first := func(s string) byte { return s[0] }
	for _, test := range []struct {
		in, want string
	}{
		{"", ""},
		{"a1 a2 a3 a4", "a1 a2 a3 a4"},
		{"a1 a2 a3 a4 a5", "a1 a2 a3 a4"},
		{"a1 a2 a3 a4 a5 b1", "a1 a2 a3 b1"},
		{"a1 a2 b1 b2 c1 d1 a3", "a1 b1 c1 d1"},
		{"a1 b1 c1 d1 e1 f1", "a1 b1 c1 d1"},
		{"a1 a2 a3 a4 b1 c1 d1 e1", "a1 b1 c1 d1"},
	} {
		var list []string
		dropped := 0
		for _, item := range strings.Fields(test.in) {
			var n int
			list, n = Add(list, item, 4, first)
			dropped += n
		}
		if got := strings.Join(list, " "); got != test.want || len(list)+dropped != len(strings.Fields(test.in)) {
			t.Errorf("adding %q gives %q and %d dropped, want %q", test.in, got, dropped, test.want)
		}
		atOnce, n := Bound(strings.Fields(test.in), 4, first)
		if !slices.Equal(atOnce, list) || n != dropped {
			t.Errorf("bounding %q gives %q and %d dropped, want %q and %d", test.in, atOnce, n, list, dropped)
		}
	}
}
