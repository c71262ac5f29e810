package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func TestMain(m *testing.M) {
	// Tests beside each other need more, and race detection multiplies it:
	// collecting garbage would take most of their time.
	heapLimit = 1 << 40
	commands := mistakes()
	commands["dmarc_exporter"] = main
	testscript.Main(m, commands)
}

// TestScript runs the stories of testdata/script. $ADDR is a free address for
// the exporter, $SMTP one for its mail listener, $SAMPLES the sample reports,
// $DNS the address of a DNS server with few names, $S3 that of an object storage.
func TestScript(t *testing.T) {
	samples, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dns := startDNS(t, "127.0.0.1:0", map[string][]string{
		"_dmarc.example.com.":  {"v=DMARC1; p=quarantine; rua=mailto:reports@example.com", "unrelated"},
		"_dmarc.shop.example.": nil,
	})
	exportertest.Scripts(t, func(env *testscript.Env) {
		env.Setenv("SMTP", realtest.FreeAddress(t))
		env.Setenv("DNS", dns)
		bucket := servers.NewBucket(t)
		bucket.Put("inbox/1", ingesttest.Report("1", 7))
		bucket.Put("inbox/2", []byte("no report"))
		env.Setenv("S3", bucket.URL)
		env.Setenv("SAMPLES", samples+"/"+sampleDir)
	}, map[string]exportertest.Command{"post": post, "hup": hangUp, "wait-for": waitForFile})
}

func TestFlagsDoc(t *testing.T) {
	app, _ := newApp()
	exportertest.FlagsDoc(t, app, "../../docs/flags/dmarc_exporter.md")
}

// post URL FILE TOKEN TEXT… posts a file until status and answer hold every text. TOKEN may be -.
func post(ts *testscript.TestScript, neg bool, args []string) {
	exportertest.Until(ts, "post "+args[0], func() error {
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
		return exportertest.Holds(resp, neg, args[3:])
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
	exportertest.Until(ts, "wait-for", func() error {
		for _, name := range args {
			if _, err := os.Stat(ts.MkAbs(name)); (err == nil) == neg {
				return fmt.Errorf("%s: exists is %t", name, neg)
			}
		}
		return nil
	})
}
