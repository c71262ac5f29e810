package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"suite_exporter": main})
}

// TestScript runs the stories of testdata/script. $NGINX is a server that answers
// like stub_status, $ADDR a free address for the exporter.
func TestScript(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "Active connections: 2 \nserver accepts handled requests\n 5 6 7 \nReading: 1 Writing: 3 Waiting: 4 \n")
	}))
	t.Cleanup(server.Close)
	exportertest.Scripts(t, func(env *testscript.Env) { env.Setenv("NGINX", server.URL) }, nil)
}

func TestFlagsDoc(t *testing.T) {
	app, _ := newApp()
	exportertest.FlagsDoc(t, app, "../../docs/flags/suite_exporter.md")
}

// TestExamples holds that the file in the package, with what is commented out, and
// the one in the document are understood.
func TestExamples(t *testing.T) {
	packaged, err := os.ReadFile("../../deploy/packages/suite.yml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/suite.md")
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^  # (  - |\w+: *(\[.*\])?$)`).ReplaceAllString(string(packaged), "  $1")
	documented := regexp.MustCompile("(?s)```yaml\n(parts:\n.*?)```").FindSubmatch(page)
	if documented == nil {
		t.Fatal("the document has no example")
	}
	for name, text := range map[string]string{"package": string(packaged), "package, all": all, "document": string(documented[1])} {
		file := filepath.Join(t.TempDir(), "suite.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		if code := run([]string{"--config.file=" + file, "--config.check"}, io.Discard, &log); code != 0 {
			t.Errorf("%s: exit code %d: %s\n%s", name, code, log.String(), text)
		}
		c, err := loadConfig(file)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 1, false: len(programs)}[name == "package"]; len(c.Parts) != want {
			t.Errorf("%s: %d parts, want %d:\n%s", name, len(c.Parts), want, text)
		}
	}
}
