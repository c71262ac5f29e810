package dmarc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, config tally.Config) *store.Store {
	t.Helper()
	return openFile(t, sqlite.File{Path: filepath.Join(t.TempDir(), "state.db")}, config)
}

func openFile(t testing.TB, file sqlite.File, config tally.Config) *store.Store {
	t.Helper()
	config.Now = func() time.Time { return now }
	state, err := store.Open(context.Background(), file, store.Config{Counts: config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	return state
}

func commit(t testing.TB, state *store.Store, d *store.Delivery) {
	t.Helper()
	if _, err := state.Commit(context.Background(), d); err != nil {
		t.Fatal(err)
	}
}

// report returns an aggregate report of yesterday with 12 messages.
func report(org, domain, id string) *tally.Entry {
	begin := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	return &tally.Entry{
		Identity: tally.Identity{
			Kind: unpack.KindAggregate, Org: org, Domain: domain, ReportID: id, Begin: begin, End: begin.Add(24*time.Hour - time.Second),
		},
		Records: 3, Messages: 12, PassMessages: 9,
		Groups: map[tally.Group]int64{
			{Domain: domain, Disposition: "none", DKIM: true, SPF: true, Class: tally.ClassAlignedBoth}:  7,
			{Domain: domain, Disposition: "none", DKIM: true, Class: tally.ClassDKIMOnly, Source: "esp"}: 2,
			{Domain: domain, Disposition: "reject", Class: tally.ClassUnauthenticated}:                   3,
		},
		Policy:   dmarc.Policy{Domain: domain, P: dmarc.DispositionReject, ADKIM: dmarc.AlignmentStrict},
		Warnings: []dmarc.Warning{{Code: dmarc.CodeLeadingSpace}},
	}
}

// filled returns a store with one report of each kind, a duplicate and a refusal.
func filled(t testing.TB) *store.Store {
	t.Helper()
	state := open(t, tally.Config{})
	aggregate := report("Example Mail", "shop.example", "1")
	begin, end := aggregate.Begin, aggregate.End
	aggregate.Authentic, aggregate.AuthDomain = true, "mail.example"
	commit(t, state, &store.Delivery{
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
		Refused: []store.Refusal{{Reason: dmarc.ReasonTruncated}}, Auth: "pass",
	})
	return state
}

func TestGolden(t *testing.T) {
	sources := func() []collector.Source {
		return []collector.Source{{
			Name: "dir:/reports", Up: true, Backlog: 2, LastSuccess: now, Inputs: map[string]uint64{"counted": 3}, Seconds: 0.5,
			Listener: &collector.Listener{Open: 1, Accepted: 7, Rejections: map[string]uint64{"idle": 2}},
		}}
	}
	leads := true
	c := collector.New(filled(t), collector.Config{Sources: sources, Leads: func() bool { return leads }})
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

	// One that does not lead exposes what is about itself.
	leads = false
	var names []string
	for line := range strings.Lines(string(metrictest.Exposition(t, c))) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ := strings.Cut(rest, " ")
			names = append(names, name)
		}
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "dmarc_source_") && !slices.Contains([]string{"dmarc_clock_implausible", "dmarc_replica_leading", "dmarc_up"}, name) {
			t.Errorf("a replica that does not lead exposes %s", name)
		}
	}
	if len(names) != 13 {
		t.Errorf("a replica that does not lead exposes %d metrics, want 13: %q", len(names), names)
	}
}

