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
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		t.Skip(err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	var ticks int
	for _, f := range fields[11:13] { // user and system time
		n, err := strconv.Atoi(string(f))
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
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
