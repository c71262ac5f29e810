package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func TestMain(m *testing.M) {
	commands := mistakes()
	commands["dmarc_exporter"] = main
	testscript.Main(m, commands)
}

// TestScript runs the stories of testdata/script. $ADDR is a free address for
// the exporter, $SMTP one for its mail listener, $SAMPLES the sample reports,
// $DNS the address of a DNS server with few names.
func TestScript(t *testing.T) {
	samples, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dns := startDNS(t, "127.0.0.1:0", map[string][]string{
		"_dmarc.example.com.":  {"v=DMARC1; p=quarantine; rua=mailto:reports@example.com", "unrelated"},
		"_dmarc.shop.example.": nil,
	})
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("ADDR", fmt.Sprintf("127.0.0.1:%d", realtest.FreePort(t)))
			env.Setenv("SMTP", fmt.Sprintf("127.0.0.1:%d", realtest.FreePort(t)))
			env.Setenv("DNS", dns)
			env.Setenv("SAMPLES", samples+"/"+sampleDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"get": get, "post": post, "hup": hangUp, "wait-for": waitForFile,
		},
	})
}

func TestFlagsDoc(t *testing.T) {
	app, _ := newApp()
	exportertest.FlagsDoc(t, app, "../../docs/flags/dmarc_exporter.md")
}

// until polls what returns an error until it does not.
func until(ts *testscript.TestScript, what string, ok func() error) {
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			ts.Fatalf("%s: %v", what, err)
		}
	}
}

// get URL TEXT… polls a URL until its body holds every text, or with ! until it holds none.
func get(ts *testscript.TestScript, neg bool, args []string) {
	until(ts, "get "+args[0], func() error {
		resp, err := http.Get(args[0])
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%d\n%s", resp.StatusCode, body)
		for _, want := range args[1:] {
			if strings.Contains(text, want) == neg {
				return fmt.Errorf("%q: present is %t in\n%s", want, neg, text)
			}
		}
		return nil
	})
}

// post URL FILE TOKEN TEXT… posts a file and wants status and answer to hold every text. TOKEN may be -.
func post(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, "post "+args[0], func() error {
		req, err := http.NewRequest(http.MethodPost, args[0], strings.NewReader(ts.ReadFile(args[1])))
		if err != nil {
			return err
		}
		if args[2] != "-" {
			req.Header.Set("Authorization", "Bearer "+args[2])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%d\n%s", resp.StatusCode, body)
		for _, want := range args[3:] {
			if !strings.Contains(text, want) {
				return fmt.Errorf("%q is not in\n%s", want, text)
			}
		}
		return nil
	})
}

// hangUp sends SIGHUP to what runs in the background.
func hangUp(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGHUP))
	}
}

// waitForFile FILE… polls until every file exists, or with ! until none does.
func waitForFile(ts *testscript.TestScript, neg bool, args []string) {
	until(ts, "wait-for", func() error {
		for _, name := range args {
			if _, err := os.Stat(ts.MkAbs(name)); (err == nil) == neg {
				return fmt.Errorf("%s: exists is %t", name, neg)
			}
		}
		return nil
	})
}
