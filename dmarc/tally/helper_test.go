package tally

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// now is the clock of these tests.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// entry returns a report of one day with 10 messages, 7 of them aligned.
func entry(change func(*Entry)) *Entry {
	begin := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	e := &Entry{
		Identity: Identity{
			Kind: unpack.KindAggregate, Org: "Example Mail", Email: "dmarc@mail.example", Domain: "shop.example", ReportID: "1",
			Begin: begin, End: begin.Add(24*time.Hour - time.Second),
		},
		Digest: [8]byte{1}, Records: 2, Messages: 10, PassMessages: 7,
		Dispositions: map[string]int64{"none": 7, "reject": 3},
		Groups: map[Group]int64{
			{Domain: "shop.example", Disposition: "none", DKIM: true, SPF: true, Class: ClassAlignedBoth}: 7,
			{Domain: "shop.example", Disposition: "reject", Class: ClassUnauthenticated}:                  3,
		},
		Policy: dmarc.Policy{Domain: "shop.example", P: dmarc.DispositionReject},
	}
	if change != nil {
		change(e)
	}
	return e
}

// tlsEntry returns a TLS report with 5 sessions, one of them failed.
func tlsEntry() *Entry {
	return &Entry{
		Identity: Identity{
			Kind: unpack.KindTLS, Org: "TLS Org", Domain: "shop.example", ReportID: "t",
			Begin: now.Add(-48 * time.Hour), End: now.Add(-24 * time.Hour),
		},
		Records: 1, Messages: 5, PassMessages: 4,
		TLS: []Sessions{{Domain: "shop.example", Policy: "sts", Successful: 4, Failed: 1}},
	}
}

// failureEntry returns a failure report with two incidents.
func failureEntry() *Entry {
	return &Entry{
		Identity: Identity{Kind: unpack.KindFailure, Org: "f.example", Domain: "shop.example", ReportID: "f", Begin: now, End: now},
		Records:  1, Messages: 2, AuthFailure: "dmarc",
	}
}

func path(t testing.TB) string { return filepath.Join(t.TempDir(), "state.db") }

func open(t testing.TB, path string, config Config) *Tally {
	t.Helper()
	if config.Now == nil {
		config.Now = func() time.Time { return now }
	}
	tally, err := Open(path, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, tally) })
	return tally
}

func shut(t testing.TB, tally *Tally) {
	t.Helper()
	if err := tally.Close(); err != nil {
		t.Error(err)
	}
}

func commit(t testing.TB, tally *Tally, d *Delivery) []Outcome {
	t.Helper()
	results, err := tally.Commit(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []Outcome
	for _, r := range results {
		outcomes = append(outcomes, r.Outcome)
	}
	return outcomes
}

// sums returns a family as "label,label" → value, without zeros.
func sums(s *Snapshot, f Family) map[string]int64 {
	all := map[string]int64{}
	for _, series := range s.Series[f] {
		if series.Value != 0 {
			all[strings.Join(series.Labels, ",")] = series.Value
		}
	}
	return all
}

// total adds up a family.
func total(s *Snapshot, f Family) (n int64) {
	for _, series := range s.Series[f] {
		n += series.Value
	}
	return n
}
