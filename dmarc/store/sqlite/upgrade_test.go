package sqlite

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// old writes a state file of another version.
func old(t testing.TB, name string) (file string) {
	t.Helper()
	packed, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	r, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	file = path(t)
	if err := errors.Join(err, os.WriteFile(file, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	return file
}

// describe writes everything that a snapshot shows, but sizes, as sorted lines.
func describe(s *tally.Snapshot) string {
	var lines []string
	for f, all := range s.Series {
		for _, x := range all {
			lines = append(lines, fmt.Sprintf("series %s %q %d %d", f, x.Labels, x.Value, x.Created.UnixMilli()))
		}
	}
	for _, w := range s.Windows {
		lines = append(lines, fmt.Sprintf("window %s %s %s %d", w.Domain, w.Window, w.Class, w.Messages))
	}
	for _, d := range s.Domains {
		policy, _ := json.Marshal(d.Policy)
		lines = append(lines, fmt.Sprintf("domain %s %d %s", d.Name, d.LastEnd.UnixMilli(), policy))
	}
	for source, last := range s.LastDelivery {
		lines = append(lines, fmt.Sprintf("source %s %d", source, last.UnixMilli()))
	}
	lines = append(lines, fmt.Sprintf("identities %d generation %s created %d", s.Identities, s.Generation, s.Created.UnixMilli()))
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// since leaves out the series that later versions begin at 0.
func since(want, got string) string {
	var lines []string
	for line := range strings.Lines(got) {
		fields := strings.Fields(line)
		if fields[0] != "series" || fields[len(fields)-2] != "0" || strings.Contains(want, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestUpgrade opens a state file of version 0.1.0: every number is as it was,
// nothing counts again, and the old file is kept beside.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	file := old(t, "v0.1.0.db.gz")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/v0.1.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	config := tally.Config{Signers: true, CountConflicts: true}
	s := storetest.Open(t, File{Path: file}, config)
	if diff := cmp.Diff(string(want), since(string(want), describe(s.Snapshot()))); diff != "" {
		t.Errorf("snapshot (-before +after):\n%s", diff)
	}
	if kept, err := os.ReadFile(file + oldSuffix); err != nil || !slices.Equal(kept, before) {
		t.Errorf("the old file was changed or lost: %v", err)
	}
	var all []*store.Delivery
	for i := range 900 {
		all = append(all, unique(i))
	}
	results, err := s.CommitAll(t.Context(), all...)
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		for _, r := range result {
			if r.Outcome != tally.OutcomeDuplicate {
				t.Fatalf("outcome %s of report %d, want duplicate", r.Outcome, i)
			}
		}
		if mark, _ := storetest.Mark(t, s, "dir:b", fmt.Sprintf("f\xff%d", i)); mark != fmt.Sprint("m", i) {
			t.Fatalf("mark %q of input %d", mark, i)
		}
		if mark, ok := storetest.Mark(t, s, "dir:b", fmt.Sprint("try", i)); ok {
			t.Fatalf("an attempt became the mark %q", mark)
		}
	}
	if mark, _ := storetest.Mark(t, s, "imap:x", "1.2"); mark != "moved\x00syntax" {
		t.Errorf("mark %q", mark)
	}
	messages := storetest.Sums(s.Snapshot(), tally.Messages)
	storetest.Close(t, s)
	s = storetest.Open(t, File{Path: file}, config)
	if diff := cmp.Diff(messages, storetest.Sums(s.Snapshot(), tally.Messages)); diff != "" {
		t.Errorf("messages after a restart (-want +got):\n%s", diff)
	}
}

// unique returns the delivery i of the old file.
func unique(i int) *store.Delivery {
	e := storetest.Unique(i + 10)
	e.End = e.End.AddDate(0, 0, -i%40)
	d := storetest.Of(e)
	if i%9 == 0 {
		other := *e
		other.Digest[7]++
		d.Entries = append(d.Entries, &other)
	}
	return d
}

// TestUpgradeOlder opens a file of the schema before that of 0.1.0.
func TestUpgradeOlder(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, File{Path: old(t, "schema1.db.gz")}, tally.Config{})
	if got := s.Snapshot(); storetest.Total(got, tally.Messages) != 1000 || got.Identities != 102 {
		t.Errorf("%d messages and %d identities, want 1000 and 102", storetest.Total(got, tally.Messages), got.Identities)
	}
}

// TestUpgradeInterrupted goes on after a crash at any step.
func TestUpgradeInterrupted(t *testing.T) {
	t.Parallel()
	file := old(t, "v0.1.0.db.gz")
	if err := errors.Join(os.WriteFile(file+".new", []byte("half"), 0o600), os.Link(file, file+oldSuffix)); err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, File{Path: file}, tally.Config{Signers: true})
	if got := s.Snapshot().Identities; got != 1004 {
		t.Errorf("%d identities", got)
	}
}

// TestUpgradeLocked does not touch the file of an exporter of version 0.1.0 that runs.
func TestUpgradeLocked(t *testing.T) {
	t.Parallel()
	file := old(t, "v0.1.0.db.gz")
	held, err := hold(file, os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	wantError(t, tryOpen(file), file, store.ErrLocked, "stop the other process")
	if _, err := os.Stat(file + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a new file was begun: %v", err)
	}
}

// TestUpgradeDamaged flips bits in an old file: either all of it is taken over
// as it was, because the bit was in a free page, or it is damaged and stays.
func TestUpgradeDamaged(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile(old(t, "v0.1.0.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/v0.1.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	opened := 0
	for range tears(t) / 3 {
		data := slices.Clone(good)
		at := random.IntN(len(data))
		data[at] ^= 1 << random.IntN(8)
		file := path(t)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := storetest.TryOpen(File{Path: file}, tally.Config{Signers: true, CountConflicts: true})
		if err != nil {
			wantError(t, err, file, nil, "")
		} else {
			opened++
			if got := since(string(want), describe(s.Snapshot())); got != string(want) {
				// Of the two meta pages the older one may be the one that is whole.
				t.Logf("damage at %d: the transaction before", at)
			}
			storetest.Close(t, s)
		}
		if t.Failed() {
			t.Fatalf("seed %d, damage at %d", seed, at)
		}
	}
	t.Logf("%d opened", opened)
}