// TestEmpty exposes a new tally: what is known in advance begins at 0.
func TestEmpty(t *testing.T) {
	text := exposition(t, open(t, tally.Config{Domains: []string{"shop.example"}}), collector.Config{})
	for _, want := range []string{
		"dmarc_up 1", `dmarc_reports_invalid_total{reason="syntax"} 0`, `dmarc_reports_total{kind="tls",reporter="other",result="duplicate"} 0`,
		`dmarc_series_overflow_total{label="domain"} 0`, `dmarc_report_last_end_timestamp_seconds{domain="shop.example"} 0`,
		"dmarc_report_delay_seconds_count 0", "dmarc_state_reports 0",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// samples returns the samples of one metric in a text exposition.
func samples(t testing.TB, text, name string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for _, line := range strings.Split(text, "\n") {
		i := strings.LastIndexByte(line, ' ')
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") {
			continue
		}
		value, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		all[line[:i]] = value
	}
	return all
}

func sum(all map[string]float64) (n float64) {
	for _, v := range all {
		n += v
	}
	return n
}

func exposition(t testing.TB, state *store.Store, config collector.Config) string {
	t.Helper()
	return string(metrictest.Exposition(t, collector.New(state, config)))
}

// TestAddsUp holds that dmarc_reports_total is what was seen, and that messages
// are the same however they are split.
func TestAddsUp(t *testing.T) {
	text := exposition(t, filled(t), collector.Config{})
	for name, want := range map[string]float64{
		"dmarc_reports_total": 5, "dmarc_reports_invalid_total": 1, "dmarc_reports_duplicate_total": 1, "dmarc_report_auth_total": 5,
		"dmarc_messages_total": 12, "dmarc_messages_by_class_total": 12, "dmarc_reporter_messages_total": 12,
		"dmarc_compliant_messages_total": 9, "dmarc_window_messages": 3 * 12,
	} {
		if got := sum(samples(t, text, name)); got != want {
			t.Errorf("%s adds up to %g, want %g", name, got, want)
		}
	}
}

// TestBudget counts hostile reports: the scrape stays within the budget, and
// says that it was spent.
func TestBudget(t *testing.T) {
	const budget = 1000
	state := open(t, tally.Config{Budget: budget})
	for i := range 10 {
		d := &store.Delivery{}
		for j := range 50 {
			name := fmt.Sprintf("%d-%d.example", i, j)
			d.Entries = append(d.Entries, report(name, name, "1"))
		}
		commit(t, state, d)
	}
	text := exposition(t, state, collector.Config{})
	n := 0
	for _, line := range strings.Split(text, "\n") {
		if line != "" && line[0] != '#' {
			n++
		}
	}
	if n > budget {
		t.Errorf("%d series, the budget is %d", n, budget)
	}
	if got := sum(samples(t, text, "dmarc_messages_total")); got != 10*50*12 {
		t.Errorf("%g messages, want %d", got, 10*50*12)
	}
	if got := samples(t, text, "dmarc_series_overflow_total"); got[`dmarc_series_overflow_total{label="domain"}`] == 0 {
		t.Errorf("overflow %v, want some domains", got)
	}
}

// TestHostileLabels exposes names that no text format can hold.
func TestHostileLabels(t *testing.T) {
	state := open(t, tally.Config{})
	commit(t, state, &store.Delivery{Source: "dir:\xff", Entries: []*tally.Entry{
		report("ab\"\n\\{}", "x\xff.example", "1"), report("\u202eevil", "\"}.example", "2"),
	}})
	text := exposition(t, state, collector.Config{})
	if got := samples(t, text, "dmarc_reporter_messages_total"); got[`dmarc_reporter_messages_total{reporter="ab\" \\{}"}`] != 12 {
		t.Errorf("reporters %v", got)
	}
	for line := range samples(t, text, "dmarc_messages_total") {
		if !strings.Contains(line, `domain="other"`) {
			t.Errorf("%s: want the domain other", line)
		}
	}
}

// TestCreated holds that counters say when they began, and histograms too.
func TestCreated(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector.New(filled(t), collector.Config{}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch {
			case m.GetCounter() != nil:
				if got := m.GetCounter().GetCreatedTimestamp().AsTime(); !got.Equal(now) {
					t.Errorf("%s was created %s, want %s", f.GetName(), got, now)
				}
				seen++
			case m.GetHistogram() != nil:
				if got := m.GetHistogram().GetCreatedTimestamp().AsTime(); !got.Equal(now) {
					t.Errorf("%s was created %s, want %s", f.GetName(), got, now)
				}
				seen++
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d counters, want more", seen)
	}
}

// TestDown tells a state file that cannot be written by dmarc_up.
func TestDown(t *testing.T) {
	state := openFile(t, sqlite.File{Path: filepath.Join(t.TempDir(), "state.db"), MaxBytes: 256 << 10}, tally.Config{})
	_, err := state.Commit(context.Background(), &store.Delivery{Entries: many(10_000)})
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("error %v, want ErrFull", err)
	}
	text := exposition(t, state, collector.Config{})
	if got := samples(t, text, "dmarc_up"); got["dmarc_up"] != 0 || len(got) != 1 {
		t.Errorf("up %v, want 0", got)
	}
	if got := sum(samples(t, text, "dmarc_messages_total")); got != 0 {
		t.Errorf("%g messages of a failed commit", got)
	}
}

func many(n int) (all []*tally.Entry) {
	for i := range n {
		all = append(all, report("Example Mail", "shop.example", strconv.Itoa(i)))
	}
	return all
}

// TestLastSuccess remembers what was before the start of the process.
func TestLastSuccess(t *testing.T) {
	state := open(t, tally.Config{})
	commit(t, state, &store.Delivery{Source: "dir:a"})
	text := exposition(t, state, collector.Config{Sources: func() []collector.Source {
		return []collector.Source{{Name: "dir:a"}, {Name: "dir:b"}, {Name: "dir:c", LastSuccess: now.Add(time.Hour)}}
	}})
	got := samples(t, text, "dmarc_source_last_success_timestamp_seconds")
	for name, want := range map[string]time.Time{"a": now, "b": time.Unix(0, 0), "c": now.Add(time.Hour)} {
		if v := got[`dmarc_source_last_success_timestamp_seconds{source="dir:`+name+`"}`]; v != float64(want.Unix()) {
			t.Errorf("source %s: %g, want %d", name, v, want.Unix())
		}
	}
}

func ExampleNew() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	state, err := store.Open(context.Background(), sqlite.File{Path: filepath.Join(dir, "dmarc.db")}, store.Config{Counts: tally.Config{Domains: []string{"shop.example"}}})
	if err != nil {
		panic(err)
	}
	defer state.Close()

	registry := prometheus.NewRegistry()
	registry.MustRegister(collector.New(state, collector.Config{}))
	families, err := registry.Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		if f.GetName() == "dmarc_up" {
			fmt.Println(f.GetName(), f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	// Output: dmarc_up 1
}

// TestTenants exposes what tenants use of the budget; without tenants nothing of it.
func TestTenants(t *testing.T) {
	const family = "dmarc_tenant_series"
	if text := exposition(t, filled(t), collector.Config{}); strings.Contains(text, family) {
		t.Errorf("tenants without a configuration:\n%s", text)
	}
	state := open(t, tally.Config{Tenants: []tally.Tenant{{Name: "acme", Domains: []string{"shop.example"}, Series: 40}, {Name: "bakery", Domains: []string{"news.example"}, Series: 60}}})
	d := &store.Delivery{}
	for i := range 30 {
		d.Entries = append(d.Entries, report(fmt.Sprintf("r%d.example", i), "shop.example", "1"))
	}
	commit(t, state, d)
	text := exposition(t, state, collector.Config{})
	for line, want := range map[string]float64{
		`_limit{tenant="acme"}`: 40, `_limit{tenant="bakery"}`: 60,
		// Three of each of two reporters, and both sides of one sender.
		`{tenant="acme"}`: 8, `{tenant="bakery"}`: 0,
		`_overflow_total{label="reporter",tenant="acme"}`: 28, `_overflow_total{label="source",tenant="acme"}`: 0,
		`_overflow_total{label="signer",tenant="bakery"}`: 0, `_overflow_total{label="reporter",tenant="bakery"}`: 0,
	} {
		name, _, _ := strings.Cut(family+line, "{")
		if got, ok := samples(t, text, name)[family+line]; !ok || got != want {
			t.Errorf("%s%s is %g (there: %t), want %g", family, line, got, ok, want)
		}
	}
}
