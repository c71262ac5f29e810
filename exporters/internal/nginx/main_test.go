package nginx

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
)

func main() { os.Exit(Program().Run(os.Args[1:], os.Stdout, os.Stderr)) }

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"nginx_exporter": main, "null_exporter": exportertest.Null})
}

const stubStatus = "Active connections: 2 \nserver accepts handled requests\n 5 6 7 \nReading: 1 Writing: 3 Waiting: 4 \n"

// TestScript runs the stories of testdata/script. $NGINX is a server that
// answers like stub_status, $ADDR a free address for the exporter.
func TestScript(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.URL.Path == "/private" && (user != "monitor" || password != "s3cret") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, stubStatus)
	}))
	t.Cleanup(server.Close)
	exportertest.Scripts(t, func(env *testscript.Env) { env.Setenv("NGINX", server.URL) }, nil)
}

// TestSecretsStayHidden holds that a password never reaches a label, an error or a log line.
func TestSecretsStayHidden(t *testing.T) {
	const uri = "http://monitor:s3cret@127.0.0.1:1/stub_status"
	if got := address(uri); strings.Contains(got, "s3cret") {
		t.Errorf("address = %q", got)
	}
	file := t.TempDir() + "/c.yml"
	if err := os.WriteFile(file, []byte("stub_status:\n- uri: ftp://monitor:s3cret@host/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadConfig(file); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error = %v, want one without the password", err)
	}
}
