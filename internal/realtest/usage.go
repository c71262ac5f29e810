package realtest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// CPU returns the processor time that the process has used, in hundredths of a
// second. The test is skipped where /proc does not tell.
func (p *Process) CPU(t testing.TB) time.Duration {
	t.Helper()
	fields, err := statOf(p.Pid())
	if err != nil {
		t.Skip(err)
	}
	return ticks(fields[11:13]) // user and system time
}

// CPUWithChildren is CPU with that of the children, be they alive or not.
func (p *Process) CPUWithChildren(t testing.TB) time.Duration {
	t.Helper()
	fields, err := statOf(p.Pid())
	if err != nil {
		t.Skip(err)
	}
	all := ticks(fields[11:15]) // and those of children that have ended
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip(err)
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if fields, err := statOf(pid); err == nil && string(fields[1]) == strconv.Itoa(p.Pid()) {
				all += ticks(fields[11:13])
			}
		}
	}
	return all
}

// statOf returns what /proc has of a process after its name.
func statOf(pid int) ([][]byte, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	return bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]), nil
}

// ticks adds up hundredths of a second.
func ticks(fields [][]byte) (sum time.Duration) {
	for _, f := range fields {
		n, _ := strconv.Atoi(string(f)) // The kernel writes numbers.
		sum += time.Duration(n) * time.Second / 100
	}
	return sum
}

// Memory returns the resident memory of the process in bytes, now and at its
// peak. The test is skipped where /proc does not tell.
func (p *Process) Memory(t testing.TB) (now, peak int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		t.Skip(err)
	}
	value := func(key string) int {
		_, rest, _ := strings.Cut(string(status), key+":")
		var kilobytes int
		if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
			t.Fatalf("%s of process %d: %v", key, p.Pid(), err)
		}
		return kilobytes << 10
	}
	return value("VmRSS"), value("VmHWM")
}
