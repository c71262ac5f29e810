package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// corpus is a collection of sample reports beside the repository.
const corpus = "../../../shared/corpus"

// What check may take for any file, however hostile.
const (
	mostMemory = 64 << 20
	mostBeside = 16 << 20 // by files that are read beside the one with the most
	mostTime   = 2 * time.Second
)

// TestHostile holds memory and time of the real program for hostile files,
// each alone and all in one call.
func TestHostile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems tell memory in other ways")
	}
	t.Parallel()
	binary, dir := realtest.Program(t, "dmarc_exporter"), t.TempDir()
	var all []string
	for name, content := range hostile() {
		path := filepath.Join(dir, name)
		writeFile(t, path, content)
		all = append(all, path)
	}
	found, _ := filepath.Glob(filepath.Join(corpus, "synthetic", "sec-*")) // The pattern is well formed.
	all = append(all, found...)
	for _, path := range all {
		measure(t, binary, mostMemory, mostTime, path)
	}
	measure(t, binary, mostMemory+mostBeside, time.Duration(len(all))*mostTime, all...)
}

// measure runs check and compares its memory and processor time with what it may take.
func measure(t *testing.T, binary string, memoryLimit int, limit time.Duration, paths ...string) {
	t.Helper()
	name := filepath.Base(paths[0])
	if len(paths) > 1 {
		name = fmt.Sprintf("%d files", len(paths))
	}
	var out bytes.Buffer
	cmd := exec.Command(binary, append([]string{"check", "--json"}, paths...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	memory := make(chan int)
	done := make(chan struct{})
	go func() { memory <- peakMemory(cmd.Process.Pid, done) }()
	_ = cmd.Wait() // Most files are refused.
	close(done)
	if lines := bytes.Count(out.Bytes(), []byte("\n")); lines < len(paths) {
		t.Errorf("%s: %d answers for %d files", name, lines, len(paths))
	}
	if bytes.Contains(out.Bytes(), []byte("internal error")) {
		t.Errorf("%s: %s", name, &out)
	}
	if peak := <-memory; peak > memoryLimit {
		t.Errorf("%s: %d MiB of memory, want at most %d", name, peak>>20, memoryLimit>>20)
	}
	if used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); used > limit {
		t.Errorf("%s: %s of processor time, want at most %s", name, used, limit)
	}
}

// peakMemory watches the peak of a process until it ends. What wait tells of
// memory is of no use: it starts with that of the parent.
func peakMemory(pid int, done <-chan struct{}) (peak int) {
	for {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // It may be gone.
		if _, rest, ok := strings.Cut(string(text), "VmHWM:"); ok {
			var kilobytes int
			if _, err := fmt.Sscan(rest, &kilobytes); err == nil {
				peak = max(peak, kilobytes<<10)
			}
		}
		select {
		case <-done:
			return peak
		case <-time.After(2 * time.Millisecond):
		}
	}
}
