package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/tools/archive/archivetest"
	"github.com/dmarc-suite/dmarc-suite/internal/tools/jail"
)

// TestBinary does what the document says of an archive. It has scripts in place of
// programs; the real one takes its place where tar has put it.
func TestBinary(t *testing.T) {
	jail.Need(t, "bash", "tar", "curl")
	files := map[string]string{"LICENSE": "text"}
	for binary := range descriptions {
		files[binary] = "#!/bin/sh\n"
	}
	made := archivetest.Write(t, files)
	version := strings.TrimSpace(string(jail.Read(t, root+"/VERSION")))
	archive := "dmarc-suite-" + version + ".linux-amd64.tar.gz"
	if err := os.Rename(filepath.Join(made, "dmarc-suite-1.2.3.linux-amd64.tar.gz"), filepath.Join(made, archive)); err != nil {
		t.Fatal(err)
	}
	dir, at := t.TempDir(), jail.Address(t)
	bin, spool := filepath.Join(dir, "bin"), filepath.Join(dir, "spool")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	samples := root + "/exporters/dmarc_exporter/testdata/reports" // one of which is refused
	mails, err := filepath.Glob(samples + "/campus*.eml")
	if err != nil || len(mails) == 0 {
		t.Fatalf("no samples, %v", err)
	}
	for _, mail := range mails {
		jail.Write(t, filepath.Join(spool, filepath.Base(mail)), jail.Read(t, mail), 0o644)
	}
	out := jail.Shell(t, dir, jail.Steps(t, "Binary"), []string{
		"/usr/local/bin", bin, "/var/spool/dmarc", spool, "/var/lib/dmarc.db", filepath.Join(dir, "dmarc.db"), "127.0.0.1:9797", at,
	}, fmt.Sprintf(`
PATH=%[1]s:$PATH; export DMARC_EXPORTER_WEB_LISTEN_ADDRESS=%[2]s
trap 'kill %%1; wait' EXIT
make() { [ "$*" = "release PLATFORMS=linux/amd64" ] && cp -r %[3]s release && (cd release && sha256sum %[4]s >sha256sums.txt); }
tar() { command tar "$@" && [ -x %[1]s/dmarc_exporter ] && cp %[5]s %[1]s/dmarc_exporter; }
`, bin, at, made, archive, jail.Program(t, "dmarc_exporter")))
	for binary := range descriptions {
		if _, err := os.Stat(filepath.Join(bin, binary)); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(out, ": OK\n") || !strings.Contains(out, jail.Exporters["dmarc_exporter"]) {
		t.Errorf("neither sums nor metrics:\n%s", out)
	}
}

// serve does what the document says after a package was installed into a root, and
// runs the service as its unit says, with the files that the package brings. The
// real program takes the place of the small one.
func serve(t *testing.T, dir, deb, binary string) {
	jail.Need(t, "bash")
	target := filepath.Join(dir, "usr/bin", binary)
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	jail.Install(t, binary, target)
	u, at := readUnit(t, dir, binary), jail.Address(t)
	if binary == "dmarc_exporter" {
		version := strings.TrimSpace(string(jail.Read(t, root+"/VERSION")))
		jail.Shell(t, dir, jail.Steps(t, "Packages"), []string{"/etc/dmarc_exporter", dir + "/etc/dmarc_exporter", "./release/dmarc-exporter_" + version + "-1", deb}, `
make() { [ "$*" = "packages PLATFORMS=linux/amd64" ]; }
apt-get() { [ "$1" = install ]; }
install() { command install "$@" <<<secret; }
editor() { sed -i "s/imap.example.com:993/127.0.0.1:1/" "$1"; }
systemctl() { [ "$*" = "enable --now dmarc_exporter" ]; }
curl() { [ "$*" = "-s --retry 5 --retry-connrefused http://127.0.0.1:9797/metrics" ]; }
`)
	} else if file := u.credentials["dsn"]; file != "" {
		jail.Write(t, dir+file, []byte("postgres://exporter@127.0.0.1:1/postgres"), 0o600)
	}
	// A dynamic user has a number of systemd's range.
	j := jail.Jail{Dir: dir, User: 61184, Environment: append(u.environment, strings.ToUpper(binary)+"_WEB_LISTEN_ADDRESS="+at)}
	u.enter(t, j)
	if got, want := jail.Metrics(t, at, j.Start(t, u.command...)), jail.Exporters[binary]; !strings.Contains(got, want) {
		t.Errorf("the metrics of %q lack %q:\n%s", u.command, want, got)
	}
}

// unit is what a unit of systemd has to say about a program.
type unit struct {
	command, environment []string
	credentials          map[string]string // files of credentials, by name
	state, directory     string
}

// readUnit reads the installed unit as systemd does, as far as ours need it:
// %S and %d are directories of the state and of credentials, and $ARGS is of the
// file with variables.
func readUnit(t *testing.T, dir, binary string) unit {
	t.Helper()
	u := unit{credentials: map[string]string{}, directory: "/run/credentials/" + binary + ".service"}
	fill := strings.NewReplacer("%S", "/var/lib", "%d", u.directory)
	var start, args string
	for line := range strings.Lines(string(jail.Read(t, filepath.Join(dir, "lib/systemd/system", binary+".service")))) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = fill.Replace(value); key {
		case "ExecStart":
			start = value
		case "Environment":
			u.environment = append(u.environment, value)
		case "StateDirectory":
			u.state = "/var/lib/" + value
		case "LoadCredential":
			name, file, _ := strings.Cut(value, ":")
			u.credentials[name] = file
		case "EnvironmentFile":
			for line := range strings.Lines(string(jail.Read(t, filepath.Join(dir, strings.TrimPrefix(value, "-"))))) {
				if value, found := strings.CutPrefix(strings.TrimSpace(line), "ARGS="); found {
					args = strings.Trim(value, `"`)
				}
			}
		}
	}
	for _, word := range strings.Fields(start) {
		if word == "$ARGS" {
			u.command = append(u.command, strings.Fields(args)...)
		} else {
			u.command = append(u.command, word)
		}
	}
	if len(u.command) == 0 {
		t.Fatalf("the unit of %s starts nothing", binary)
	}
	return u
}

// enter makes what systemd makes before it starts a service: its credentials and
// its state, which are the user's.
func (u unit) enter(t *testing.T, j jail.Jail) {
	t.Helper()
	var owned []string
	for name, file := range u.credentials {
		credential := filepath.Join(u.directory, name)
		jail.Write(t, j.Dir+credential, jail.Read(t, j.Dir+file), 0o400)
		owned = append(owned, credential)
	}
	if u.state != "" {
		if err := os.MkdirAll(j.Dir+u.state, 0o700); err != nil {
			t.Fatal(err)
		}
		owned = append(owned, u.state)
	}
	for _, path := range owned {
		if err := os.Chown(j.Dir+path, int(j.User), int(j.User)); err != nil {
			t.Fatal(err)
		}
	}
}
