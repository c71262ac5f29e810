//go:build linux

package node

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// newTestFilesystems returns the reader with mounts of the test.
func newTestFilesystems(t *testing.T, log *realtest.Log, statfs func(string, *unix.Statfs_t) error, points ...string) *filesystems {
	t.Helper()
	newHost(t)
	c, err := newFilesystems(slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	c.statfs, c.procfs = statfs, t.TempDir()
	var lines strings.Builder
	for i, point := range points {
		fmt.Fprintf(&lines, "%d 1 8:%d / %s rw,relatime shared:1 - ext4 /dev/sd%d rw\n", i+20, i, point, i)
	}
	if err := os.Mkdir(c.procfs+"/1", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.procfs+"/1/mountinfo", []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestHungMounts holds that mounts that hang are named, cost no others, are
// asked once, and come back.
func TestHungMounts(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	calls := map[string]int{}
	statfs := func(point string, into *unix.Statfs_t) error {
		mu.Lock()
		calls[point]++
		mu.Unlock()
		if strings.HasPrefix(point, "/hung") {
			<-release
		}
		if point == "/denied" {
			return syscall.EACCES
		}
		into.Bsize, into.Blocks = 512, 2
		return nil
	}
	var log realtest.Log
	c := newTestFilesystems(t, &log, statfs, "/hung1", `/with\040space`, "/hung2", "/denied", "/last")
	c.timeout = 50 * time.Millisecond
	collector := newCollector(map[string]updater{"filesystem": c}, 0, slog.New(slog.DiscardHandler))
	check := func(hung float64) {
		t.Helper()
		got := scrape(within(t, 30*time.Second), collector)
		for name, want := range map[string]float64{
			"node_scrape_collector_success{filesystem}":                                1,
			"node_filesystem_size_bytes{/dev/sd1}{}{ext4}{/with space}":                1024,
			"node_filesystem_size_bytes{/dev/sd4}{}{ext4}{/last}":                      1024,
			"node_filesystem_device_error{/dev/sd3}{permission denied}{ext4}{/denied}": 1,
			"node_filesystem_device_error{/dev/sd0}{mountpoint timeout}{ext4}{/hung1}": hung,
			"node_filesystem_device_error{/dev/sd2}{mountpoint timeout}{ext4}{/hung2}": hung,
			"node_filesystem_size_bytes{/dev/sd0}{}{ext4}{/hung1}":                     1024 * (1 - hung),
		} {
			if got[name] != want {
				t.Errorf("%s = %v, want %v", name, got[name], want)
			}
		}
	}
	for range 3 {
		check(1)
	}
	mu.Lock()
	if calls["/hung1"] != 1 || calls["/last"] != 3 {
		t.Errorf("mounts were asked %v times", calls)
	}
	mu.Unlock()
	close(release)
	for _, f := range c.hung {
		<-f.Done
	}
	check(0)
	for text, want := range map[string]int{"mount does not answer": 2, "mount answers again": 2} {
		if got := strings.Count(log.String(), text); got != want {
			t.Errorf("%q is in the log %d times, want %d:\n%s", text, got, want, log.String())
		}
	}
}

// TestMountNames holds that mounts are asked by the names they have, and that one over
// another of its kind is shown once.
func TestMountNames(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	statfs := func(point string, into *unix.Statfs_t) error {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, point)
		into.Bsize, into.Blocks = 512, 2
		return nil
	}
	var log realtest.Log
	c := newTestFilesystems(t, &log, statfs, `/a\040space`, `/a\011tab`, `/a\012line`, `/a\134040slash`, "/twice")
	file := c.procfs + "/1/mountinfo"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "30 1 8:9 / /twice ro,relatime shared:1 - ext4 /dev/sd4 ro\n"...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got := gather(t, updating{t, c})
	slices.Sort(asked)
	if want := []string{"/a\ttab", "/a\nline", "/a space", `/a\040slash`, "/twice"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if n := len(got["node_filesystem_size_bytes"].GetMetric()); n != 5 {
		t.Errorf("%d mounts, want 5", n)
	}
	for _, m := range got["node_filesystem_readonly"].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "mountpoint" && (l.GetValue() == "/twice") != (m.GetGauge().GetValue() == 1) {
				t.Errorf("%s is read-only: %v", l.GetValue(), m.GetGauge().GetValue())
			}
		}
	}
}

// TestManyHungMounts holds the bound on threads.
func TestManyHungMounts(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	var points []string
	for i := range maxHung + 10 {
		points = append(points, fmt.Sprintf("/hung%d", i))
	}
	var log realtest.Log
	c := newTestFilesystems(t, &log, func(string, *unix.Statfs_t) error { <-release; return nil }, points...)
	c.timeout = time.Millisecond
	collector := newCollector(map[string]updater{"filesystem": c}, 0, slog.New(slog.DiscardHandler))
	scrape(within(t, 30*time.Second), collector)
	points = append(points, "/one-more")
	more := newTestFilesystems(t, &log, c.statfs, points...)
	c.procfs = more.procfs
	got := scrape(within(t, 30*time.Second), collector)
	name := fmt.Sprintf("node_filesystem_device_error{/dev/sd%d}{too many mounts hang}{ext4}{/one-more}", len(points)-1)
	if got[name] != 1 {
		t.Errorf("%s is not there in %v", name, got)
	}
}

// TestHungFUSE mounts a file system of which nobody answers, in name spaces of
// its own, and scrapes it beside upstream's collector.
func TestHungFUSE(t *testing.T) {
	const child = "NODE_TEST_HUNG_FUSE"
	if point := os.Getenv(child); point != "" {
		hungFUSE(t, point)
		return
	}
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil || os.Geteuid() != 0 {
		t.Skip("no FUSE, or not root")
	} else {
		_ = f.Close()
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestHungFUSE$", "-test.v")
	cmd.Env = append(os.Environ(), child+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	switch {
	case strings.Contains(string(out), "SKIP"), err != nil && len(out) == 0:
		t.Skipf("no name spaces or mounts here: %v\n%s", err, out)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	}
}

// hungFUSE is the part of TestHungFUSE inside of the name spaces.
func hungFUSE(t *testing.T, point string) {
	newHost(t)
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", device.Fd())
	for _, m := range []struct {
		source, target, fsType string
		flags                  uintptr
		data                   string
	}{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", 0, ""},
		{"hung", point, "fuse.hung", 0, options},
	} {
		if err := unix.Mount(m.source, m.target, m.fsType, m.flags, m.data); err != nil {
			t.Skipf("mount %s: %v", m.target, err)
		}
	}
	upstream, returned := newUpstream(t, "filesystem"), make(chan struct{})
	go func() {
		defer close(returned)
		gather(t, upstream)
	}()
	ours, err := newHost(t).Filter([]string{"filesystem"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hung := "node_filesystem_device_error{hung}{mountpoint timeout}{fuse.hung}{" + point + "}"
	for range 3 {
		got := scrape(within(t, 2*time.Second), ours)
		sizes := 0
		for name := range got {
			if strings.HasPrefix(name, "node_filesystem_size_bytes{") {
				sizes++
			}
		}
		if got[hung] != 1 || sizes == 0 || got["node_scrape_collector_success{filesystem}"] != 1 {
			t.Errorf("%d sizes, %s = %v", sizes, hung, got[hung])
		}
	}
	select {
	case <-returned:
		t.Log("upstream's collector has returned already")
	default:
	}
	if err := device.Close(); err != nil { // Ends the connection: who waits gets an error.
		t.Fatal(err)
	}
	<-returned
	realtest.Eventually(t, "it holds", func() bool { return scrape(within(t, 2*time.Second), ours)[hung] == 0 })
}
