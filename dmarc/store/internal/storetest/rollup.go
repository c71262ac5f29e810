package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// testRollupsFollow drops rollups with their reports.
func testRollupsFollow(t *testing.T, w World) {
	now := Now
	open := func(records store.Records, retention time.Duration) *store.Store {
		s, err := store.Open(context.Background(), w.Engine, store.Config{
			Records: records, Retention: retention, Counts: tally.Config{Now: func() time.Time { return now }},
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(store.RecordsAll, 0)
	Commit(t, s, randomReports(t, 2, 30, 150))
	if err := s.RollUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	Close(t, s)
	// A report that is kept anew is in no rollup twice.
	w.Alter(t, "DELETE FROM records WHERE n = 5")
	w.Alter(t, "UPDATE reports SET kept = kept - 1")
	s = open(store.RecordsAll, 0)
	fillAll(t, s, 30, randomReports(t, 2, 30, 150))
	holdAnswers(t, w)
	if err := s.RollUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	holdAnswers(t, w)
	Close(t, s)
	now = time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC)
	s = open(store.RecordsAll, 11*24*time.Hour)
	if err := s.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	holdAnswers(t, w)
	if got := w.Query(t, "SELECT min(day) FROM rollups")[0][0]; got != fmt.Sprint(tally.DayOf(now)-11) {
		t.Errorf("the first rollup is of day %s", got)
	}
	Close(t, s)
	if got := check(t, w); len(got.Rollups)+len(got.Problems) > 0 {
		t.Errorf("checked %+v, want nothing wrong", got)
	}
	w.Alter(t, "UPDATE rollups SET records = records + 1")
	if got := check(t, w); len(got.Rollups) != 4 || !strings.Contains(got.Rollups[0], "records with") || len(got.Problems) > 0 {
		t.Errorf("checked %+v, want 4 rollups of another number of records", got)
	}
	// What is damaged is said, and no answer.
	w.Alter(t, "UPDATE rollups SET data = (SELECT digest FROM reports LIMIT 1)")
	viewing(t, w, func(v *store.View) error {
		if _, err := store.Ask(t.Context(), v, store.Question{By: store.BySource}); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("error %v, want ErrDamaged", err)
		}
		return nil
	})
	if got := check(t, w); len(got.Rollups) != 4 || !strings.Contains(got.Rollups[0], "cut or changed") || len(got.Problems) > 0 {
		t.Errorf("checked %+v, want 4 damaged rollups", got)
	}
	// Reports that come to a day of a damaged one make it anew, and all are on demand.
	s = open(store.RecordsAll, 11*24*time.Hour)
	Commit(t, s, randomReports(t, 5, 2, 60))
	if err := s.RollUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := check(t, w); len(got.Rollups) != 3 {
		t.Errorf("checked %+v, want 3 damaged rollups", got)
	}
	if err := s.RollUpAnew(t.Context()); err != nil {
		t.Fatal(err)
	}
	Close(t, s)
	holdAnswers(t, w)
	if got := check(t, w); len(got.Rollups) > 0 {
		t.Errorf("checked %+v after rollups were made anew", got)
	}
}
