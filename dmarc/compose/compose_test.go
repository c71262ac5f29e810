package compose_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/mail"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/compose"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

var day = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

// record is a record as a receiver makes it: n decides what is in it.
func record(n uint64) *dmarc.Record {
	r := rand.New(rand.NewPCG(n, 1))
	pass := dmarc.EvaluationPass
	if r.IntN(3) == 0 {
		pass = dmarc.EvaluationFail
	}
	ip := netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})
	if n%3 == 0 {
		ip = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(n >> 8), 15: byte(n)})
	}
	rec := &dmarc.Record{
		SourceIP: ip, Source: ip.String(), Count: 1, Disposition: dmarc.DispositionPass, DKIM: pass, SPF: dmarc.EvaluationFail,
		HeaderFrom: "garden.example", EnvelopeFrom: fmt.Sprintf("b%d.garden.example", r.IntN(50)),
		AuthDKIM: []dmarc.DKIMAuth{{Domain: "garden.example", Selector: fmt.Sprintf("s%d", r.IntN(9)), Result: dmarc.AuthResult(pass)}},
		AuthSPF:  []dmarc.SPFAuth{{Domain: "b.garden.example", Scope: "mfrom", Result: dmarc.AuthResultSoftFail}},
	}
	if pass == dmarc.EvaluationFail {
		rec.Disposition = dmarc.DispositionQuarantine
		rec.Reasons = []dmarc.OverrideReason{{Type: "policy_test_mode", Comment: "p=reject & t=y <é>"}}
	}
	return rec
}

// report is a report with the rows of a test.
func report(rows *compose.Rows) *compose.Report {
	return &compose.Report{
		Head: dmarc.Report{
			Metadata: dmarc.Metadata{OrgName: "Example Mail", Email: "dmarc@mail.example", ReportID: "2026.1@mail.example", Begin: day, End: day.Add(24*time.Hour - time.Second)},
			Policy:   dmarc.Policy{Domain: "garden.example", P: dmarc.DispositionReject, Testing: "y", DiscoveryMethod: "treewalk"},
		},
		Rows: rows, Submitter: "mail.example", Date: day.Add(30 * time.Hour),
		From: mail.Address{Name: "Example Mail", Address: "dmarc@mail.example"}, To: []mail.Address{{Address: "reports@garden.example"}, {Address: "r@collect.example"}},
	}
}

// read reads mails as any receiver does, and returns the reports in them.
func read(t testing.TB, mails ...*compose.Mail) (reports []*dmarc.Report) {
	t.Helper()
	for _, m := range mails {
		var b bytes.Buffer
		if n, err := m.WriteTo(&b); err != nil || n != int64(b.Len()) {
			t.Fatal(n, err)
		}
		for line := range strings.Lines(b.String()) {
			if !strings.HasSuffix(line, "\r\n") || len(line) > 80 && !strings.HasPrefix(line, "Content-Disposition") {
				t.Errorf("a line of the mail is %q", line)
			}
		}
		found := 0
		err := unpack.NewWalker(unpack.Limits{}).Walk(bytes.NewReader(b.Bytes()), func(d *unpack.Document) error {
			if d.Err != nil || len(d.Warnings) > 0 {
				t.Errorf("unpack: %v, %v", d.Err, d.Warnings)
				return nil
			}
			text, err := io.ReadAll(d.Reader)
			if err != nil {
				return err
			}
			got, err := dmarc.Parse(bytes.NewReader(text))
			if err != nil {
				return fmt.Errorf("%w\n%s", err, text)
			}
			for _, deviation := range dmarc.Validate(got) {
				t.Errorf("%v", deviation)
			}
			found++
			reports = append(reports, got)
			return nil
		})
		if err != nil || found != 1 {
			t.Errorf("%d reports in a mail, error %v", found, err)
		}
	}
	return reports
}

