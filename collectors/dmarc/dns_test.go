package dmarc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
)

// zone answers by name; an error is one of the server.
type zone map[string][]string

var errServer = &net.DNSError{Err: "server misbehaving", IsTemporary: true}

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	texts, ok := z[name]
	switch {
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	case texts == nil:
		return nil, errServer
	}
	return texts, nil
}

// TestDNS follows a record through its life.
func TestDNS(t *testing.T) {
	z := zone{"_dmarc.example.com.": {"v=DMARC1; p=none; rua=mailto:a@example.com"}}
	d := collector.NewDNS(z, []string{"Example.com.", "example.com", "bare.example"}, collector.DNSConfig{})
	want := func(step string, lines ...string) {
		t.Helper()
		var b strings.Builder
		for _, line := range lines {
			b.WriteString(line + "\n")
		}
		names := []string{"dmarc_dns_policy_info"}
		head := "# HELP dmarc_dns_policy_info Policy that a domain publishes in the DNS as far as the last answer said, as labels; absent tags are empty.\n" +
			"# TYPE dmarc_dns_policy_info gauge\n"
		if len(lines) == 0 {
			head = ""
		}
		if err := testutil.CollectAndCompare(d, strings.NewReader(head+b.String()), names...); err != nil {
			t.Errorf("%s: %v", step, err)
		}
	}
	changes := func(step string, n float64) {
		t.Helper()
		if got := sample(t, d, "dmarc_dns_policy_changes_total", "example.com"); got != n {
			t.Errorf("%s: %g changes, want %g", step, got, n)
		}
	}
	want("before the first lookup")
	d.Lookup(t.Context())
	none := `dmarc_dns_policy_info{adkim="",aspf="",domain="example.com",np="",p="none",sp="",testing=""} 1`
	want("first", none)
	changes("first", 0)

	z["_dmarc.example.com."] = []string{"some other text", "v=DMARC1; p=none; rua=mailto:a@example.com"}
	d.Lookup(t.Context())
	want("a foreign record beside", none)
	changes("a foreign record beside", 0)

	z["_dmarc.example.com."] = nil
	d.Lookup(t.Context())
	want("a server that fails", none)
	changes("a server that fails", 0)

	z["_dmarc.example.com."] = []string{"v=DMARC1; p=reject; sp=quarantine; np=reject; adkim=s; aspf=r; t=y"}
	d.Lookup(t.Context())
	want("another", `dmarc_dns_policy_info{adkim="s",aspf="r",domain="example.com",np="reject",p="reject",sp="quarantine",testing="y"} 1`)
	changes("another", 1)

	z["_dmarc.example.com."] = []string{"v=DMARC1; p=reject", "v=DMARC1; p=none"}
	d.Lookup(t.Context())
	want("two")
	z["_dmarc.example.com."] = []string{"v=DMARC1; p=none", "v=DMARC1; p=reject"}
	d.Lookup(t.Context())
	changes("two, turned around", 2)

	delete(z, "_dmarc.example.com.")
	d.Lookup(t.Context())
	want("gone")
	changes("gone", 3)
	for result, n := range map[string]float64{"found": 3, "failed": 1, "invalid": 2, "absent": 1} {
		if got := sample(t, d, "dmarc_dns_lookups_total", "example.com", result); got != n {
			t.Errorf("%g lookups %s, want %g", got, result, n)
		}
	}
	if got := sample(t, d, "dmarc_dns_lookups_total", "bare.example", "absent"); got != 7 {
		t.Errorf("%g lookups absent, want 7", got)
	}
	if problems, err := testutil.CollectAndLint(d); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	if got := sample(t, d, "dmarc_dns_last_success_timestamp_seconds", "example.com"); time.Since(time.Unix(int64(got), 0)) > time.Hour {
		t.Errorf("last success %g", got)
	}
}

// sample returns the sample of a metric with exactly these label values.
func sample(t *testing.T, d *collector.DNS, name string, labels ...string) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(d)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetValue())
			}
			if f.GetName() == name && strings.Join(have, ",") == strings.Join(labels, ",") {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no sample of %s with %v", name, labels)
	return 0
}

// silent is a resolver that never answers.
type silent struct{}

