package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// hostFiles is what node_exporter reads besides the host itself: the numbers of
// the backup scripts, a certificate, and the cgroups of containers, which a
// machine for development has none of.
type hostFiles struct {
	dir  string
	host *host

	mu   sync.Mutex
	tick int
}

// containers have an id of 64 digits each, and use CPU and memory at their own rate.
var containers = []struct {
	digit  string
	cores  float64
	memory int
}{
	{"a", 0.31, 180 << 20}, {"b", 0.12, 310 << 20}, {"c", 0.04, 42 << 20},
}

func newHostFiles(h *host, dir string) *hostFiles {
	f := &hostFiles{dir: dir, host: h}
	for _, d := range []string{"textfile", "certificates", "sys/fs/cgroup"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			h.Fatal(err)
		}
	}
	// All of the host's /sys but for its cgroups.
	entries, err := os.ReadDir("/sys")
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "fs" {
			f.must(os.Symlink("/sys/"+e.Name(), filepath.Join(dir, "sys", e.Name())))
		}
	}
	f.must(os.WriteFile(filepath.Join(dir, "sys/fs/cgroup/cgroup.controllers"), []byte("cpu io memory\n"), 0o600))
	f.certificate()
	f.must(f.backup(time.Now().Add(-3 * time.Hour)))
	f.move(context.Background())
	return f
}

func (f *hostFiles) must(err error) {
	if err != nil {
		f.host.Fatal(err)
	}
}

// flags are those of node_exporter.
func (f *hostFiles) flags() []string {
	return []string{
		"--path.sysfs=" + filepath.Join(f.dir, "sys"),
		"--collector.container",
		"--collector.textfile.directory=" + filepath.Join(f.dir, "textfile"),
		"--collector.certificate.files=" + filepath.Join(f.dir, "certificates", "*.pem"),
	}
}

// backup writes what the scripts of a site write whose last backup is of a time.
func (f *hostFiles) backup(last time.Time) error {
	now := time.Now()
	var b strings.Builder
	gauge := func(name string, value int64) { fmt.Fprintf(&b, "%s %d\n", name, value) }
	gauge(`dr_backup_last_success_timestamp_seconds{stanza="dmarc",repo="1",type="full"}`, last.Unix())
	gauge(`dr_backup_last_run_success`, 1)
	gauge(`dr_repo_verify_success{repo="1"}`, 1)
	gauge(`dr_repo_verify_last_success_timestamp_seconds{repo="1"}`, now.Add(-20*time.Hour).Unix())
	gauge(`dr_repo_verify_files{repo="1",state="valid"}`, 1874)
	gauge(`dr_archive_missing_segments{repo="1",timeline="1"}`, 0)
	gauge(`dr_restore_test_success`, 1)
	gauge(`dr_restore_test_last_success_timestamp_seconds`, now.Add(-50*time.Hour).Unix())
	gauge(`dr_restore_test_duration_seconds`, 412)
	gauge(`dr_restore_test_recovered_lag_seconds`, 48)
	gauge(`dr_objective_seconds{objective="rto"}`, 3600)
	gauge(`dr_objective_seconds{objective="rpo"}`, 900)
	return writeWhole(filepath.Join(f.dir, "textfile", "dr_backup.prom"), []byte(b.String()))
}

// move lets the containers work for a while.
func (f *hostFiles) move(context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tick += 2
	for _, c := range containers {
		dir := filepath.Join(f.dir, "sys/fs/cgroup/system.slice/docker-"+strings.Repeat(c.digit, 64)+".scope")
		used := c.memory + (f.tick%30)*(1<<20)
		for name, text := range map[string]string{
			"cpu.stat": fmt.Sprintf("usage_usec %d\nuser_usec %d\nsystem_usec %d\nnr_periods %d\nnr_throttled %d\nthrottled_usec %d\n",
				int(c.cores*1e6)*f.tick, int(c.cores*8e5)*f.tick, int(c.cores*2e5)*f.tick, f.tick*10, f.tick/8, f.tick*500),
			"cpu.max":        "50000 100000\n",
			"memory.current": fmt.Sprintln(used),
			"memory.max":     fmt.Sprintln(2 * c.memory),
			"memory.stat":    fmt.Sprintf("anon %d\nfile %d\ninactive_file %d\n", used/2, used/3, used/4),
			"memory.events":  "oom 0\noom_kill 0\n",
			"io.stat":        fmt.Sprintf("8:0 rbytes=%d wbytes=%d rios=%d wios=%d\n", f.tick*c.memory/1000, f.tick*c.memory/400, f.tick*7, f.tick*15),
			"pids.current":   "9\n",
		} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				f.host.Logf("move containers: %v", err)
				return
			}
			if err := writeWhole(filepath.Join(dir, name), []byte(text)); err != nil {
				f.host.Logf("move containers: %v", err)
			}
		}
	}
}

// certificate writes one that is good for two months.
func (f *hostFiles) certificate() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	f.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dmarc.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 2, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	f.must(err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	f.must(os.WriteFile(filepath.Join(f.dir, "certificates", "dmarc.example.pem"), text, 0o600))
}
