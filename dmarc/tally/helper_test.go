package tally

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
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

// file is what a store would keep.
type file struct {
	sums       map[SeriesKey]SumRow
	days       map[dayKey]DayRow
	domains    map[string]DomainRow
	names      map[NameRow]bool
	sources    map[string]SourceRow
	identities map[Key][]byte
	expired    int64
}

func path(testing.TB) *file {
	return &file{
		map[SeriesKey]SumRow{}, map[dayKey]DayRow{}, map[string]DomainRow{}, map[NameRow]bool{}, map[string]SourceRow{}, map[Key][]byte{}, -1,
	}
}

// copy returns a file with the same rows.
func (f *file) copy() *file {
	return &file{
		maps.Clone(f.sums), maps.Clone(f.days), maps.Clone(f.domains), maps.Clone(f.names), maps.Clone(f.sources),
		maps.Clone(f.identities), f.expired,
	}
}

// load returns all rows.
func (f *file) load() *Rows {
	return &Rows{
		Sums: slices.Collect(maps.Values(f.sums)), Days: slices.Collect(maps.Values(f.days)), Domains: slices.Collect(maps.Values(f.domains)),
		Names: slices.Collect(maps.Keys(f.names)), Sources: slices.Collect(maps.Values(f.sources)), Expired: f.expired,
	}
}

// save keeps the changes of a delta, as far as they agree with what was kept before.
func (f *file) save(t testing.TB, d *Delta) {
	t.Helper()
	rows := d.Changes()
	for _, r := range rows.Sums {
		if before, ok := f.sums[r.Key]; before.Value+r.Added != r.Value || ok == r.New {
			t.Errorf("sum %+v after %+v", r, before)
		}
		f.sums[r.Key] = r
	}
	for _, r := range rows.Days {
		k := dayKey{r.Day, r.Domain, r.Class}
		if before, ok := f.days[k]; before.Messages+r.Added != r.Messages || ok == r.New {
			t.Errorf("day %+v after %+v", r, before)
		}
		r.New = false
		f.days[k] = r
	}
	for _, r := range rows.Domains {
		f.domains[r.Domain] = r
	}
	for _, r := range rows.Names {
		f.names[r] = true
	}
	for _, r := range rows.Sources {
		f.sources[r.Source] = r
	}
	for _, r := range rows.Identities {
		if before := f.identities[r.Key]; !bytes.Equal(before, r.Before) {
			t.Errorf("identity %x was %x, not %x", r.Key, before, r.Before)
		}
		f.identities[r.Key] = r.Digests
	}
	oldest, n := d.OldestDay()
	maps.DeleteFunc(f.days, func(k dayKey, _ DayRow) bool {
		if k.day < oldest {
			n--
		}
		return k.day < oldest
	})
	if n != 0 {
		t.Errorf("%d rows of days more are to be dropped than there are", n)
	}
	f.expired = rows.Expired
}

// book is a Tally and its file.
type book struct {
	*Tally
	file *file
}

func open(t testing.TB, f *file, config Config) *book {
	t.Helper()
	if config.Now == nil {
		config.Now = func() time.Time { return now }
	}
	b := &book{New(config), f}
	if err := b.Load(f.load()); err != nil {
		t.Fatal(err)
	}
	d := b.Begin()
	d.BeginSeries()
	f.save(t, d)
	b.Apply(d)
	return b
}

// delivery is what a source hands to a store.
type delivery struct {
	entries []*Entry
	refused []dmarc.Reason
	auth    string
}

func commit(t testing.TB, b *book, d *delivery) []Outcome {
	t.Helper()
	delta := b.Begin()
	for _, e := range d.entries {
		n, own := 0, e.Key()
		for key, digests := range b.file.identities {
			if key == own || key.Twins() == own.Twins() && n < MaxTwins {
				delta.Know(key, digests)
				n++
			}
		}
	}
	var outcomes []Outcome
	for _, e := range d.entries {
		result := delta.Recognise(e)
		if got := delta.Count(e); got != result {
			t.Errorf("Recognise says %v, Count %v", result, got)
		}
		outcomes = append(outcomes, result.Outcome)
		if d.auth != "" {
			delta.Authenticate(d.auth)
		}
	}
	for _, reason := range d.refused {
		delta.Refuse(reason)
		if d.auth != "" {
			delta.Authenticate(d.auth)
		}
	}
	b.file.save(t, delta)
	b.Apply(delta)
	return outcomes
}

// sumsOf returns a family as "label,label" → value, without zeros.
func sumsOf(s *Snapshot, f Family) map[string]int64 {
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

// unique returns a report that is no twin of any other.
func unique(i int) *Entry {
	return entry(func(e *Entry) { e.ReportID, e.Digest = fmt.Sprint(i), [8]byte{byte(i), byte(i >> 8), byte(i >> 16)} })
}
