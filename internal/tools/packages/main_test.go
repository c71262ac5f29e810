package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/tools/archive/archivetest"
	"github.com/dmarc-suite/dmarc-suite/internal/tools/jail"
)

const root = "../../.."

// program is a small program, linked as the exporters are.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "program")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(binary)
})

// newRelease makes archives whose binaries are all that program.
func newRelease(t *testing.T) string {
	t.Helper()
	program, err := program()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"LICENSE": "text"}
	for binary := range descriptions {
		files[binary], files["THIRD_PARTY_LICENSES."+binary] = string(program), "licenses of "+binary+"\n"
	}
	return archivetest.Write(t, files)
}

// output runs a program and returns what it prints.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestPackages builds the packages twice and lets the tools of both worlds look
// at them.
func TestPackages(t *testing.T) {
	first, second := newRelease(t), newRelease(t)
	for _, dir := range []string{first, second} {
		if err := run(root, dir, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("reproducible", func(t *testing.T) { reproducible(t, first, second) })
	t.Run("install", func(t *testing.T) { install(t, first) })
	t.Run("lintian", func(t *testing.T) { lintian(t, first) })
	t.Run("rpm", func(t *testing.T) { queryRPM(t, first) })
}

// reproducible wants the same bytes from the same release.
func reproducible(t *testing.T, first, second string) {
	made, err := filepath.Glob(filepath.Join(first, "*.[dr][ep][bm]"))
	if err != nil || len(made) != 2*2*len(descriptions) {
		t.Fatalf("%d packages, %v, want two formats for two platforms of each exporter", len(made), err)
	}
	for _, path := range made {
		a, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(second, filepath.Base(path)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds", filepath.Base(path))
		}
	}
}

// install installs each package into a root of its own, lets systemd check
// the unit there, and removes it again.
func install(t *testing.T, release string) {
	jail.NeedPrograms(t, "dpkg", "systemd-analyze")
	if os.Getuid() != 0 {
		t.Skip("dpkg installs as root")
	}
	for binary := range descriptions {
		t.Run(binary, func(t *testing.T) {
			dir := newRoot(t)
			name := strings.ReplaceAll(binary, "_", "-")
			dpkg := func(args ...string) string {
				return output(t, "dpkg", append([]string{"--root=" + dir, "--force-script-chrootless", "--log=/dev/null"}, args...)...)
			}
			dpkg("--install", filepath.Join(release, name+"_1.2.3-1_amd64.deb"))
			units := []string{binary + ".service"}
			if timer := timers[binary]; timer != "" {
				units = append(units, timer+".service", timer+".timer")
			}
			out := output(t, "systemd-analyze", append([]string{"verify", "--man=no", "--root=" + dir}, units...)...)
			if strings.Contains(out, binary) {
				t.Errorf("systemd-analyze verify: %s", out)
			}
			conffiles := output(t, "dpkg-query", "--admindir="+filepath.Join(dir, "var/lib/dpkg"), "--show", "--showformat=${Conffiles}", name)
			if !strings.Contains(conffiles, "/etc/default/"+binary) {
				t.Errorf("conffiles %q want /etc/default/%s", conffiles, binary)
			}
			for _, secret := range secrets[binary] {
				info, err := os.Stat(filepath.Join(dir, secret))
				if err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(conffiles, secret) {
					t.Errorf("%s: %v, %v, want a conffile that root alone reads", secret, info, err)
				}
			}
			if text := output(t, "zcat", filepath.Join(dir, "usr/share/doc", name, "THIRD_PARTY_LICENSES.gz")); text != "licenses of "+binary+"\n" {
				t.Errorf("licenses %q", text)
			}
			t.Run("serve", func(t *testing.T) { serve(t, dir, filepath.Join(release, name+"_1.2.3-1"), binary) })
			dpkg("--purge", name)
			gone := []string{"usr/bin/" + binary, "etc/default/" + binary}
			for _, unit := range units {
				gone = append(gone, "lib/systemd/system/"+unit)
			}
			for _, path := range gone {
				if _, err := os.Stat(filepath.Join(dir, path)); err == nil {
					t.Errorf("%s is still there", path)
				}
			}
		})
	}
}

// newRoot makes an empty system: a database for dpkg and systemd's own units.
func newRoot(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "lib/systemd", "bin", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"var/lib/dpkg/status", "var/lib/dpkg/available"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "lib/systemd/system"), os.DirFS("/lib/systemd/system")); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/kill"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// lintian wants no finding of Debian's own checker.
func lintian(t *testing.T, release string) {
	jail.NeedPrograms(t, "lintian")
	// One with secrets and a timer, one with a secret and one with a directory: the others have no more than these.
	output(t, "lintian", "--allow-root", "--fail-on=error,warning,info", filepath.Join(release, "dmarc-exporter_1.2.3-1_amd64.deb"),
		filepath.Join(release, "postgres-queries-exporter_1.2.3-1_amd64.deb"), filepath.Join(release, "node-exporter_1.2.3-1_amd64.deb"))
}

// queryRPM asks rpm what it would install.
func queryRPM(t *testing.T, release string) {
	jail.NeedPrograms(t, "rpm")
	list := output(t, "rpm", "--query", "--package", "--configfiles", filepath.Join(release, "redis-exporter-1.2.3-1.x86_64.rpm"))
	if list != "/etc/default/redis_exporter\n/etc/redis_exporter/password\n" {
		t.Errorf("configuration files %q", list)
	}
	list = output(t, "rpm", "--query", "--package", "--list", filepath.Join(release, "redis-exporter-1.2.3-1.x86_64.rpm"))
	if !strings.Contains(list, "/usr/share/licenses/redis-exporter/THIRD_PARTY_LICENSES\n") {
		t.Errorf("no licenses of what is linked in %s", list)
	}
	scripts := output(t, "rpm", "--query", "--package", "--scripts", filepath.Join(release, "redis-exporter-1.2.3-1.x86_64.rpm"))
	if !strings.Contains(scripts, "try-restart redis_exporter.service") {
		t.Errorf("scripts %q", scripts)
	}
}
