package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMisspeltDomain names it where reports are read from files.
func TestMisspeltDomain(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"backfill", "--settled=0s", "--step=24h"}, {"store", "import", "--state.horizon=36500d"}} {
		var stdout, stderr bytes.Buffer
		complete := func(more ...string) []string {
			if args[0] == "store" {
				more = append(more, "--state.file="+filepath.Join(t.TempDir(), "state.db"))
			}
			return slices.Concat(args, more, []string{sampleDir})
		}
		run(complete("--domain=exmaple.com", "--domain=shop.example"), nil, &stdout, &stderr)
		if want := "No report about exmaple.com was counted, while 30,"; !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: errors %q, want %q", args[0], stderr.String(), want)
		}
		stderr.Reset()
		run(complete("--domain=example.com"), nil, &stdout, &stderr)
		if strings.Contains(stderr.String(), "No report about") {
			t.Errorf("%s: errors %q though all domains have reports", args[0], stderr.String())
		}
	}
}
