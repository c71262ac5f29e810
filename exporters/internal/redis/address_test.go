package redis

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

func TestParseAddress(t *testing.T) {
	for _, c := range []struct {
		text string
		want address
	}{
		{"redis://localhost:6379", address{network: "tcp", hosts: []string{"localhost:6379"}}},
		{"redis://", address{network: "tcp", hosts: []string{"localhost:6379"}}},
		{"redis:6380", address{network: "tcp", hosts: []string{"redis:6380"}}},
		{"10.0.0.1", address{network: "tcp", hosts: []string{"10.0.0.1:6379"}}},
		{"redis://[::1]:7000/3", address{network: "tcp", hosts: []string{"[::1]:7000"}, db: 3}},
		{"redis://[::1]", address{network: "tcp", hosts: []string{"[::1]:6379"}}},
		{"redis://host?db=2", address{network: "tcp", hosts: []string{"host:6379"}, db: 2}},
		{"rediss://me:p%40ss@host/1", address{network: "tcp", hosts: []string{"host:6379"}, db: 1, user: "me", password: config.NewSecret("p@ss"), tls: true}},
		{"redis://:secret@host", address{network: "tcp", hosts: []string{"host:6379"}, password: config.NewSecret("secret")}},
		{"VALKEY://host", address{network: "tcp", hosts: []string{"host:6379"}}},
		{"/run/redis.sock", address{network: "unix", hosts: []string{"/run/redis.sock"}}},
		{"unix:///run/redis.sock?db=4", address{network: "unix", hosts: []string{"/run/redis.sock"}, db: 4}},
		{"unix://me:secret@/run/redis.sock", address{network: "unix", hosts: []string{"/run/redis.sock"}, user: "me", password: config.NewSecret("secret")}},
		{"sentinel://a,b:26380/mymaster/2", address{network: "tcp", hosts: []string{"a:26379", "b:26380"}, master: "mymaster", db: 2}},
		{"sentinels://u:p@a/m", address{network: "tcp", hosts: []string{"a:26379"}, master: "m", user: "u", password: config.NewSecret("p"), tls: true}},
	} {
		got, err := parseAddress(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(address{}, config.Secret{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestParseAddressErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "the address is empty",
		"http://u:s3cret@host":       "the scheme of the address is unknown",
		"redis://u:s3cret@host/x":    "the database of the address is not a number",
		"redis://u:s3cret@a,b":       "several hosts",
		"redis://u:s3cret%zz@a":      "not escaped",
		"redis://u:s3cret@host?db=%": "query",
		"sentinel://u:s3cret@a":      "the name of the master",
		"unix://u:s3cret@run/sock":   "unix:///path",
		"redis://u:s3cret@host/-1":   "not a number",
		"host:s3cret":                "the port of the address is not a number",
		"redis://u:s3cret@host:0":    "the port of the address is not a number",
		"redis://u:a@h:s3cret/x":     "needs them escaped",
	} {
		_, err := parseAddress(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error tells the password: %v", text, err)
		}
	}
}

// FuzzParseAddress holds that an address without an error has a host, and that
// no error quotes what was given.
func FuzzParseAddress(f *testing.F) {
	f.Add("redis://u:p@host:1/2?db=3")
	f.Add("sentinel://a,b/m")
	f.Add("unix://u@/x")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddress(text)
		if err == nil && (len(a.hosts) == 0 || a.hosts[0] == "" || a.db < 0) {
			t.Errorf("parseAddress(%q) = %+v", text, a)
		}
		if secret := "0123456789abcdef"; err != nil {
			if _, err := parseAddress(strings.ReplaceAll(text, "@", secret+"@")); err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("an error quotes the password: %v", err)
			}
		}
	})
}
