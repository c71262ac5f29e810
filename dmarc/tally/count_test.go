package tally

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

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
		{"other case of the address", Config{}, func(e *Entry) { e.Email = "DMARC@mail.example" }, OutcomeDuplicate, 10},
		{"other content", Config{}, func(e *Entry) { e.Digest[0] = 9 }, OutcomeConflict, 10},
		{"other content, counted", Config{CountConflicts: true}, func(e *Entry) { e.Digest[0] = 9 }, OutcomeConflict, 20},
		{"other id", Config{}, func(e *Entry) { e.ReportID = "2" }, OutcomeTwin, 20},
		{"other id, skipped", Config{SkipTwins: true}, func(e *Entry) { e.ReportID = "2" }, OutcomeTwin, 10},
		{"other address, same content", Config{}, func(e *Entry) { e.Email = "x@y.example" }, OutcomeTwin, 20},
		{"other id and content", Config{}, func(e *Entry) { e.ReportID, e.Digest[0] = "2", 9 }, OutcomeCounted, 20},
		{"case of the id", Config{}, func(e *Entry) { e.ReportID, e.Digest[0] = "A", 9 }, OutcomeCounted, 20},
		{"other domain", Config{}, func(e *Entry) { e.Domain = "b.example" }, OutcomeCounted, 20},
		{"other organisation", Config{}, func(e *Entry) { e.Org = "b" }, OutcomeCounted, 20},
		{"other begin", Config{}, func(e *Entry) { e.Begin = e.Begin.Add(-24 * time.Hour) }, OutcomeCounted, 20},
		{"other end", Config{}, func(e *Entry) { e.End = e.End.Add(time.Second) }, OutcomeCounted, 20},
		{"fields that run together", Config{}, func(e *Entry) { e.Org, e.Email, e.Digest[0] = "Example Maild", "marc@mail.example", 9 }, OutcomeCounted, 20},
		{"at the horizon", Config{}, func(e *Entry) { e.End = now.Add(-400 * 24 * time.Hour) }, OutcomeCounted, 20},
		{"too old", Config{}, func(e *Entry) { e.End = now.Add(-400*24*time.Hour - time.Second) }, OutcomeTooOld, 10},
		{"without a date", Config{}, func(e *Entry) { e.Begin, e.End = time.Time{}, time.Time{} }, OutcomeTooOld, 10},
		{"before 1970", Config{Horizon: 100 * 365 * 24 * time.Hour}, func(e *Entry) { e.End = time.Unix(-1e9, 0) }, OutcomeCounted, 20},
		{"at the edge of the future", Config{}, func(e *Entry) { e.End = now.Add(48 * time.Hour) }, OutcomeCounted, 20},
		{"future", Config{}, func(e *Entry) { e.End = now.Add(48*time.Hour + time.Second) }, OutcomeFuture, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := path(t)
			tally := open(t, file, tt.config)
			if got := commit(t, tally, &delivery{entries: []*Entry{entry(nil)}}); got[0] != OutcomeCounted {
				t.Fatalf("first outcome %s, want counted", got[0])
			}
			tally = open(t, file, tt.config)
			if got := commit(t, tally, &delivery{entries: []*Entry{entry(tt.second)}}); got[0] != tt.want {
				t.Errorf("outcome %s, want %s", got[0], tt.want)
			}
			s := tally.Snapshot()
			if got := total(s, Messages); got != tt.count {
				t.Errorf("%d messages, want %d", got, tt.count)
			}
			if got := total(s, ClassMessages); got != tt.count {
				t.Errorf("%d messages by class, want %d", got, tt.count)
			}
			if got := total(s, Reports); got != 2 {
				t.Errorf("reports add up to %d, want 2", got)
			}
		})
	}
}

// TestConflictsCountOnce counts each content under one identity once.
func TestConflictsCountOnce(t *testing.T) {
	tally := open(t, path(t), Config{CountConflicts: true})
	for range 3 {
		for i := range byte(maxVersions + 2) {
			commit(t, tally, &delivery{entries: []*Entry{entry(func(e *Entry) { e.Digest[0] = i })}})
		}
	}
	s := tally.Snapshot()
	if got, want := total(s, Messages), int64(10*maxVersions); got != want {
		t.Errorf("%d messages, want %d", got, want)
	}
	if got := sumsOf(s, Reports)["aggregate,Example Mail,duplicate"]; got != 2*maxVersions {
		t.Errorf("%d duplicates, want %d", got, 2*maxVersions)
	}
}

