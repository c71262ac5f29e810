package dmarc_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// filled returns a tally with one report of each kind, a duplicate and a refusal.
func filled(t testing.TB) *tally.Tally {
	t.Helper()
	state, err := tally.Open(filepath.Join(t.TempDir(), "state.db"), tally.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	begin := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	end := begin.Add(24*time.Hour - time.Second)
	aggregate := &tally.Entry{
		Identity: tally.Identity{Kind: unpack.KindAggregate, Org: "Example Mail", Domain: "shop.example", ReportID: "1", Begin: begin, End: end},
		Records:  3, Messages: 12, PassMessages: 9,
		Groups: map[tally.Group]int64{
			{Domain: "shop.example", Disposition: "none", DKIM: true, SPF: true, Class: tally.ClassAlignedBoth}:  7,
			{Domain: "shop.example", Disposition: "none", DKIM: true, Class: tally.ClassDKIMOnly, Source: "esp"}: 2,
			{Domain: "shop.example", Disposition: "reject", Class: tally.ClassUnauthenticated}:                   3,
		},
		Policy:   dmarc.Policy{Domain: "shop.example", P: dmarc.DispositionReject, ADKIM: dmarc.AlignmentStrict},
		Warnings: []dmarc.Warning{{Code: "leading_space"}},
	}
	_, err = state.Commit(context.Background(), &tally.Delivery{
		Entries: []*tally.Entry{
			aggregate, aggregate,
			{
				Identity: tally.Identity{Kind: unpack.KindTLS, Org: "Example Mail", Domain: "shop.example", ReportID: "t", Begin: begin, End: end},
				Records:  1, Messages: 5, TLS: []tally.Sessions{{
					Domain: "shop.example", Policy: "sts", Successful: 4, Failed: 1,
					Failures: map[tlsrpt.ResultType]int64{tlsrpt.ResultTypeCertificateExpired: 1},
				}},
			},
			{
				Identity: tally.Identity{Kind: unpack.KindFailure, Org: "mail.example", Domain: "shop.example", ReportID: "f", Begin: end, End: end},
				Records:  1, Messages: 1, AuthFailure: "dmarc",
			},
		},
		Refused: []dmarc.Reason{dmarc.ReasonTruncated}, Auth: "pass",
	})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestGolden(t *testing.T) {
	sources := func() []collector.Source {
		return []collector.Source{{
			Name: "dir:/reports", Up: true, Backlog: 2, LastSuccess: now, Inputs: map[string]uint64{"counted": 3}, Seconds: 0.5,
		}}
	}
	c := collector.New(filled(t), collector.Config{Sources: sources})
	text := metrictest.Exposition(t, c)
	if !regexp.MustCompile(`dmarc_state_info\{generation="[0-9a-f]{16}"\} 1`).Match(text) {
		t.Errorf("no generation in\n%s", text)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	text = regexp.MustCompile(`generation="[0-9a-f]+"`).ReplaceAll(text, []byte(`generation="0"`))
	text = regexp.MustCompile(`(?m)^dmarc_state_size_bytes .*`).ReplaceAll(text, []byte(`dmarc_state_size_bytes 0`))
	metrictest.File(t, text, "testdata/metrics.prom")
}

// TestReportsAddUp holds that dmarc_reports_total over all labels is what was seen.
func TestReportsAddUp(t *testing.T) {
	text := metrictest.Exposition(t, collector.New(filled(t), collector.Config{}))
	sum := 0
	for _, line := range bytes.Split(text, []byte("\n")) {
		if bytes.HasPrefix(line, []byte("dmarc_reports_total{")) {
			var n int
			if _, err := fmt.Sscan(string(line[bytes.LastIndexByte(line, ' ')+1:]), &n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	if sum != 5 {
		t.Errorf("dmarc_reports_total adds up to %d, want 5", sum)
	}
}

func ExampleNew() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	state, err := tally.Open(filepath.Join(dir, "dmarc.db"), tally.Config{Domains: []string{"shop.example"}})
	if err != nil {
		panic(err)
	}
	defer state.Close()

	registry := prometheus.NewRegistry()
	registry.MustRegister(collector.New(state, collector.Config{}))
	families, err := registry.Gather()
	fmt.Println(len(families) > 0, err)
	// Output: true <nil>
}