func mails(t testing.TB, r *compose.Report) (all []*compose.Mail) {
	t.Helper()
	if err := r.Mails(func(m *compose.Mail) error { all = append(all, m); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

var equate = cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(dmarc.Record{}, "RawDisposition", "RawDKIM", "RawSPF"), cmpopts.IgnoreFields(dmarc.DKIMAuth{}, "RawResult"), cmpopts.IgnoreFields(dmarc.SPFAuth{}, "RawResult"), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}

// TestMail composes a report of messages and reads it again: equal messages are
// one row, and all sums are there.
func TestMail(t *testing.T) {
	rows := new(compose.Rows)
	defer rows.Close()
	for i := range 300 {
		rec := record(uint64(i % 100))
		rec.Count = int64(i%2 + 1)
		if err := rows.Add(rec); err != nil {
			t.Fatal(err)
		}
	}
	r := report(rows)
	all := mails(t, r)
	if len(all) != 1 {
		t.Fatalf("%d mails, want one", len(all))
	}
	m := all[0]
	if want := "mail.example!garden.example!1795737600!1795823999.xml.gz"; m.Filename != want {
		t.Errorf("file %s, want %s", m.Filename, want)
	}
	if want := "Report Domain: garden.example Submitter: mail.example Report-ID: <2026.1@mail.example>"; m.Subject != want {
		t.Errorf("subject %q, want %q", m.Subject, want)
	}
	got := read(t, m)[0]
	want := r.Head
	for i := range 100 {
		rec := record(uint64(i))
		rec.Count = int64(i%2+1) * 3
		want.Records = append(want.Records, *rec)
	}
	slices.SortFunc(want.Records, func(a, b dmarc.Record) int { return a.SourceIP.Compare(b.SourceIP) })
	if diff := cmp.Diff(want, *got, equate, cmpopts.IgnoreFields(dmarc.Report{}, "Namespace")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	again := mails(t, r)
	var a, b bytes.Buffer
	_, _ = m.WriteTo(&a)
	_, _ = again[0].WriteTo(&b) // Buffers do not fail.
	if a.String() != b.String() {
		t.Error("the same report is another mail when it is composed again")
	}
}

// TestDivided holds that a report that is too large for a mail becomes several,
// each within the limit and with an identifier of its own.
func TestDivided(t *testing.T) {
	rows := new(compose.Rows)
	defer rows.Close()
	const records = 3000
	for i := range records {
		if err := rows.Add(record(uint64(i)<<16 | uint64(i))); err != nil {
			t.Fatal(err)
		}
	}
	r := report(rows)
	whole := mails(t, r)
	var b bytes.Buffer
	_, _ = whole[0].WriteTo(&b)
	for _, limit := range []int64{20 << 10, 32 << 10, int64(b.Len()) / 2, int64(b.Len()) + 100_000} {
		r.MaxBytes = limit
		all := mails(t, r)
		seen, files, sum := map[string]bool{}, map[string]bool{}, int64(0)
		for i, got := range read(t, all...) {
			b.Reset()
			if _, _ = all[i].WriteTo(&b); int64(b.Len()) > limit {
				t.Errorf("limit %d: a mail has %d bytes", limit, b.Len())
			}
			seen[got.Metadata.ReportID], files[all[i].Filename] = true, true
			for _, rec := range got.Records {
				sum += rec.Count
			}
		}
		if sum != records || len(seen) != len(all) || len(files) != len(all) || !seen["2026.1@mail.example"] {
			t.Errorf("limit %d: %d messages in %d mails, identifiers %v", limit, sum, len(all), seen)
		}
		if limit < int64(len(whole))/2 && len(all) < 2 {
			t.Errorf("limit %d: %d mails", limit, len(all))
		}
	}
	r.MaxBytes = 1000
	if err := r.Mails(func(*compose.Mail) error { return nil }); !errors.Is(err, compose.ErrTooLarge) {
		t.Errorf("got %v, want %v", err, compose.ErrTooLarge)
	}
}

// TestSpill holds that rows that go to files are the rows that stay in memory,
// and that no file is left.
func TestSpill(t *testing.T) {
	dir := t.TempDir()
	small, large := &compose.Rows{Memory: 40_000, Dir: dir}, new(compose.Rows)
	r := rand.New(rand.NewPCG(3, 4))
	for range 4000 {
		rec := record(r.Uint64N(2000))
		rec.Count = 1 + r.Int64N(5)
		if err := errors.Join(small.Add(rec), large.Add(rec)); err != nil {
			t.Fatal(err)
		}
	}
	collect := func(rows *compose.Rows) (all []dmarc.Record) {
		if err := rows.Each(func(rec *dmarc.Record) error { all = append(all, rec.Clone()); return nil }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if files, _ := os.ReadDir(dir); len(files) < 5 {
		t.Errorf("%d files, want some", len(files))
	}
	want := collect(large)
	for range 2 { // Each can be called again.
		if diff := cmp.Diff(want, collect(small), equate); diff != "" {
			t.Fatalf("-memory +files:\n%s", diff)
		}
	}
	if err := errors.Join(small.Close(), large.Close()); err != nil {
		t.Error(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("%d files are left", len(files))
	}
}

// TestRefused holds what cannot be composed.
func TestRefused(t *testing.T) {
	rows := new(compose.Rows)
	for _, count := range []int64{0, -1} {
		if err := rows.Add(&dmarc.Record{Count: count}); err == nil {
			t.Errorf("a record with the count %d was added", count)
		}
	}
	send := func(*compose.Mail) error { t.Error("a mail"); return nil }
	if err := report(rows).Mails(send); err == nil {
		t.Error("a report without records")
	}
	rec := record(1)
	for range 3 {
		rec.Count = math.MaxInt64 - 1
		if err := rows.Add(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Each(func(rec *dmarc.Record) error {
		if rec.Count != math.MaxInt64 {
			t.Errorf("the sum is %d", rec.Count)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	r := report(rows)
	r.Head.Metadata.Email = ""
	var deviation dmarc.Deviation
	if err := r.Mails(send); !errors.As(err, &deviation) {
		t.Errorf("without an address: %v", err)
	}
	r = report(rows)
	r.Submitter = "mail.example\r\nBcc: x@y.example"
	err := r.Mails(func(m *compose.Mail) error { _, err := m.WriteTo(io.Discard); return err })
	if err == nil {
		t.Error("a field was added to the mail")
	}
}
