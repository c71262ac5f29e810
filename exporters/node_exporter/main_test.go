package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"node_exporter": main, "null_exporter": exportertest.Null})
}

// TestScript runs the stories of testdata/script. $ADDR is a free address for
// the exporter.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("ADDR", fmt.Sprintf("127.0.0.1:%d", realtest.FreePort(t)))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"get": get, "post": post, "scrapes": scrapes, "mkfifo": mkfifo, "unblock": unblock,
		},
	})
}

func TestFlagsDoc(t *testing.T) {
	app, _ := newApp()
	exportertest.FlagsDoc(t, app, "../../docs/flags/node_exporter.md")
}

// fetch returns the status and body of a scrape whose timeout is in seconds.
func fetch(url string, timeout float64) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(timeout*float64(time.Second)))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(timeout, 'g', -1, 64))
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d\n%s", resp.StatusCode, b), err
}

// get URL TEXT… polls a URL until its body holds every text; ! get wants none of them at once.
func get(ts *testscript.TestScript, neg bool, args []string) {
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		body, err := fetch(args[0], 10)
		for _, text := range args[1:] {
			if err == nil && strings.Contains(body, text) == neg {
				err = fmt.Errorf("%q is (not) there", text)
			}
		}
		if err == nil {
			return
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

// scrapes NUMBER SECONDS URL TEXT… scrapes at the same time and wants every
// answer within the timeout, with every text.
func scrapes(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	timeout, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	errs := make(chan error, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			body, err := fetch(args[2], timeout)
			for _, text := range args[3:] {
				if err == nil && !strings.Contains(body, text) {
					err = fmt.Errorf("%q is not there:\n%s", text, body)
				}
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		ts.Check(err)
	}
}

// mkfifo FILE makes a FIFO, on which a reader hangs.
func mkfifo(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
}

// unblock FILE removes a FIFO and lets those who wait for a writer go.
func unblock(ts *testscript.TestScript, _ bool, args []string) {
	w, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	ts.Check(err)
	ts.Check(os.Remove(ts.MkAbs(args[0])))
	ts.Check(w.Close())
}

// TestHostArgs holds that upstream gets what was given, and nothing else.
func TestHostArgs(t *testing.T) {
	t.Setenv("NODE_EXPORTER_COLLECTOR_WIFI", "1")
	t.Setenv("NODE_EXPORTER_COLLECTOR_TEXTFILE_DIRECTORY", "/a\n/b")
	t.Setenv("SUPERVISORD_URL", "http://localhost:1")
	app, f := newApp()
	_, err := app.Parse([]string{"--no-collector.arp", "--collector.ntp.server=", "--path.procfs", "/host/proc", "--collector.sysctl.include=a", "--collector.sysctl.include=b", "--collector.loadavg"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, arg := range f.hostArgs() {
		got[arg] = true
	}
	for _, want := range []string{
		"--no-collector.arp", "--collector.ntp.server=", "--path.procfs=/host/proc", "--collector.sysctl.include=a", "--collector.sysctl.include=b",
		"--collector.loadavg", "--collector.wifi", "--collector.textfile.directory=/a", "--collector.textfile.directory=/b", "--collector.supervisord.url=http://localhost:1",
	} {
		if !got[want] {
			t.Errorf("%s is not passed on", want)
		}
		delete(got, want)
	}
	if len(got) > 0 {
		t.Errorf("passed on though not given: %v", got)
	}
	app, _ = newApp()
	if _, err := app.Parse([]string{"--collector.ntp.server=a", "--collector.ntp.server=b"}); err == nil {
		t.Error("a flag that is not repeatable was repeated")
	}
}
