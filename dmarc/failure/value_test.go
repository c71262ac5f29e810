package failure

import (
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
		if got := addressDomain(test.in, nil); got != test.domain {
			t.Errorf("addressDomain(%q) = %q, want %q", test.in, got, test.domain)
		}
		if got := address(test.in); got != test.address {
			t.Errorf("address(%q) = %q, want %q", test.in, got, test.address)
		}
	}
}
