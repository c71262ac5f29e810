package tally

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

func open(t *testing.T, path string, config Config) *Tally {
	t.Helper()
	if config.Now == nil {
		config.Now = func() time.Time { return now }
	}
	tally, err := Open(path, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tally.Close(); err != nil {
			t.Error(err)
		}
	})
	return tally
}

func commit(t *testing.T, tally *Tally, d *Delivery) []Outcome {
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

// sums returns a family as "label,label" → value.
func sums(s *Snapshot, f Family) map[string]int64 {
	all := map[string]int64{}
	for _, series := range s.Series[f] {
		all[strings.Join(series.Labels, ",")] = series.Value
	}
	return all
}

func path(t *testing.T) string { return filepath.Join(t.TempDir(), "state.db") }

func TestOutcomes(t *testing.T) {
	tests := []struct {
		name   string
		config Config
		second func(*Entry)
		want   Outcome
		count  int64 // messages afterwards
	}{
		{"same again", Config{}, nil, OutcomeDuplicate, 10},
		{"other case of the organisation", Config{}, func(e *Entry) { e.Org = "EXAMPLE mail" }, OutcomeDuplicate, 10},
		{"other content", Config{}, func(e *Entry) { e.Digest[0] = 9 }, OutcomeConflict, 10},
		{"other content, counted", Config{CountConflicts: true}, func(e *Entry) { e.Digest[0] = 9 }, OutcomeConflict, 20},
		{"other id", Config{}, func(e *Entry) { e.ReportID = "2" }, OutcomeTwin, 20},
		{"other id, skipped", Config{SkipTwins: true}, func(e *Entry) { e.ReportID = "2" }, OutcomeTwin, 10},
		{"other domain", Config{}, func(e *Entry) { e.Domain = "b.example" }, OutcomeCounted, 20},
		{"other address", Config{}, func(e *Entry) { e.Email = "x@y.example"; e.Digest[0] = 2 }, OutcomeCounted, 20},
		{"other period", Config{}, func(e *Entry) { e.Begin = e.Begin.Add(-24 * time.Hour) }, OutcomeCounted, 20},
		{"too old", Config{}, func(e *Entry) { e.End = now.AddDate(-2, 0, 0) }, OutcomeTooOld, 10},
		{"future", Config{}, func(e *Entry) { e.End = now.AddDate(0, 0, 3) }, OutcomeFuture, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := path(t)
			tally := open(t, file, tt.config)
			if got := commit(t, tally, &Delivery{Entries: []*Entry{entry(nil)}}); got[0] != OutcomeCounted {
				t.Fatalf("first outcome %s, want counted", got[0])
			}
			// A restart in between changes nothing.
			if err := tally.Close(); err != nil {
				t.Fatal(err)
			}
			tally = open(t, file, tt.config)
			if got := commit(t, tally, &Delivery{Entries: []*Entry{entry(tt.second)}}); got[0] != tt.want {
				t.Errorf("outcome %s, want %s", got[0], tt.want)
			}
			s := tally.Snapshot()
			total := int64(0)
			for _, n := range sums(s, Messages) {
				total += n
			}
			if total != tt.count {
				t.Errorf("%d messages, want %d", total, tt.count)
			}
			reports := int64(0)
			for _, n := range sums(s, Reports) {
				reports += n
			}
			if reports != 2 {
				t.Errorf("reports add up to %d, want 2", reports)
			}
		})
	}
}

