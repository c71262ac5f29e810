package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// command is a line of a runbook for the shell.
type command struct{ page, line string }

func runbookCommands(t *testing.T) []command {
	t.Helper()
	pages, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	var out []command
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(m[1]) {
				out = append(out, command{filepath.Base(page), strings.TrimSpace(line)})
			}
		}
	}
	if len(out) < 100 {
		t.Fatalf("%d commands, want one of each page at least", len(out))
	}
	return out
}

// foreignUnits are services that are not ours to install.
var foreignUnits = []string{"nginx", "postgresql", "redis-server", "alertmanager", "loki", "EXPORTER"}

// TestRunbookCommands holds that what commands name is in this repository: flags
// and subcommands, units, ports, paths of HTTP, and pods.
func TestRunbookCommands(t *testing.T) {
	unit := regexp.MustCompile(`(?:systemctl status|journalctl -u) (\S+)`)
	pods := regexp.MustCompile(`kubectl -n (\S+) get pods -l app\.kubernetes\.io/name=(\S+)`)
	exporter := regexp.MustCompile(`http://EXPORTER(?::(\d+))?(/\S*)`)
	program := regexp.MustCompile(`^(\w+_exporter) (\S+)`)
	paths := []string{"/metrics", "/-/healthy", "/-/ready", "/-/reload"}
	for _, c := range runbookCommands(t) {
		fail := func(what string) { t.Errorf("%s: %s: %s", c.page, c.line, what) }
		if m := unit.FindStringSubmatch(c.line); m != nil && !slices.Contains(foreignUnits, m[1]) && !isUnit(m[1]) {
			fail("no such unit in deploy")
		}
		if m := pods.FindStringSubmatch(c.line); m != nil && !isPod(t, m[1], m[2]) {
			fail("no such pods in k8s")
		}
		if m := exporter.FindStringSubmatch(c.line); m != nil {
			if !slices.Contains(paths, m[2]) {
				fail("exporters have no " + m[2])
			}
			if m[1] != "" && !strings.Contains(reference(t, "*"), "`:"+m[1]+"`") {
				fail("no exporter has this port")
			}
		}
		if m := program.FindStringSubmatch(c.line); m != nil {
			text := reference(t, m[1])
			if !strings.Contains(text, "\n## "+m[2]+"\n") && !strings.Contains(text, "| `"+m[2]+"`") {
				fail(m[1] + " has no " + m[2])
			}
		}
	}
}

func isUnit(name string) bool {
	if !strings.Contains(name, ".") {
		name += ".service"
	}
	for _, dir := range []string{"../../deploy/systemd/", "../../deploy/dr/systemd/"} {
		if _, err := os.Stat(dir + name); err == nil {
			return true
		}
	}
	return false
}

// isPod reports whether a manifest has pods of a name, in a namespace that it or
// the base says.
func isPod(t *testing.T, namespace, name string) bool {
	t.Helper()
	for _, pattern := range []string{"../../k8s/base/*.yaml", "../../k8s/components/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "app.kubernetes.io/name: "+name+"\n") {
				continue
			}
			own := "dmarc-monitoring"
			if m := regexp.MustCompile(`(?m)^  namespace: (\S+)$`).FindSubmatch(text); m != nil {
				own = string(m[1])
			}
			if own == namespace {
				return true
			}
		}
	}
	return false
}

// reference is the generated document of the flags of a program.
func reference(t *testing.T, program string) string {
	t.Helper()
	files, err := filepath.Glob("../../docs/flags/" + program + ".md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no reference of %s: %v", program, err)
	}
	var out strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	return out.String()
}

// TestRunbookSQL runs the statements on the tables of the observed system.
func TestRunbookSQL(t *testing.T) {
	server := realtest.Postgres(t)
	tables, err := os.ReadFile("../../" + schema)
	if err != nil {
		t.Fatal(err)
	}
	server.CreateDatabase(t, "dmarc", string(tables))
	statement := regexp.MustCompile(`^psql "\$DSN" -c "(.*)"$`)
	n := 0
	for _, c := range runbookCommands(t) {
		switch m := statement.FindStringSubmatch(c.line); {
		case m != nil:
			n++
			t.Run(fmt.Sprint(c.page, n), func(t *testing.T) { server.SQL(t, "dmarc", m[1]) })
		case strings.HasPrefix(c.line, "psql"):
			t.Errorf("%s: %s: what does this run?", c.page, c.line)
		}
	}
	if n < 10 {
		t.Errorf("%d statements, want more than ten", n)
	}
}

// TestRunbookRedis runs the commands for Redis.
func TestRunbookRedis(t *testing.T) {
	server := realtest.Redis(t)
	server.Do(t, "LPUSH", "celery", "task")
	n := 0
	for _, c := range runbookCommands(t) {
		if words, found := strings.CutPrefix(c.line, "redis-cli -h HOST "); found {
			n++
			t.Run(fmt.Sprint(c.page, n), func(t *testing.T) { server.Do(t, strings.Fields(words)...) })
		}
	}
	if n < 10 {
		t.Errorf("%d commands, want ten", n)
	}
}
