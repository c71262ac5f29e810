package nginx

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// appendTo appends n numbered lines to a file, created if need be.
func appendTo(t *testing.T, path string, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Real lines differ in their numbers; what makes these differ is the time.
	for range n {
		if _, err := fmt.Fprintf(f, "%s", strings.Replace(kv("GET", "200", "0.1", "-"), "b=100", fmt.Sprintf("b=%d", time.Now().UnixMicro()), 1)+"\n"); err != nil {
			t.Fatal(err)
		}
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func sameTime(t *testing.T, paths ...string) {
	t.Helper()
	now := time.Now()
	for _, path := range paths {
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRotation(t *testing.T) {
	a, path := newLog(t, nil)
	start(t, a)
	appendTo(t, path, 10) // created late
	await(t, a, 10)

	rename(t, path, path+".1")
	appendTo(t, path+".1", 5) // nginx writes on until it reopens
	appendTo(t, path, 7)
	await(t, a, 22)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, 3)
	await(t, a, 25)

	// copytruncate, with lines that were not yet read when the copy was made.
	appendTo(t, path, 4)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+"-20261124", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, 50) // grown beyond the old offset at once
	await(t, a, 79)
	time.Sleep(50 * time.Millisecond) // several polls: nothing is read twice
	if got := a.Lines(); got != 79 {
		t.Errorf("%d lines, want 79", got)
	}
}

func TestPartialAndLongLines(t *testing.T) {
	a, path := newLog(t, nil)
	start(t, a)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(b []byte) {
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	line := []byte(kv("GET", "200", "0.1", "-") + "\n")
	write(line)
	write(line[:30])
	await(t, a, 1)
	time.Sleep(30 * time.Millisecond)
	if a.Lines() != 1 {
		t.Errorf("half a line was counted")
	}
	write(line[30:])
	await(t, a, 2)
	write(append(bytes.Repeat([]byte("x"), 3*maxLine), '\n'))
	write(line)
	await(t, a, 4)
	if got := a.inputs[0].refused[refusedTooLong]; got != 1 {
		t.Errorf("%d lines too long, want 1", got)
	}
}

// TestNoRegularFile holds that a path that names no file with lines is said once and
// holds up nothing, and that what takes its place is read.
func TestNoRegularFile(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"fifo":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"device":    func(path string) error { return os.Symlink("/dev/null", path) },
		"loop":      func(path string) error { return os.Symlink(path, path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, err := os.Create(filepath.Join(t.TempDir(), "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			said := func() string {
				text, err := os.ReadFile(log.Name())
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
			a, path := newLog(t, func(c *AccessLogConfig) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			stop := start(t, a)
			const says = "the access log cannot be read"
			realtest.Eventually(t, "a line in the log", func() bool { return strings.Contains(said(), says) })
			if text := expose(t, a); !strings.Contains(text, `nginx_access_log_up{input="`+path+`"} 0`) {
				t.Errorf("it is up:\n%s", text)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			appendTo(t, path, 3)
			await(t, a, 3)
			if n := strings.Count(said(), says); n > 2 { // It may be seen missing, which is another error.
				t.Errorf("%d lines in the log:\n%s", n, said())
			}
			stop()
		})
	}
}

// TestRestart holds that nothing is lost or doubled over restarts, whatever
// happened to the files in between.
func TestRestart(t *testing.T) {
	tests := []struct {
		name  string
		while func(t *testing.T, path string)
		more  uint64
	}{
		{"nothing", func(*testing.T, string) {}, 0},
		{"appended", func(t *testing.T, path string) { appendTo(t, path, 5) }, 5},
		{"rotated", func(t *testing.T, path string) {
			appendTo(t, path, 5)
			rename(t, path, path+".1")
			appendTo(t, path, 6)
		}, 11},
		{"rotated twice", func(t *testing.T, path string) {
			appendTo(t, path, 5)
			rename(t, path, path+".1")
			appendTo(t, path, 6)
			rename(t, path+".1", path+".2")
			later := time.Now().Add(time.Second)
			rename(t, path, path+".1")
			if err := os.Chtimes(path+".1", later, later); err != nil {
				t.Fatal(err)
			}
			appendTo(t, path, 7)
		}, 18},
		{"truncated and copied", func(t *testing.T, path string) {
			appendTo(t, path, 5)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path+".1", data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
			appendTo(t, path, 2)
			sameTime(t, path, path+".1") // clocks of files tick every few milliseconds
		}, 7},
		{"copied, not yet truncated", func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path+".1", data, 0o600); err != nil {
				t.Fatal(err)
			}
			appendTo(t, path, 3)
			sameTime(t, path, path+".1")
		}, 3},
		{"compressed beside", func(t *testing.T, path string) {
			appendTo(t, path, 1)
			appendTo(t, path+".2.gz", 9)
		}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			config := AccessLogConfig{
				Inputs: []Input{{File: filepath.Join(dir, "access.log")}}, FromStart: true,
				Poll: 5 * time.Millisecond, StateFile: filepath.Join(dir, "state.json"),
			}
			path := config.Inputs[0].File
			appendTo(t, path, 20)
			for round, want := range []uint64{20, 20 + tt.more, 20 + tt.more} {
				a, err := NewAccessLog(config)
				if err != nil {
					t.Fatal(err)
				}
				stop := start(t, a)
				await(t, a, want)
				time.Sleep(30 * time.Millisecond)
				stop()
				if got := a.Lines(); got != want {
					t.Errorf("round %d: %d lines, want %d", round, got, want)
				}
				text := expose(t, a)
				if line := fmt.Sprintf(`status="200"} %d`, want); !strings.Contains(text, line) {
					t.Errorf("round %d: no %q exposed", round, line)
				}
				if round == 0 {
					tt.while(t, path)
				}
			}
		})
	}
}

// TestKilledEarly kills a reader before its first second is over, when nothing
// but the beginning is saved, and rotates the log before the next one starts.
func TestKilledEarly(t *testing.T) {
	tests := []struct {
		name                string
		existing, fromStart bool
		want                uint64
	}{
		{"no file yet", false, false, 7},
		{"no file yet, from the start", false, true, 7},
		{"from the end", true, false, 7},
		{"from the start", true, true, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "access.log")
			config := AccessLogConfig{
				Inputs: []Input{{File: path}}, FromStart: tt.fromStart, Poll: 5 * time.Millisecond, StateFile: filepath.Join(dir, "state"),
			}
			appendTo(t, path+".2", 1) // older than everything, and passed over
			if tt.existing {
				appendTo(t, path, 3)
			}
			killed, err := NewAccessLog(config)
			if err != nil {
				t.Fatal(err)
			}
			killed.begin()
			killed.close()
			appendTo(t, path, 5)
			rename(t, path, path+".1")
			appendTo(t, path, 2)
			a, err := NewAccessLog(config)
			if err != nil {
				t.Fatal(err)
			}
			stop := start(t, a)
			await(t, a, tt.want)
			time.Sleep(30 * time.Millisecond)
			stop()
			if got := a.Lines(); got != tt.want {
				t.Errorf("%d lines, want %d", got, tt.want)
			}
		})
	}
}

// TestExposedIsSaved holds that a scrape never shows what a crash would take back.
func TestExposedIsSaved(t *testing.T) {
	a, _ := newLog(t, func(c *AccessLogConfig) { c.StateFile = filepath.Join(filepath.Dir(c.Inputs[0].File), "state") })
	feedAll(a, kv("GET", "200", "0.1", "-"))
	if text := expose(t, a); strings.Contains(text, `status="200"} 1`) {
		t.Errorf("an unsaved line is exposed:\n%s", text)
	}
	if err := a.save(); err != nil {
		t.Fatal(err)
	}
	want(t, expose(t, a), `nginx_access_requests_total{method="GET",route="other",server="shop.example",status="200"} 1`)
	// A directory in its place makes the next save fail: the exposition stands still.
	if err := os.Remove(a.config.StateFile); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(a.config.StateFile, 0o700); err != nil {
		t.Fatal(err)
	}
	feedAll(a, kv("GET", "200", "0.1", "-"))
	if err := a.save(); err == nil {
		t.Fatal("saving over a directory gave no error")
	}
	want(t, expose(t, a), `nginx_access_requests_total{method="GET",route="other",server="shop.example",status="200"} 1`)
}
