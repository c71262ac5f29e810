package dmarcconfig

import (
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/trust"
)

// TestTrustDefault labels mails by what is allowed anyhow, and else not.
func TestTrustDefault(t *testing.T) {
	for _, tt := range []struct {
		name   string
		trust  Trust
		dns    DNS
		mode   trust.Mode
		noDKIM bool
	}{
		{"nothing", Trust{}, DNS{}, "", false},
		{"DNS", Trust{}, DNS{Watch: time.Hour, Resolver: "127.0.0.1:53"}, trust.ModeLabel, false},
		{"a server", Trust{AuthServIDs: []string{"mx.example.com"}}, DNS{}, trust.ModeLabel, true},
		{"both", Trust{AuthServIDs: []string{"mx.example.com"}}, DNS{Watch: time.Hour}, trust.ModeLabel, false},
		{"off", Trust{Mode: trust.ModeOff}, DNS{Watch: time.Hour}, trust.ModeOff, false},
		{"require", Trust{Mode: trust.ModeRequire}, DNS{}, trust.ModeRequire, false},
	} {
		got := tt.trust.withDefaults(&tt.dns)
		if got.Mode != tt.mode || got.NoDKIM != tt.noDKIM || tt.dns.Resolver != "" && got.Resolver != tt.dns.Resolver {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}
