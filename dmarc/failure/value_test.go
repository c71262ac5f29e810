package failure

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

func TestParseDate(t *testing.T) {
	got, form := parseDate("Mon, 02 Mar 2026 09:00:00 +0100 (CET)")
	if form != text.DateMail || got.Format(time.RFC3339) != "2026-03-02T08:00:00Z" {
		t.Errorf("a date with a comment is %v, %v", got, form)
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