func (silent) LookupTXT(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestDNSSilence goes on after a lookup that nobody answers, and ends with its context.
func TestDNSSilence(t *testing.T) {
	d := collector.NewDNS(silent{}, []string{"example.com"}, collector.DNSConfig{Timeout: time.Millisecond, Every: time.Millisecond})
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan struct{})
	go func() {
		d.Run(ctx)
		close(done)
	}()
	for sample(t, d, "dmarc_dns_lookups_total", "example.com", "failed") < 3 {
		time.Sleep(time.Millisecond)
	}
	cancel(errors.New("enough"))
	<-done
	if got := sample(t, d, "dmarc_dns_last_success_timestamp_seconds", "example.com"); got != 0 {
		t.Errorf("last success %g, want 0", got)
	}
}

// TestDNSChange looks up new domains at once, and keeps what is known of those that
// stay. The first resolver answers one domain and then no more.
func TestDNSChange(t *testing.T) {
	first := newStuck(zone{"_dmarc.a.example.": {"v=DMARC1; p=none"}})
	d := collector.NewDNS(first, []string{"a.example", "b.example", "c.example"}, collector.DNSConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		d.Run(ctx)
		close(done)
	}()
	if asked := <-first.asked; asked != "_dmarc.b.example." {
		t.Errorf("asked for %s", asked)
	}
	second := newStuck(zone{"_dmarc.n.example.": {"v=DMARC1; p=reject"}})
	d.Change(collector.NewDNS(second, []string{"n.example", "a.example", "z.example"}, collector.DNSConfig{}))
	if got := sample(t, d, "dmarc_dns_lookups_total", "a.example", "found"); got != 1 {
		t.Errorf("%g lookups of a.example, want the one of before", got)
	}
	first.leave <- struct{}{}
	// It is the second resolver that is asked for what it does not know.
	if asked := <-second.asked; asked != "_dmarc.a.example." {
		t.Errorf("asked for %s", asked)
	}
	cancel()
	<-done
	if families, err := testutil.CollectAndFormat(d, expfmt.TypeTextPlain, "dmarc_dns_lookups_total"); err != nil || strings.Contains(string(families), "b.example") {
		t.Errorf("there are lookups of a domain that is gone, or %v", err)
	}
	if !d.Watches() {
		t.Error("nothing is watched")
	}
	d.Change(collector.NewDNS(second, nil, collector.DNSConfig{}))
	if d.Watches() {
		t.Error("something is watched")
	}
}

// stuck answers what it knows. For others it names what was asked for, and waits
// for leave to answer.
type stuck struct {
	zone
	asked chan string
	leave chan struct{}
}

func newStuck(z zone) stuck { return stuck{z, make(chan string, 1), make(chan struct{})} }

func (s stuck) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if _, ok := s.zone[name]; ok {
		return s.zone.LookupTXT(ctx, name)
	}
	s.asked <- name
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.leave:
		return nil, errServer
	}
}

func ExampleNewDNS() {
	// A program gives net.DefaultResolver instead, and calls Run beside its server.
	resolver := zone{"_dmarc.example.com.": {"v=DMARC1; p=reject"}}
	d := collector.NewDNS(resolver, []string{"example.com"}, collector.DNSConfig{})
	d.Lookup(context.Background())
	families, err := testutil.CollectAndFormat(d, expfmt.TypeTextPlain, "dmarc_dns_policy_info")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(families))
	// Output:
	// # HELP dmarc_dns_policy_info Policy that a domain publishes in the DNS as far as the last answer said, as labels; absent tags are empty.
	// # TYPE dmarc_dns_policy_info gauge
	// dmarc_dns_policy_info{adkim="",aspf="",domain="example.com",np="",p="reject",sp="",testing=""} 1
}

func ExampleDNS_Change() {
	resolver := zone{"_dmarc.example.com.": {"v=DMARC1; p=reject"}, "_dmarc.shop.example.": {"v=DMARC1; p=none"}}
	d := collector.NewDNS(resolver, []string{"example.com"}, collector.DNSConfig{})
	d.Change(collector.NewDNS(resolver, []string{"example.com", "shop.example"}, collector.DNSConfig{}))
	d.Lookup(context.Background()) // Run does that at once.
	fmt.Println(testutil.CollectAndCount(d, "dmarc_dns_policy_info"))
	// Output: 2
}
