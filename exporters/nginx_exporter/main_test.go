package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

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
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("NGINX", server.URL)
			env.Setenv("ADDR", fmt.Sprintf("127.0.0.1:%d", realtest.FreePort(t)))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"get": get, "post": post},
	})
}

// get URL TEXT… polls a URL until its body holds every text; ! get wants none of them at once.
func get(ts *testscript.TestScript, neg bool, args []string) {
	var body string
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(args[0])
		if err == nil {
			b, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			body = fmt.Sprintf("%d\n%s", resp.StatusCode, b)
			missing := ""
			for _, text := range args[1:] {
				if strings.Contains(body, text) == neg {
					missing = text
				}
			}
			if missing == "" {
				return
			}
			err = fmt.Errorf("%q is (not) there", missing)
		}
		if time.Now().After(limit) {
			ts.Fatalf("get %s: %v\n%s", args[0], err, body)
		}
	}
}

// post URL STATUS posts nothing and wants a status.
func post(ts *testscript.TestScript, _ bool, args []string) {
	resp, err := http.Post(args[0], "", nil)
	if err != nil {
		ts.Fatalf("post: %v", err)
	}
	defer resp.Body.Close()
	if got := fmt.Sprint(resp.StatusCode); got != args[1] {
		ts.Fatalf("post %s: status %s, want %s", args[0], got, args[1])
	}
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
