package sender

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// recordOf makes a record of a line of testdata/records.tsv: the address, the
// From domain, DKIM and SPF results as domain=result.
func recordOf(t testing.TB, address, from, dkim, spf string) *dmarc.Record {
	t.Helper()
	rec := &dmarc.Record{HeaderFrom: from, DKIM: dmarc.EvaluationFail, SPF: dmarc.EvaluationFail}
	if a, err := netip.ParseAddr(address); err == nil {
		rec.SourceIP = a
	}
	aligned := func(domain, result string) bool {
		return result == "pass" && (domain == from || strings.HasSuffix(domain, "."+from) || strings.HasSuffix(from, "."+domain))
	}
	for one := range strings.FieldsSeq(strings.ReplaceAll(dkim, ",", " ")) {
		domain, result, _ := strings.Cut(one, "=")
		rec.AuthDKIM = append(rec.AuthDKIM, dmarc.DKIMAuth{Domain: domain, Result: dmarc.AuthResult(result)})
		if aligned(domain, result) {
			rec.DKIM = dmarc.EvaluationPass
		}
	}
	for one := range strings.FieldsSeq(strings.ReplaceAll(spf, ",", " ")) {
		domain, result, _ := strings.Cut(one, "=")
		rec.AuthSPF = append(rec.AuthSPF, dmarc.SPFAuth{Domain: domain, Result: dmarc.AuthResult(result)})
		if aligned(domain, result) {
			rec.SPF = dmarc.EvaluationPass
		}
	}
	return rec
}

// shown returns the name of a sender as a report shows it.
func shown(s store.Sender, rec *dmarc.Record) string {
	for _, name := range []string{s.Network, s.Authenticated, s.Guess, s.ASName} {
		if name != "" {
			return name
		}
	}
	if rec.Aligned() || tally.ClassOf(rec) == tally.ClassUnaligned {
		return store.SenderOwn
	}
	return store.SenderUnauthenticated
}

// TestRecords names the senders of a table that was made by hand, of which the
// last columns are the name in a report and the label. It holds precision and
// recall: of the names of services that were given how many are right, and of
// those that there are how many were given.
func TestRecords(t *testing.T) {
	file, err := os.Open("testdata/records.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	names, err := New(Config{Networks: []Network{{"office", prefixes("192.0.2.0/28")}}})
	if err != nil {
		t.Fatal(err)
	}
	isService := map[string]bool{}
	for _, name := range services() {
		isService[name] = true
	}
	var rows, given, right, there int
	in := bufio.NewScanner(file)
	for in.Scan() {
		if strings.HasPrefix(in.Text(), "#") {
			continue
		}
		cells := strings.Split(in.Text(), "\t")
		if len(cells) != 6 {
			t.Fatalf("row %q", in.Text())
		}
		rows++
		rec := recordOf(t, cells[0], cells[1], cells[2], cells[3])
		got, label := shown(names.Of(rec), rec), names.Label(rec)
		if got != cells[4] || label != cells[5] {
			t.Errorf("%s: %s with label %s", in.Text(), got, label)
		}
		if isService[got] {
			given++
			if got == cells[4] {
				right++
			}
		}
		if isService[cells[4]] {
			there++
		}
	}
	precision, recall := float64(right)/float64(given), float64(right)/float64(there)
	t.Logf("%d records: precision %.3f, recall %.3f", rows, precision, recall)
	if rows < 200 || precision < 0.99 || recall < 0.97 {
		t.Errorf("%d records, precision %.3f and recall %.3f, want 200, 0.99 and 0.97", rows, precision, recall)
	}
}

// TestServices holds the list to its form: names that are labels, domains once,
// and where each is from.
func TestServices(t *testing.T) {
	seen, names := map[string]string{}, map[string]bool{}
	for i, line := range strings.Split(strings.TrimSpace(knownServices), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(line, "\t")
		if len(cells) != 3 {
			t.Fatalf("line %d: %d columns, want the name, domains and where they are from", i+1, len(cells))
		}
		if cells[0] == "" || strings.ToLower(cells[0]) != cells[0] || strings.ContainsAny(cells[0], " -.") || checkName(cells[0]) != nil || names[cells[0]] {
			t.Errorf("line %d: name %q", i+1, cells[0])
		}
		if kind, what, _ := strings.Cut(cells[2], ": "); what == "" || kind != "guide" && kind != "default" && kind != "spf" {
			t.Errorf("line %d: %q says not where it is from", i+1, cells[2])
		}
		names[cells[0]] = true
		for domain := range strings.FieldsSeq(cells[1]) {
			if seen[domain] != "" || strings.ToLower(domain) != domain || !strings.Contains(domain, ".") {
				t.Errorf("line %d: domain %q, which is also of %q", i+1, domain, seen[domain])
			}
			seen[domain] = cells[0]
		}
	}
	for _, n := range parseNetworks(knownNetworks) {
		if !names[n.Name] {
			t.Logf("%s is a network and no service", n.Name)
		}
	}
	if len(names) < 150 {
		t.Errorf("%d services, want at least 150", len(names))
	}
}

// TestHostileDomains names no label after a domain that a report chose.
func TestHostileDomains(t *testing.T) {
	names, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, domain := range []string{"evil.example", "sendgrid.net.evil.example", "co.uk", "com", "", "..", "\x1b[31m.example", strings.Repeat("a", 5000) + ".example"} {
		rec := recordOf(t, "203.0.113.1", "shop.example", "", "")
		rec.AuthSPF = []dmarc.SPFAuth{{Domain: domain, Result: dmarc.AuthResultPass}}
		if got := names.Label(rec); got != tally.Other && got != store.SenderOwn {
			t.Errorf("%q: label %q", domain, got)
		}
	}
	for i := range maxRemembered + 10 {
		names.domain(fmt.Sprint(i, ".example"))
	}
	remembered := 0
	names.domains.Range(func(any, any) bool { remembered++; return true })
	if remembered > maxRemembered {
		t.Errorf("%d domains are remembered", remembered)
	}
}

func BenchmarkLabel(b *testing.B) {
	names, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	rec := recordOf(b, "203.0.113.1", "shop.example", "shop.example=pass,sendgrid.net=pass", "em1.shop.example=pass")
	b.ReportAllocs()
	for b.Loop() {
		names.Label(rec)
	}
}
