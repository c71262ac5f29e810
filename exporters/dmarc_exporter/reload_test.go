package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// inForce returns what a service does for each key of the configuration file.
var inForce = map[string]func(*serving.Service) string{
	"domains": func(s *serving.Service) (names string) {
		for _, d := range s.Store.Snapshot().Domains {
			names += d.Name + " "
		}
		return names
	},
	"tenants": func(s *serving.Service) string { return fmt.Sprint(s.Store.Snapshot().Tenants) },
	"senders": func(s *serving.Service) string {
		return s.LabelSender(&dmarc.Record{SourceIP: netip.MustParseAddr("192.0.2.1")})
	},
	"addresses": func(s *serving.Service) string { return fmt.Sprint(s.Hosts.Active()) },
	"dns":       func(s *serving.Service) string { return fmt.Sprint(s.DNS.Watches()) },
	"trust":     func(s *serving.Service) string { return fmt.Sprint(*s.Auth.Load() != nil) },
	"access":    func(s *serving.Service) string { return fmt.Sprint(*s.Access.Load()) },
	"sources":   func(s *serving.Service) string { return serving.Describe(s.Supervisor.Sources()) },
}

// TestReload puts every key of the configuration in force.
func TestReload(t *testing.T) {
	t.Parallel()
	resolver := startDNS(t, "127.0.0.1:0", nil)
	before := map[string]string{
		"domains": "[a.example]", "tenants": "[{name: acme, domains: [a.example], series: 10}]", "senders": "[{name: office, networks: [192.0.2.1]}]", "addresses": "{}", "dns": "{}", "trust": "{mode: off}", "sources": "{directories: [{path: in}]}",
	}
	for key, tt := range map[string]struct{ after, want string }{
		"domains":   {"[b.example, a.example]", "a.example b.example "},
		"tenants":   {"[{name: acme, domains: [a.example], series: 20}]", "acme 0 20"},
		"senders":   {"[{name: branch, networks: [192.0.2.1]}]", "branch"},
		"dns":       {`{watch: 1h, resolver: "` + resolver + `"}`, "true"},
		"addresses": {"{reverse_dns: {}}", "true"},
		"trust":     {"{mode: label, auth_serv_ids: [mx.example], no_dkim: true}", "true"},
		"access":    {"[{user: customer-a, domains: [a.example]}]", "customer-a:[a.example]"},
		"sources":   {"{directories: [{path: other}]}", "dir:"},
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := func(changed string) string {
				text := ""
				for name, value := range before {
					if name != key {
						text += name + ": " + value + "\n"
					}
				}
				if changed != "" {
					text += key + ": " + changed + "\n"
				}
				return text
			}
			s, stop := runService(t, dir, map[string]string{"config.yml": file(before[key]), "in/keep": "", "other/keep": "", "web.yml": "basic_auth_users: {customer-a: hash}"})
			defer stop()
			app, f := newApp()
			if _, err := app.Parse([]string{"serve", "--web.config.file=" + filepath.Join(dir, "web.yml")}); err != nil {
				t.Fatal(err)
			}
			s.Options.Users = f.serve.Users
			realtest.Eventually(t, "the source at work", func() bool { return len(s.Supervisor.Sources()) == 1 })
			got := map[string]string{}
			for name, show := range inForce {
				got[name] = show(s)
			}
			writeConfig(t, dir, file(tt.after))
			if err := s.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			for name, show := range inForce {
				switch now := show(s); {
				case name == key && (now == got[name] || !strings.Contains(now, tt.want)):
					t.Errorf("%s: %q is in force, want %q", name, now, tt.want)
				case name != key && now != got[name]:
					t.Errorf("%s: %q is in force, was %q", name, now, got[name])
				}
			}
		})
	}
	var keys []string
	for field := range reflect.TypeFor[dmarcconfig.File]().Fields() {
		keys = append(keys, field.Tag.Get("yaml"))
	}
	for _, key := range keys {
		if inForce[key] == nil {
			t.Errorf("nothing holds that a reload puts %s in force", key)
		}
	}
}

