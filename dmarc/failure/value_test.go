package failure

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"time"
)

func TestParseDate(t *testing.T) {
	const want = "2026-03-02T08:00:00Z"
	for _, test := range []struct {
		in  string
		odd bool
	}{
		{"Mon, 2 Mar 2026 08:00:00 +0000", false},
		{"Mon, 02 Mar 2026 09:00:00 +0100 (CET)", false},
		{"2 Mar 2026 08:00:00 GMT", false},
		{"Mon, 2 Mar 2026 03:00:00 EST", false},
		{"Mon, 2 Mar 2026 08:00 +0000", false},
		{"Mon, 2 Mar 26 08:00:00 +0000", false},
		{"Mo, 2 Mar 2026 08:00:00 +0000", false},
		{"Mon,2 Mar 2026 08:00:00 +0000;", false},
		{"Mon 2 Mar 2026 08:00:00 +0000", true},
		{"Mon, 2 Mar 2026 08:00:00 XYZ", true},
		{"Mon, 2 Mar 2026 08:00:00", true},
		{"Mon Mar  2 08:00:00 2026", true},
		{"Mar 2 08:00:00 2026", true},
		{"2026-03-02T08:00:00Z", true},
		{"2026-03-02 09:00:00 +0100", true},
		{"2026-03-02 08:00:00", true},
		{"1772438400", true},
	} {
		got, odd, ok := parseDate(test.in)
		if !ok || odd != test.odd || got.Format(time.RFC3339) != want {
			t.Errorf("parseDate(%q) = %v, %v, %v, want %s, %v", test.in, got, odd, ok, want, test.odd)
		}
	}
	for _, in := range []string{"", "yesterday", ",", "Mon,", "()", "Mon, 2 Mar 1969 08:00:00 +0000", "0", "-5", "99 Mar 2026"} {
		if got, _, ok := parseDate(in); ok || !got.IsZero() {
			t.Errorf("parseDate(%q) = %v, %v, want nothing", in, got, ok)
		}
	}
}

func TestAddress(t *testing.T) {
	for _, test := range []struct{ in, address, domain string }{
		{"a@b.example", "a@b.example", "b.example"},
		{"Mail Corp <a@B.Example.>", "a@B.Example.", "b.example"},
		{`"Boss <x@y.example>" <a@b.example>`, "a@b.example", "b.example"},
		{"(x@y.example) a@b.example (c)", "a@b.example", "b.example"},
		{"DMARC Filter <a@b.example>;", "a@b.example", "b.example"},
		{"a@b.example, c@d.example", "a@b.example, c@d.example", "b.example"},
		{"One <a@b.example>, Two <c@d.example>", "a@b.example", "b.example"},
		{`"odd@local"@b.example`, `"odd@local"@b.example`, "b.example"},
		{"<>", "", ""},
		{"nobody", "", ""},
		{"a@", "a@", ""},
		{"", "", ""},
	} {
		if got := addressDomain(test.in); got != test.domain {
			t.Errorf("addressDomain(%q) = %q, want %q", test.in, got, test.domain)
		}
		if got := address(test.in); got != test.address {
			t.Errorf("address(%q) = %q, want %q", test.in, got, test.address)
		}
	}
}

func TestParam(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`multipart/report; boundary=b1`, "b1"},
		{`multipart/report; report-type="a;b=c"; Boundary="b 1"`, "b 1"},
		{`multipart/report; boundary=b1; x=y`, "b1"},
		{`multipart/report; flag; boundary = "b1"`, "b1"},
		{`multipart/report; boundary="b1`, "b1"},
		{`multipart/report; boundary=`, ""},
		{`multipart/report`, ""},
		{`boundary=b1`, ""},
	} {
		if got := param(test.in, "boundary"); got != test.want {
			t.Errorf("param(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

// The lenient decoders agree with the standard library on what is correct.
func FuzzEncodings(f *testing.F) {
	f.Add([]byte("a=b\r\n \xff\x00 end "))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := decodeBase64([]byte(base64.StdEncoding.EncodeToString(b))); !bytes.Equal(got, b) {
			t.Errorf("base64: got %q, want %q", got, b)
		}
		var encoded strings.Builder
		w := quotedprintable.NewWriter(&encoded)
		w.Binary = true
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := decodeQuoted([]byte(encoded.String())); !bytes.Equal(got, b) {
			t.Errorf("quoted-printable: got %q, want %q", got, b)
		}
		// Whatever comes in, decoding never grows.
		if n := len(decodeQuoted(b)); n > len(b) {
			t.Errorf("%d bytes became %d", len(b), n)
		}
		if want, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(b))); err == nil && len(want) > len(b)+1 {
			t.Errorf("the standard library made %d bytes of %d", len(want), len(b))
		}
	})
}
