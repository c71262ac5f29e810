package node

import (
	"context"
	_ "embed"
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

	"github.com/alecthomas/kingpin/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/collectors/node"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
)

func main() { os.Exit(Program().Run(os.Args[1:], os.Stdout, os.Stderr)) }

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"node_exporter": main, "null_exporter": exportertest.Null})
}

// TestScript runs the stories of testdata/script. $ADDR is a free address for
// the exporter.
func TestScript(t *testing.T) {
	exportertest.Scripts(t, nil, map[string]exportertest.Command{"scrapes": scrapes, "mkfifo": mkfifo})
}

func TestFlagsDoc(t *testing.T) {
	app, _ := newApp()
	exportertest.FlagsDoc(t, app, "../../../docs/flags/node_exporter.md")
	exportertest.SettingsDoc(t, upstreamSettings, "upstream's node_exporter", "node_exporter", "../../../docs/upstream/node_exporter.md")
}

// upstreamSettings are the flags and variables of upstream. All of them work as
// they are, so that the program itself needs no table.
//
//go:embed upstream.tsv
var upstreamSettings string

// TestUpstreamSettings holds that no flag or variable of upstream is ignored in
// silence, and that the table has every flag that upstream's collectors declare.
func TestUpstreamSettings(t *testing.T) {
	exportertest.Settings(t, upstreamSettings, func() (*kingpin.Application, *exporter.Flags) {
		app, f := newApp()
		return app, f.Flags
	})
	for _, m := range node.Flags() {
		if !strings.Contains(upstreamSettings, "\n"+m.Name+"\t") {
			t.Errorf("--%s of upstream is not in the table", m.Name)
		}
	}
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

// mkfifo FILE makes a FIFO, on which a reader would hang.
func mkfifo(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
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