func TestSums(t *testing.T) {
	tally := open(t, path(t), Config{})
	tls := &Entry{
		Identity: Identity{Kind: unpack.KindTLS, Org: "TLS Org", Domain: "shop.example", ReportID: "t", Begin: now.Add(-48 * time.Hour), End: now.Add(-24 * time.Hour)},
		Records:  1, Messages: 5, PassMessages: 4,
		TLS: []Sessions{{Domain: "shop.example", Policy: "sts", Successful: 4, Failed: 1}},
	}
	failed := &Entry{Identity: Identity{Kind: unpack.KindFailure, Org: "f.example", Domain: "shop.example", ReportID: "f"}, Records: 1, Messages: 2, AuthFailure: "dmarc"}
	first := entry(func(e *Entry) { e.Warnings = []dmarc.Warning{{Code: "x"}, {Code: "x"}} })
	got := commit(t, tally, &Delivery{Entries: []*Entry{first, first, tls, failed}, Refused: []dmarc.Reason{dmarc.ReasonSyntax}, Auth: "pass"})
	if diff := cmp.Diff([]Outcome{OutcomeCounted, OutcomeDuplicate, OutcomeCounted, OutcomeCounted}, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	s := tally.Snapshot()
	want := map[Family]map[string]int64{
		Messages:         {"shop.example,none,pass,pass": 7, "shop.example,reject,fail,fail": 3},
		ClassMessages:    {"shop.example,aligned_both": 7, "shop.example,unauthenticated": 3},
		ReporterMessages: {"Example Mail": 10},
		Reports: {
			"aggregate,Example Mail,counted": 1, "aggregate,Example Mail,duplicate": 1, "tls,TLS Org,counted": 1,
			"failure,f.example,counted": 1, "unknown,other,invalid": 1,
		},
		Refusals:      {"syntax": 1},
		Warnings:      {"x": 4},
		TLSSessions:   {"shop.example,sts,successful": 4, "shop.example,sts,failed": 1},
		Failures:      {"shop.example,dmarc": 2},
		Authenticated: {"pass": 4},
	}
	for family, sum := range want {
		if diff := cmp.Diff(sum, sums(s, family)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
	if d := s.Domains[0]; !d.LastEnd.Equal(first.End) || d.Policy.P != dmarc.DispositionReject {
		t.Errorf("domain %+v, want the end and the policy of the report", d)
	}
}

func TestWindows(t *testing.T) {
	clock := now
	tally := open(t, path(t), Config{Now: func() time.Time { return clock }})
	week := entry(func(e *Entry) {
		e.ReportID, e.Begin, e.End = "week", now.AddDate(0, 0, -8).Truncate(24*time.Hour), now.AddDate(0, 0, -1).Truncate(24*time.Hour)
	})
	commit(t, tally, &Delivery{Entries: []*Entry{entry(nil), week}})
	window := func(name string, class Class) int64 {
		for _, w := range tally.Snapshot().Windows {
			if w.Domain == "shop.example" && w.Window == name && w.Class == class {
				return w.Messages
			}
		}
		t.Fatalf("no window %s %s", name, class)
		return 0
	}
	// The week of seven days before yesterday has one aligned message a day.
	for _, step := range []struct {
		day         int
		d1, d7, d30 int64
	}{{0, 7, 13, 14}, {1, 0, 12, 14}, {7, 0, 0, 14}, {31, 0, 0, 0}} {
		clock = now.AddDate(0, 0, step.day)
		got := [3]int64{window("1d", ClassAlignedBoth), window("7d", ClassAlignedBoth), window("30d", ClassAlignedBoth)}
		if want := [3]int64{step.d1, step.d7, step.d30}; got != want {
			t.Errorf("day %d: windows %v, want %v", step.day, got, want)
		}
	}
}

// TestBudget commits 100 hostile mails with 5,000 domains each, and as many
// reporters: series stay within the budget and sums stay exact.
func TestBudget(t *testing.T) {
	tally := open(t, path(t), Config{Budget: 1000})
	for mail := range 100 {
		e := entry(func(e *Entry) {
			e.Groups = map[Group]int64{}
			e.Org, e.Domain, e.ReportID = fmt.Sprint("org", mail), fmt.Sprintf("d%d.example", mail), fmt.Sprint(mail)
		})
		for i := range maxGroups {
			e.Groups[Group{Domain: fmt.Sprintf("m%d-%d.example", mail, i), Disposition: "none", Class: ClassUnauthenticated}] = 1
		}
		commit(t, tally, &Delivery{Entries: []*Entry{e}})
	}
	s := tally.Snapshot()
	series, messages := len(s.Windows)+len(s.Domains)*2, int64(0)
	for family, all := range s.Series {
		series += len(all)
		if family == Messages {
			for _, one := range all {
				messages += one.Value
			}
		}
	}
	if series > 1000 {
		t.Errorf("%d series, the budget is 1000", series)
	}
	if want := int64(100 * maxGroups); messages != want {
		t.Errorf("%d messages, want %d", messages, want)
	}
	if got := sums(s, Overflow); got["domain"] == 0 || got["reporter"] == 0 {
		t.Errorf("overflow %v, want some of both", got)
	}
}

func TestForeign(t *testing.T) {
	tally := open(t, path(t), Config{Domains: []string{"Shop.Example."}})
	commit(t, tally, &Delivery{Entries: []*Entry{
		entry(func(e *Entry) {
			e.Groups = map[Group]int64{
				{Domain: "news.shop.example", Disposition: "none"}: 2, {Domain: "shop.example", Disposition: "none"}: 3,
				{Domain: "elsewhere.example", Disposition: "none"}: 4,
			}
		}),
		entry(func(e *Entry) {
			e.Domain, e.Groups = "evil.example", map[Group]int64{{Domain: "evil.example", Disposition: "none"}: 100}
		}),
	}})
	// A From domain that is not ours belongs to our policy domain's report.
	want := map[string]int64{"shop.example,none,fail,fail": 9, "foreign,none,fail,fail": 100}
	if diff := cmp.Diff(want, sums(tally.Snapshot(), Messages)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestMarksAndCursors(t *testing.T) {
	tally := open(t, path(t), Config{})
	commit(t, tally, &Delivery{Source: "dir:a", Key: "x", Mark: "1", Cursor: []byte("c")})
	commit(t, tally, &Delivery{Source: "dir:a", Key: "y", Mark: "2"})
	commit(t, tally, &Delivery{Source: "dir:ab", Key: "x", Mark: "3"})
	if err := tally.Forget("dir:a", func(key string) bool { return key == "y" }); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		source, key, mark string
		ok                bool
	}{{"dir:a", "x", "", false}, {"dir:a", "y", "2", true}, {"dir:ab", "x", "3", true}, {"dir:b", "x", "", false}} {
		mark, ok, err := tally.Mark(tt.source, tt.key)
		if err != nil || mark != tt.mark || ok != tt.ok {
			t.Errorf("Mark(%s, %s) = %q, %t, %v, want %q, %t", tt.source, tt.key, mark, ok, err, tt.mark, tt.ok)
		}
	}
	if c, err := tally.Cursor("dir:a"); err != nil || string(c) != "c" {
		t.Errorf("cursor %q, %v, want c", c, err)
	}
}

func TestConcurrentCommits(t *testing.T) {
	tally := open(t, path(t), Config{})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			e := entry(func(e *Entry) { e.ReportID, e.Digest = fmt.Sprint(i%150), [8]byte{byte(i % 150)} })
			if _, err := tally.Commit(context.Background(), &Delivery{Entries: []*Entry{e}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := sums(tally.Snapshot(), Reports)
	if got["aggregate,Example Mail,counted"] != 150 || got["aggregate,Example Mail,duplicate"] != 50 {
		t.Errorf("reports %v, want 150 counted and 50 duplicates", got)
	}
}

func TestExpire(t *testing.T) {
	clock := now
	file := path(t)
	tally := open(t, file, Config{Horizon: 10 * 24 * time.Hour, Now: func() time.Time { return clock }})
	commit(t, tally, &Delivery{Entries: []*Entry{entry(nil)}})
	clock = now.AddDate(0, 0, 30)
	if got := commit(t, tally, &Delivery{Entries: []*Entry{entry(nil)}}); got[0] != OutcomeTooOld {
		t.Errorf("outcome %s, want too_old", got[0])
	}
	if n := tally.keys(t); n != 0 {
		t.Errorf("%d keys are left, want 0", n)
	}
}

func TestOpenErrors(t *testing.T) {
	good := path(t)
	tally := open(t, good, Config{})
	_, err := Open(good, Config{})
	var state *StateError
	if !errors.As(err, &state) || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("open twice: %v", err)
	}
	commit(t, tally, &Delivery{Entries: []*Entry{entry(nil)}})
	if err := tally.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := tally.Commit(context.Background(), &Delivery{}); !errors.Is(err, ErrClosed) {
		t.Errorf("commit after close: %v, want ErrClosed", err)
	}
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"text", []byte(strings.Repeat("this is no state file\n", 1000)), "move it away"},
		{"cut", data[:len(data)/3], "move it away"},
		{"zeroed", append(append([]byte(nil), data[:len(data)/4]...), make([]byte, len(data)*3/4)...), "move it away"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := path(t)
			if err := os.WriteFile(file, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			tally, err := Open(file, Config{})
			if err == nil {
				_ = tally.Close()
				t.Fatal("no error")
			}
			if !errors.As(err, &state) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("error %v, want a *StateError with …%s… and the path", err, tt.want)
			}
			after, err := os.ReadFile(file)
			if err != nil || len(after) == 0 {
				t.Errorf("the file was touched: %d bytes, %v", len(after), err)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none", "state.db"), Config{}); !errors.As(err, &state) {
		t.Errorf("missing directory: %v", err)
	}
}
