package tally

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

func TestAdd(t *testing.T) {
	const most = text.MostCounted
	for _, tt := range []struct{ sum, n, want int64 }{
		{0, 0, 0},
		{1, 2, 3},
		{1, -2, 1},
		{most - 1, 1, most},
		{most - 1, 2, most},
		{most, 1, most},
		{most - 2, 1, most - 1},
		{0, math.MaxInt64, most},
		{most, math.MaxInt64, most},
		{math.MaxInt64, 1, math.MaxInt64},
		{0, math.MinInt64, 0},
	} {
		if got := Add(tt.sum, tt.n); got != tt.want {
			t.Errorf("%d + %d is %d, want %d", tt.sum, tt.n, got, tt.want)
		}
	}
}

// holds holds what every snapshot must be: no counter below what it was, no
// window below 0 or above its counter.
func holds(t *testing.T, s *Snapshot, before map[SeriesKey]int64) {
	t.Helper()
	for family, all := range s.Series {
		for _, series := range all {
			k := KeyOf(family, series.Labels...)
			if series.Value < before[k] || series.Value > text.MostCounted {
				t.Fatalf("%q is %d after %d", k, series.Value, before[k])
			}
			before[k] = series.Value
		}
	}
	for _, w := range s.Windows {
		if most := before[KeyOf(ClassMessages, w.Domain, string(w.Class))]; w.Messages < 0 || w.Messages > most {
			t.Fatalf("window %+v of a counter at %d", w, most)
		}
	}
	if s.Delay.Sum < 0 || s.Delay.Count > text.MostCounted {
		t.Fatalf("delay %+v", s.Delay)
	}
}

// TestSumsEnd sends reports that overflow every sum, of one day and of a month:
// counters stay at their end, windows with them, in memory and in the file.
func TestSumsEnd(t *testing.T) {
	file := path(t)
	tally := open(t, file, Config{Signers: true})
	before := map[SeriesKey]int64{}
	for i := range 12 {
		e := unique(i)
		if i%2 == 1 {
			e.Begin = e.Begin.AddDate(0, 0, -i)
		}
		for g := range e.Groups {
			e.Groups[g] = math.MaxInt64 / 2
		}
		e.Messages, e.Signers = math.MaxInt64/2, map[Signer]SignerSums{{From: "shop.example"}: {math.MaxInt64, math.MaxInt64}}
		session := tlsEntry()
		session.ReportID, session.Digest[1], session.TLS[0].Failed = fmt.Sprint(i), byte(i), math.MaxInt64
		commit(t, tally, &delivery{entries: []*Entry{e, session}})
		holds(t, tally.Snapshot(), before)
		tally = open(t, file, Config{Signers: true})
		holds(t, tally.Snapshot(), before)
	}
	if got := window(t, tally); got != [3]int64{text.MostCounted, text.MostCounted, text.MostCounted} {
		t.Errorf("windows %v, want all at their end", got)
	}
	if got := sumsOf(tally.Snapshot(), ReporterMessages)["Example Mail"]; got != text.MostCounted {
		t.Errorf("%d messages of the reporter, want %d", got, text.MostCounted)
	}
}

// TestOverflownDays loads what versions without an end of sums have kept.
func TestOverflownDays(t *testing.T) {
	file := path(t)
	commit(t, open(t, file, Config{}), &delivery{entries: []*Entry{entry(nil)}})
	for k, row := range file.days {
		row.Messages = -8_900_000_000_000_000_000
		file.days[k] = row
	}
	if got := window(t, open(t, file, Config{})); got != [3]int64{7, 7, 7} {
		t.Errorf("windows %v, want no more than the counter of 7", got)
	}
}

// TestAbsurd refuses reports that claim more than a record or a report can have.
func TestAbsurd(t *testing.T) {
	tls := func(successful, failed, explained int64) string {
		return fmt.Sprintf(`{"organization-name":"a","report-id":"r","date-range":{"start-datetime":"2026-11-23T00:00:00Z",
			"end-datetime":"2026-11-23T23:59:59Z"},"policies":[{"policy":{"policy-type":"sts","policy-domain":"shop.example"},
			"summary":{"total-successful-session-count":%d,"total-failure-session-count":%d},
			"failure-details":[{"result-type":"dane-required","failed-session-count":%d}]}]}`, successful, failed, explained)
	}
	records := func(counts ...int) string {
		var all []string
		for _, n := range counts {
			all = append(all, record(n, "none", "pass", "pass", "shop.example", "", ""))
		}
		return aggregate(all...)
	}
	for _, tt := range []struct {
		name   string
		kind   unpack.Kind
		text   string
		limits Limits
		absurd bool
	}{
		{"record at the limit", unpack.KindAggregate, records(10), Limits{RecordMessages: 10}, false},
		{"record beyond it", unpack.KindAggregate, records(11), Limits{RecordMessages: 10}, true},
		{"report at the limit", unpack.KindAggregate, records(10, 10), Limits{ReportMessages: 20}, false},
		{"report beyond it", unpack.KindAggregate, records(10, 11), Limits{ReportMessages: 20}, true},
		{"record at the default", unpack.KindAggregate, records(100_000_000), Limits{}, false},
		{"record beyond the default", unpack.KindAggregate, records(100_000_001), Limits{}, true},
		{"report at the default", unpack.KindAggregate, records(100e6, 100e6, 100e6, 100e6, 100e6, 100e6, 100e6, 100e6, 100e6, 100e6), Limits{}, false},
		{"report beyond the default", unpack.KindAggregate, records(100e6, 100e6, 100e6, 100e6, 100e6, 100e6, 100e6, 100e6, 100e6, 100e6, 1), Limits{}, true},
		{"the largest count", unpack.KindAggregate, records(1e12), Limits{}, true},
		{"sessions at the limit", unpack.KindTLS, tls(5, 5, 5), Limits{RecordMessages: 10}, false},
		{"sessions beyond it", unpack.KindTLS, tls(6, 5, 5), Limits{RecordMessages: 10}, true},
		{"sessions of a report beyond it", unpack.KindTLS, tls(6, 5, 5), Limits{ReportMessages: 10}, true},
		{"explained sessions beyond it", unpack.KindTLS, tls(1, 1, 11), Limits{RecordMessages: 10}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reader := &Reader{Limits: tt.limits}
			e, err := reader.Read(&unpack.Document{Kind: tt.kind, Reader: strings.NewReader(tt.text)})
			var refusal *dmarc.Error
			if got := errors.As(err, &refusal) && refusal.Reason == dmarc.ReasonAbsurd; got != tt.absurd || (e == nil) != tt.absurd {
				t.Errorf("entry %v, error %v, want absurd %t", e != nil, err, tt.absurd)
			}
		})
	}
}

