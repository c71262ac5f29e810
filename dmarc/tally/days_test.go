package tally

import (
	"fmt"
	"testing"
	"time"
)

// window returns the aligned messages of shop.example in each window.
func window(t *testing.T, tally *book) (got [3]int64) {
	t.Helper()
	found := 0
	for _, w := range tally.Snapshot().Windows {
		if w.Domain != "shop.example" || w.Class != ClassAlignedBoth {
			continue
		}
		for i, known := range Windows() {
			if w.Window == known.Name {
				got[i] = w.Messages
				found++
			}
		}
	}
	if found != 3 {
		t.Errorf("%d windows, want 3", found)
	}
	return got
}

func TestWindows(t *testing.T) {
	day := func(n int) time.Time { return now.Truncate(24*time.Hour).AddDate(0, 0, n) }
	type step struct {
		day  int
		want [3]int64 // 1d, 7d, 30d
	}
	tests := []struct {
		name       string
		begin, end time.Time
		steps      []step
	}{
		{"yesterday", day(-1), day(0).Add(-time.Second), []step{
			{0, [3]int64{7, 7, 7}}, {1, [3]int64{0, 7, 7}}, {6, [3]int64{0, 7, 7}}, {7, [3]int64{0, 0, 7}}, {29, [3]int64{0, 0, 7}}, {30, [3]int64{}},
		}},
		{"yesterday, ending with the first second of today", day(-1), day(0), []step{{0, [3]int64{7, 7, 7}}, {1, [3]int64{0, 7, 7}}}},
		{"today is not complete", day(0), now, []step{{0, [3]int64{}}, {1, [3]int64{7, 7, 7}}}},
		{"noon to noon", now.AddDate(0, 0, -1), now, []step{{0, [3]int64{}}, {1, [3]int64{7, 7, 7}}}},
		{"a week", day(-7), day(0).Add(-time.Second), []step{{0, [3]int64{1, 7, 7}}, {3, [3]int64{0, 4, 7}}}},
		{"two days, what does not divide comes last", day(-2), day(0), []step{{0, [3]int64{4, 7, 7}}}},
		{"seventy days, what does not divide comes last", day(-69), day(1), []step{{0, [3]int64{1, 6, 6}}}},
		{"reversed", day(0), day(-1), []step{{0, [3]int64{0, 7, 7}}}},
		{"older than the windows", day(-60), day(-59), []step{{0, [3]int64{}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock, file := now, path(t)
			config := Config{Now: func() time.Time { return clock }}
			tally := open(t, file, config)
			commit(t, tally, &delivery{entries: []*Entry{entry(func(e *Entry) { e.Begin, e.End = tt.begin, tt.end })}})
			tally = open(t, file, config)
			for _, s := range tt.steps {
				clock = now.AddDate(0, 0, s.day)
				if got := window(t, tally); got != s.want {
					t.Errorf("day %d: windows %v, want %v", s.day, got, s.want)
				}
			}
		})
	}
}

// TestDaysArePruned keeps no more days than the longest window needs, in memory and in the file.
func TestDaysArePruned(t *testing.T) {
	clock, file := now, path(t)
	config := Config{Now: func() time.Time { return clock }}
	tally := open(t, file, config)
	for i := range 100 {
		clock = now.AddDate(0, 0, i)
		commit(t, tally, &delivery{entries: []*Entry{entry(func(e *Entry) { e.Begin, e.End = clock.AddDate(0, 0, -1), clock })}})
	}
	const classes = 2
	if got := len(tally.state.days); got > (longestWindow+spareDays+1)*classes {
		t.Errorf("%d day buckets in memory, want at most %d", got, (longestWindow+spareDays+1)*classes)
	}
	memory := len(tally.state.days)
	if got := len(open(t, file, config).state.days); got != memory {
		t.Errorf("%d day buckets in the file, %d in memory", got, memory)
	}
}

// TestClockAheadKeepsDays counts with a clock that is 30 days ahead, which is
// believed at a start, and then with the right one: no window has lost a day.
func TestClockAheadKeepsDays(t *testing.T) {
	clock, file := now, path(t)
	config := Config{Now: func() time.Time { return clock }}
	deliver := func(tally *book, days ...int) {
		for _, day := range days {
			commit(t, tally, &delivery{entries: []*Entry{entry(func(e *Entry) {
				e.End = now.AddDate(0, 0, -day).Truncate(24 * time.Hour)
				e.Begin, e.ReportID = e.End.AddDate(0, 0, -1), fmt.Sprint(day)
			})}})
		}
	}
	deliver(open(t, file, config), 0, 3, 20)
	want := path(t)
	deliver(open(t, want, config), 0, 3, 20, 5)
	clock = now.AddDate(0, 0, 30)
	deliver(open(t, file, config), 5)
	clock = now
	if got, want := window(t, open(t, file, config)), window(t, open(t, want, config)); got != want || got[2] == 0 {
		t.Errorf("windows %v, want %v", got, want)
	}
}
