package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

// TestReportDocs runs every command of docs/report.md and holds its output to
// what stands there. With -update it writes it.
func TestReportDocs(t *testing.T) {
	const page = "../../docs/report.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const fence, end = "```console\n$ dmarc_exporter ", "```"
	parts := strings.Split(string(text), fence)
	const fewest = 6
	if len(parts) < fewest {
		t.Fatalf("%d commands in %s, want at least %d", len(parts)-1, page, fewest)
	}
	out := parts[0]
	for _, part := range parts[1:] {
		command, rest, _ := strings.Cut(part, "\n")
		_, rest, _ = strings.Cut(rest, end)
		var args []string
		for _, arg := range strings.Fields(command) {
			args = append(args, strings.Trim(arg, "'"))
		}
		var stdout, stderr bytes.Buffer
		if code := run(args, nil, &stdout, &stderr); code != exitOK && !strings.Contains(stderr.String(), "damaged.example") {
			t.Errorf("%s: exit code %d: %s", command, code, stderr.String())
		}
		out += fence + command + "\n" + stdout.String() + end + rest
	}
	if out == string(text) {
		return
	}
	if update := flag.Lookup("update"); update != nil && update.Value.String() == "true" {
		if err := os.WriteFile(page, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not what the commands print: go test ./exporters/dmarc_exporter -run TestReportDocs -update", page)
}