// TestWorkOfAnInput bounds what the reports of an input cost together.
func TestWorkOfAnInput(t *testing.T) {
	document := func() *unpack.Document {
		return &unpack.Document{Kind: unpack.KindAggregate, Reader: strings.NewReader(aggregate(record(1, "none", "pass", "pass", "shop.example", "", "")))}
	}
	work := int64(0)
	reader := &Reader{Work: &work}
	if _, err := reader.Read(document()); err != nil {
		t.Fatal(err)
	}
	one := work
	reader.Limits.Work, work = 10*one, 0
	read := 0
	for work < 10*one {
		_, err := reader.Read(document())
		var refusal *dmarc.Error
		if err != nil && (!errors.As(err, &refusal) || refusal.Reason != dmarc.ReasonTooCostly) {
			t.Fatal(err)
		}
		read++
	}
	if _, err := reader.Read(document()); err == nil || read < 10 {
		t.Errorf("%d reports are within the limit, and one more: %v", read, err)
	}
	work = 0 // another input
	if _, err := reader.Read(document()); err != nil {
		t.Error(err)
	}
}

// TestWorkOfOtherKinds bounds what TLS and failure reports of an input cost, to
// the byte, and leaves the work of the input as it is between them.
func TestWorkOfOtherKinds(t *testing.T) {
	for kind, file := range map[unpack.Kind]string{unpack.KindTLS: "../tlsrpt/testdata/full.json", unpack.KindFailure: "../failure/testdata/full.eml"} {
		t.Run(string(kind), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			work, whole := int64(0), int64(len(data))
			if kind == unpack.KindTLS {
				whole *= workTLS
			}
			reader := &Reader{Work: &work}
			read := func() dmarc.Reason {
				_, err := reader.Read(&unpack.Document{Kind: kind, Reader: bytes.NewReader(data)})
				var refusal *dmarc.Error
				if err != nil && !errors.As(err, &refusal) {
					t.Fatal(err)
				}
				if refusal == nil {
					return ""
				}
				return refusal.Reason
			}
			if got := read(); got != "" || work != whole {
				t.Errorf("reason %q and work %d, want none and %d", got, work, whole)
			}
			for limit, want := range map[int64]dmarc.Reason{2*whole - 1: dmarc.ReasonTooCostly, 2 * whole: ""} {
				reader.Limits.Work, work = limit, whole
				if got := read(); got != want {
					t.Errorf("second of two reports, within %d of %d: reason %q, want %q", limit, 2*whole, got, want)
				}
			}
			reader.Work = nil // each report alone
			reader.Limits.Work = whole
			if first, second := read(), read(); first != "" || second != "" {
				t.Errorf("reasons %q and %q, want none", first, second)
			}
		})
	}
}

// FuzzCount counts what a Reader reads, then the same with counts that are as
// large as they can be, and holds what every Snapshot must be.
func FuzzCount(f *testing.F) {
	for _, pattern := range []string{"../testdata/reports/*.xml", "../tlsrpt/testdata/*.json", "../failure/testdata/*.eml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(files, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data), int64(text.MostCounted/2), int64(1))
		}
	}
	f.Add(aggregate(record(1e12, "none", "pass", "pass", "shop.example", "", "")), int64(math.MaxInt64), int64(-40))
	f.Fuzz(func(t *testing.T, document string, count, days int64) {
		for _, kind := range []unpack.Kind{unpack.KindAggregate, unpack.KindTLS, unpack.KindFailure} {
			reader := &Reader{Signers: true, Limits: Limits{RecordMessages: math.MaxInt64, ReportMessages: math.MaxInt64}}
			e, err := reader.Read(&unpack.Document{Kind: kind, Reader: strings.NewReader(document)})
			if err != nil {
				continue
			}
			clock := e.End.Add(time.Duration(days%400) * 24 * time.Hour)
			file := path(t)
			config := Config{Signers: true, Now: func() time.Time { return clock }}
			tally := open(t, file, config)
			before := map[SeriesKey]int64{}
			for i := range 4 {
				e.ReportID = fmt.Sprint(i)
				commit(t, tally, &delivery{entries: []*Entry{e}, auth: "none"})
				holds(t, tally.Snapshot(), before)
				e.Messages = count
				for g := range maps.Keys(e.Groups) {
					e.Groups[g] = count
				}
				for j := range e.TLS {
					e.TLS[j].Successful, e.TLS[j].Failed = count, count
				}
				clock = clock.Add(20 * time.Hour)
			}
			saved := open(t, file, config)
			if diff := cmp.Diff(tally.Snapshot(), saved.Snapshot()); diff != "" {
				t.Fatalf("in memory and in the file (-memory +file):\n%s", diff)
			}
		}
	})
}