func TestSums(t *testing.T) {
	tally := open(t, path(t), Config{})
	first := entry(func(e *Entry) {
		e.Warnings = []dmarc.Warning{{Code: dmarc.CodeValueCase}, {Code: dmarc.CodeValueCase}, {Code: "news"}}
		e.Groups[Group{Domain: "shop.example", Disposition: "none", SPF: true, Class: ClassSPFOnly, Source: "esp"}] = 5
	})
	got := commit(t, tally, &delivery{
		entries: []*Entry{first, first, tlsEntry(), failureEntry()},
		refused: []dmarc.Reason{dmarc.ReasonSyntax}, auth: "pass",
	})
	if diff := cmp.Diff([]Outcome{OutcomeCounted, OutcomeDuplicate, OutcomeCounted, OutcomeCounted}, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	s := tally.Snapshot()
	want := map[Family]map[string]int64{
		Messages: {
			"shop.example,none,pass,pass": 7, "shop.example,none,fail,pass": 5, "shop.example,reject,fail,fail": 3,
		},
		ClassMessages:    {"shop.example,aligned_both": 7, "shop.example,spf_only": 5, "shop.example,unauthenticated": 3},
		SourceMessages:   {"shop.example,esp,true": 5},
		ReporterMessages: {"Example Mail": 10},
		Reports: {
			"aggregate,Example Mail,counted": 1, "aggregate,Example Mail,duplicate": 1, "tls,TLS Org,counted": 1,
			"failure,f.example,counted": 1, "unknown,unknown,invalid": 1,
		},
		Refusals:      {"syntax": 1},
		Warnings:      {"value_case": 1, "other": 1},
		TLSSessions:   {"shop.example,sts,successful": 4, "shop.example,sts,failed": 1},
		Failures:      {"shop.example,dmarc": 2},
		Authenticated: {"pass": 5},
	}
	for family, sum := range want {
		if diff := cmp.Diff(sum, sumsOf(s, family)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
	if d := s.Domains[0]; !d.LastEnd.Equal(first.End) || d.Policy.P != dmarc.DispositionReject {
		t.Errorf("domain %+v, want the end and the policy of the report", d)
	}
	// The TLS report ended a day ago, the aggregate report 12 hours, the failure just now.
	if d := s.Delay; d.Count != 3 || d.Buckets[3600] != 1 || d.Buckets[43200] != 1 || d.Buckets[86400] != 3 || d.Sum != 86400+43201 {
		t.Errorf("delay %+v", d)
	}
}

// TestFixedSeries begins what is known in advance at zero.
func TestFixedSeries(t *testing.T) {
	s := open(t, path(t), Config{}).Snapshot()
	for family, n := range map[Family]int{Refusals: len(dmarc.Reasons()), Authenticated: 4, Overflow: 4, Reports: 19} {
		if got := s.Series[family]; len(got) != n {
			t.Errorf("%d series of %s, want %d", len(got), family, n)
		}
		for _, series := range s.Series[family] {
			if series.Value != 0 || !series.Created.Equal(now) {
				t.Errorf("%s %v is %d since %s, want 0 since %s", family, series.Labels, series.Value, series.Created, now)
			}
		}
	}
}

func TestSeriesKeepTheirBeginning(t *testing.T) {
	clock, file := now, path(t)
	config := Config{Now: func() time.Time { return clock }}
	tally := open(t, file, config)
	commit(t, tally, &delivery{entries: []*Entry{entry(nil)}})
	clock = now.Add(time.Hour)
	tally = open(t, file, config)
	commit(t, tally, &delivery{entries: []*Entry{entry(func(e *Entry) { e.ReportID, e.Digest[0] = "2", 2 })}})
	for _, series := range tally.Snapshot().Series[Messages] {
		if !series.Created.Equal(now) {
			t.Errorf("%v began %s, want %s", series.Labels, series.Created, now)
		}
	}
}

// TestLatestPolicy keeps the policy of the report that ended last, whatever comes later.
func TestLatestPolicy(t *testing.T) {
	tally := open(t, path(t), Config{})
	for i, step := range []struct {
		end    time.Time
		policy dmarc.Disposition
	}{{now.Add(-time.Hour), "none"}, {now.Add(24 * time.Hour), "reject"}, {now.Add(-2 * time.Hour), "quarantine"}} {
		commit(t, tally, &delivery{entries: []*Entry{entry(func(e *Entry) { e.End, e.Policy.P, e.Digest[0] = step.end, step.policy, byte(i) })}})
	}
	d := tally.Snapshot().Domains[0]
	if d.Policy.P != "reject" || !d.LastEnd.Equal(now) {
		t.Errorf("policy %s at %s, want reject, and now instead of the future", d.Policy.P, d.LastEnd)
	}
}
