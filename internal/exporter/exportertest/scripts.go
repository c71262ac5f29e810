package exportertest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// Command is a command of a story.
type Command = func(ts *testscript.TestScript, neg bool, args []string)

// Scripts runs the stories of testdata/script. Each has a free address of its
// own in $ADDR, the variables of setup, which may be nil, and the commands get,
// post and those of more.
func Scripts(t *testing.T, setup func(*testscript.Env), more map[string]Command) {
	t.Helper()
	commands := map[string]Command{"get": Get, "post": Post}
	maps.Copy(commands, more)
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: commands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("ADDR", realtest.FreeAddress(t))
			// With the race detector, a program sleeps a second at its end.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			if setup != nil {
				setup(env)
			}
			return nil
		},
	})
}

// Until repeats what returns an error until it returns none, and ends the story
// with the last one after realtest.Patience.
func Until(ts *testscript.TestScript, what string, ok func() error) {
	for limit := time.Now().Add(realtest.Patience); ; time.Sleep(20 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			ts.Fatalf("%s: %v", what, err)
		}
	}
}

// Get is the command "get URL TEXT…", which asks until status and body hold
// every text, or with ! until they hold none.
func Get(ts *testscript.TestScript, neg bool, args []string) {
	Until(ts, "get "+args[0], func() error {
		resp, err := http.Get(args[0])
		if err != nil {
			return err
		}
		return Holds(resp, neg, args[1:])
	})
}

// Post is the command "post URL STATUS TEXT…", which posts nothing, once, and
// wants the status and every text in the body.
func Post(ts *testscript.TestScript, neg bool, args []string) {
	resp, err := http.Post(args[0], "", nil)
	if err != nil {
		ts.Fatalf("post %s: %v", args[0], err)
	}
	if err := Holds(resp, neg, args[2:]); err != nil {
		ts.Fatalf("post %s: %v", args[0], err)
	}
	if got := fmt.Sprint(resp.StatusCode); got != args[1] {
		ts.Fatalf("post %s: status %s, want %s", args[0], got, args[1])
	}
}

// Holds returns an error unless status and body hold every text, or with neg
// none. It closes the body.
func Holds(resp *http.Response, neg bool, texts []string) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	answer := fmt.Sprintf("%d\n%s", resp.StatusCode, body)
	for _, text := range texts {
		if strings.Contains(answer, text) == neg {
			return fmt.Errorf("%q: present is %t in\n%s", text, neg, answer)
		}
	}
	return nil
}
