package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"redis_exporter": main, "null_exporter": exportertest.Null})
}

// TestScript runs the stories of testdata/script. $REDIS is host:port of a
// server, $SECURED of one that wants a password, $SOCKET the socket of that, and
// $ADDR a free address for the exporter.
func TestScript(t *testing.T) {
	open, secured := realtest.Redis(t), realtest.Redis(t, "--requirepass", "s3cret-of-redis")
	for range 3 {
		open.Do(t, "LPUSH", "celery", "task")
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("REDIS", open.Addr())
			env.Setenv("SECURED", secured.Addr())
			env.Setenv("SOCKET", secured.Socket())
			env.Setenv("ADDR", fmt.Sprintf("127.0.0.1:%d", realtest.FreePort(t)))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"get": get, "post": post},
	})
}

// get URL TEXT… polls a URL until its body holds every text; ! get wants none.
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
