package redis

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

const page = "../../../docs/redis.md"

func readPage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDocumentedConfig loads the configuration of the page.
func TestDocumentedConfig(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(readPage(t))
	if block == nil {
		t.Fatal("no yaml block")
	}
	c, err := loadConfig(exportertest.DocumentedConfig(t, block[1]))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Probe.Targets) != 2 || c.Probe.Modules["cache"].TLS.CAFile == "" {
		t.Errorf("configuration: %+v", c)
	}
}

// TestDocumentedFlags holds that the page names no flag that does not exist.
func TestDocumentedFlags(t *testing.T) {
	text := readPage(t)
	app, _ := newApp()
	for _, name := range regexp.MustCompile(`--([a-z][a-z.0-9-]+)`).FindAllStringSubmatch(text, -1) {
		if app.GetFlag(name[1]) == nil {
			t.Errorf("%s names a flag that does not exist: --%s", page, name[1])
		}
	}
}

// TestDocumentedRights holds that a user with the rights of the page gets
// everything, and that nothing is refused.
func TestDocumentedRights(t *testing.T) {
	server := realtest.Redis(t)
	for _, line := range regexp.MustCompile(`(?m)^ACL SETUSER exporter .*$`).FindAllString(readPage(t), -1) {
		server.Do(t, strings.Fields(line)...)
	}
	server.Do(t, "XADD", "stream", "*", "k", "v")
	server.Do(t, "XGROUP", "CREATE", "stream", "group", "0")
	server.Do(t, "RPUSH", "celery", "x")
	server.Do(t, "SET", "key", "1")
	script := filepath.Join(t.TempDir(), "one.lua")
	if err := os.WriteFile(script, []byte("return {'one', 1}"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, logged := serviceFor(t, "--redis.addr=redis://exporter:password@"+server.Addr(), "--check-keys=db0=k*,db1=x*", "--check-queues=celery",
		"--check-streams=s*", "--check-key-groups=^(.)", "--script="+script, "--skip-checkkeys-for-role-master=false", "--ping-on-connect")
	s.main.RefreshIfDue(t.Context())
	eventually(t, s, "redis_up 1", "redis_total_error_replies 0", `redis_key_size{db="db0",key="key"} 1`, `redis_script_result{filename="one.lua"} 1`)
	if strings.Contains(logged.String(), "refuses") || strings.Contains(logged.String(), "failed") {
		t.Errorf("log:\n%s", logged)
	}
}
