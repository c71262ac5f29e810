package dmarcconfig

import (
	"reflect"
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
		got := tt.trust.withDefaults(&tt.dns, nil)
		if got.Mode != tt.mode || got.NoDKIM != tt.noDKIM || tt.dns.Resolver != "" && got.Resolver != tt.dns.Resolver {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// TestTrustOfGoogle believes Google's server where all mails come from it, and
// only there: elsewhere anybody can write a field in its name.
func TestTrustOfGoogle(t *testing.T) {
	google := IMAP{account: account{Address: "IMAP.gmail.com:993"}}
	gmail := []Webmail{{}}
	for name, tt := range map[string]struct {
		sources Sources
		want    bool
	}{
		"the API":               {Sources{Gmail: gmail}, true},
		"IMAP":                  {Sources{IMAP: []IMAP{google}}, true},
		"both":                  {Sources{IMAP: []IMAP{google}, Gmail: gmail}, true},
		"nothing":               {Sources{}, false},
		"another IMAP server":   {Sources{IMAP: []IMAP{google, {account: account{Address: "imap.gmail.com.example:993"}}}}, false},
		"uploads beside it":     {Sources{Gmail: gmail, HTTP: &HTTP{}}, false},
		"files beside it":       {Sources{Gmail: gmail, Directories: []Folder{{}}}, false},
		"a mailbox of Exchange": {Sources{Gmail: gmail, Graph: gmail}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := Trust{}.withDefaults(&DNS{}, tt.sources.authServers())
			want := Trust{}
			if tt.want {
				want = Trust{Mode: trust.ModeLabel, AuthServIDs: []string{"mx.google.com"}, NoDKIM: true}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("trust %+v, want %+v", got, want)
			}
		})
	}
}