// TestReloadRefused leaves everything in force when one key cannot be.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, stop := runService(t, dir, map[string]string{"config.yml": "domains: [a.example]\nsources: {directories: [{path: in}]}\n", "in/keep": "", "token": "x"})
	defer stop()
	s.Options.Archive.File, s.Options.Archive.MaxBytes, s.Options.Archive.Files = filepath.Join(dir, "archive", "records.jsonl"), 1<<20, 1
	s.Options.Series = 2000
	realtest.Eventually(t, "the source at work", func() bool { return len(s.Supervisor.Sources()) == 1 })
	got := map[string]string{}
	for name, show := range inForce {
		got[name] = show(s)
	}
	changed := "domains: [b.example]\nsenders: [{name: office, networks: [192.0.2.1]}]\ntrust: {mode: label, auth_serv_ids: [mx.example], no_dkim: true}\n"
	for _, tt := range []struct{ name, text, want string }{
		{"no sources", changed, "there is no source of reports"},
		{"the archive", changed + "sources: {directories: [{path: archive}]}\n", "--archive.file: "},
		{"tenants beyond the budget", changed + "tenants: [{name: acme, domains: [b.example], series: 1491}]\nsources: {directories: [{path: in}]}\n", "tenants[0].series: tenants have 1491 series together"},
		{"a source twice", changed + "sources: {directories: [{path: in}, {path: in}]}\n", "sources.directories[1]: source dir:"},
		{"dns of nobody", "dns: {watch: 1h}\nsources: {directories: [{path: other}]}\n", "dns: watch needs domains"},
		{"a secret that is gone", changed + "sources: {http: {token: {file: gone}}}\n", "sources.http.token: read the secret"},
		{"no key", changed + "surces: {}\n", `did you mean "sources"?`},
	} {
		writeConfig(t, dir, tt.text)
		if err := s.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
		for name, show := range inForce {
			if now := show(s); now != got[name] {
				t.Errorf("%s: %s: %q is in force, was %q", tt.name, name, now, got[name])
			}
		}
	}
}

// TestReloadWithoutStore refuses other domains while the database does not answer,
// and leaves all else as it was; what needs no database is taken.
func TestReloadWithoutStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const office = "senders: [{name: office, networks: [192.0.2.1]}]\n"
	const rest = "domains: [a.example]\nsources: {directories: [{path: in}]}\n"
	s, stop := runService(t, dir, map[string]string{"config.yml": rest, "in/keep": ""})
	defer stop()
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	writeConfig(t, dir, office+strings.Replace(rest, "a.example", "b.example", 1))
	if err := s.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "domains: ") {
		t.Errorf("error %v, want one that names the domains", err)
	}
	if sender := inForce["senders"](s); sender == "office" {
		t.Error("the senders of a reload that failed are in force")
	}
	writeConfig(t, dir, office+rest)
	if err := s.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if sender := inForce["senders"](s); sender != "office" {
		t.Errorf("sender %q, want the one of the reload", sender)
	}
}

// TestReloadLosesNothing adds 50 domains to 300 while reports about 200 of them
// are read: each counts once, and the new domains count from then on.
func TestReloadLosesNothing(t *testing.T) {
	t.Parallel()
	const before, after, reports = 300, 350, 200
	config := func(domains int, rest string) string {
		var names []string
		for i := range domains {
			names = append(names, fmt.Sprintf("d%d.example", i))
		}
		return "domains: [" + strings.Join(names, ", ") + "]\n" + rest
	}
	const same, other = "sources: {directories: [{path: in, after: move}]}\n", "sources: {directories: [{path: in, after: move, rescan: 7s}]}\n"
	dir := t.TempDir()
	s, stop := runService(t, dir, map[string]string{"config.yml": config(before, same), "in/keep": ""})
	defer stop()
	realtest.Eventually(t, "the source at work", func() bool { return len(s.Supervisor.Sources()) == 1 })
	put := func(n, domain int) {
		report := bytes.ReplaceAll(ingesttest.Report(fmt.Sprint(n), 1), []byte("example.com"), fmt.Appendf(nil, "d%d.example", domain))
		offer(t, filepath.Join(dir, "in", fmt.Sprint(n, ".xml")), report)
	}
	for n := range reports {
		put(n, after-reports+n)
		if n%20 == 19 {
			// Every second time the source itself is another one.
			writeConfig(t, dir, config(before+n/20*5+5, []string{same, other}[n/20%2]))
			if err := s.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	realtest.Eventually(t, "all counted", func() bool { return countedMessages(s) == reports })
	for n := before; n < after; n++ {
		put(reports+n, n)
	}
	realtest.Eventually(t, "reports about new domains counted", func() bool { return countedMessages(s) == reports+after-before })
	var known []string
	for _, series := range s.Store.Snapshot().Series[tally.Messages] {
		known = append(known, series.Labels[0])
	}
	for n := after - reports; n < after; n++ {
		if name := fmt.Sprintf("d%d.example", n); !slices.Contains(known, name) {
			t.Errorf("nothing is counted for %s", name)
		}
	}
}

// writeConfig replaces the configuration of a service.
func writeConfig(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
