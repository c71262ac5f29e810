package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
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

// TestExamples holds that the file in the package, and the one in the document,
// are understood.
func TestExamples(t *testing.T) {
	for _, file := range []string{"../../deploy/packages/suite.yml"} {
		if code := run([]string{"--config.file=" + file, "--config.check"}, io.Discard, os.Stderr); code != 0 {
			t.Errorf("%s: exit code %d", file, code)
		}
	}
}
