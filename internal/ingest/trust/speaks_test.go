package trust_test

import (
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/trust"
)

func TestSpeaks(t *testing.T) {
	policy := trust.Policy{Aliases: map[string][]string{"acme.example": {"acme-mail.example"}, "kleine post": {"post.example"}}}
	for _, tt := range []struct {
		domain, org, email string
		want               bool
	}{
		{"google.com", "google.com", "noreply-dmarc-support@google.com", true},
		{"mail.google.com", "GOOGLE.COM.", "", true},
		{"attacker.example", "google.com", "noreply-dmarc-support@google.com", false},
		{"attacker.example", "google.com", "me@attacker.example", false},
		{"microsoft.com", "Enterprise Outlook", "dmarcreport@microsoft.com", true},
		{"microsoft.com", "Outlook.com", "dmarcreport@microsoft.com", true},
		{"attacker.example", "Outlook.com", "me@attacker.example", false},
		{"attacker.example", "Yahoo", "me@attacker.example", false},
		{"attacker.example", " YAHOO ", "me@attacker.example", false},
		{"yahooinc.com", "Yahoo", "dmarchelp@yahooinc.com", true},
		{"acme-mail.example", "acme.example", "", true},
		{"post.example", "Kleine Post", "dmarc@other.example", true},
		{"other.example", "Kleine Post", "dmarc@other.example", false},
		{"mail.example", "Example Mail Corp", "dmarc@mail.example", true},
		{"sub.mail.example", "Example Mail Corp", "dmarc@mail.example", true},
		{"attacker.example", "Example Mail Corp", "dmarc@mail.example", false},
		{"mail.example", "Example Mail Corp", "", false},
		{"co.uk", "co.uk", "", false},
		{"evil.co.uk", "good.co.uk", "", false},
	} {
		if err := policy.Speaks(tt.domain, tt.org, tt.email); (err == nil) != tt.want {
			t.Errorf("%s for %q with %q: %v, want %t", tt.domain, tt.org, tt.email, err, tt.want)
		}
	}
}
