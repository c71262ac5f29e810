// Package storetest is the test that every engine of package store must pass.
package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// World is a database of an engine.
type World struct {
	// Engine opens the database, and opens it again after it was closed.
	Engine store.Engine
	// Alter runs a statement behind the back of the store, while it is closed.
	Alter func(t testing.TB, statement string)
	// Query returns the rows of a query as texts, NULL as nothing. The store may be open.
	Query func(t testing.TB, query string) [][]string
	// Schema1 are the statements that turn a database into one of schema 1,
	// besides dropping what schema 2 has added.
	Schema1 []string
	// Plan returns how a query is answered, and Scan is what it says when every
	// row of records is read.
	Plan func(t testing.TB, query string) string
	Scan string
	// RecordBytes is how many bytes a record may take, with its share of everything.
	RecordBytes float64
}

// Now is the clock of these tests.
var Now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clockNow() time.Time { return Now }

// Run runs the suite. world makes a new database for each test.
func Run(t *testing.T, world func(t testing.TB) World) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w World)
	}{
		{"outcomes", testOutcomes},
		{"reopen", testReopen},
		{"concurrent commits", testConcurrent},
		{"commit all", testCommitAll},
		{"group commit", testGroupCommit},
		{"cancelled", testCancelled},
		{"failed transaction", testFailed},
		{"uncertain transaction", testUncertain},
		{"expire", testExpire},
		{"identities follow", testIdentitiesFollow},
		{"many twins", testManyTwins},
		{"marks", testMarks},
		{"many marks", testManyMarks},
		{"peek", testPeek},
		{"names", testNames},
		{"domains", testDomains},
		{"tenants", testTenants},
		{"clock", testClock},
		{"clock heals", testClockHeals},
		{"locked", testLocked},
		{"altered", testAltered},
		{"aggregate reports", testAggregate},
		{"failing records only", testFailing},
		{"no records", testOff},
		{"records that fail", testRecordsFail},
		{"TLS reports", testTLS},
		{"failure reports", testFailure},
		{"refusals", testRefusals},
		{"large report", testLargeReport},
		{"hostile texts", testHostileTexts},
		{"retention", testRetention},
		{"view", testView},
		{"check", testCheck},
		{"check sums", testCheckMore},
		{"export", testExport},
		{"ask", testAsk},
		{"ask by the day of messages", testAskPeriod},
		{"rollups follow", testRollupsFollow},
		{"plans", testPlans},
		{"lists", testLists},
		{"other lists", testOtherLists},
		{"only some domains", testOnly},
		{"warnings", testWarnings},
		{"readiness", testReadiness},
		{"readiness ends", testReadinessEnds},
		{"many records", testLarge},
		{"find", testFind},
		{"fill", testFill},
		{"fill what is there in part", testFillPart},
		{"size", testSize},
		{"docs", testDocs},
		{"migrate", testMigrate},
		{"altered identities", testAlteredIdentities},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, world(t))
		})
	}
}

// Entry returns a report of one day with 10 messages, 7 of them aligned.
func Entry(change func(*tally.Entry)) *tally.Entry {
	begin := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	e := &tally.Entry{
		Identity: tally.Identity{
			Kind: unpack.KindAggregate, Org: "Example Mail", Email: "dmarc@mail.example", Domain: "shop.example", ReportID: "1",
			Begin: begin, End: begin.Add(24*time.Hour - time.Second),
		},
		Digest: [8]byte{1}, Records: 2, Messages: 10, PassMessages: 7,
		Dispositions: map[string]int64{"none": 7, "reject": 3},
		Groups: map[tally.Group]int64{
			{Domain: "shop.example", Disposition: "none", DKIM: true, SPF: true, Class: tally.ClassAlignedBoth}: 7,
			{Domain: "shop.example", Disposition: "reject", Class: tally.ClassUnauthenticated}:                  3,
		},
		Policy: dmarc.Policy{Domain: "shop.example", P: dmarc.DispositionReject},
	}
	if change != nil {
		change(e)
	}
	return e
}

// Unique returns a report that is no twin of any other.
func Unique(i int) *tally.Entry {
	return Entry(func(e *tally.Entry) {
		e.ReportID, e.Digest = fmt.Sprint(i), [8]byte{byte(i), byte(i >> 8), byte(i >> 16)}
	})
}

// Open opens a store with the clock of these tests, and closes it with the test.
func Open(t testing.TB, engine store.Engine, config tally.Config) *store.Store {
	t.Helper()
	s, err := TryOpen(engine, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(t, s) })
	return s
}

// TryOpen opens a store with the clock of these tests.
func TryOpen(engine store.Engine, config tally.Config) (*store.Store, error) {
	if config.Now == nil {
		config.Now = func() time.Time { return Now }
	}
	return store.Open(context.Background(), engine, store.Config{Counts: config})
}

// Close closes a store.
func Close(t testing.TB, s *store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Commit commits a delivery and returns the outcomes.
func Commit(t testing.TB, s *store.Store, d *store.Delivery) []tally.Outcome {
	t.Helper()
	results, err := s.Commit(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []tally.Outcome
	for _, r := range results {
		outcomes = append(outcomes, r.Outcome)
	}
	return outcomes
}

// Of makes a delivery of entries.
func Of(entries ...*tally.Entry) *store.Delivery { return &store.Delivery{Entries: entries} }

// Sums returns a family as "label,label" → value, without zeros.
func Sums(s *tally.Snapshot, f tally.Family) map[string]int64 {
	all := map[string]int64{}
	for _, series := range s.Series[f] {
		if series.Value != 0 {
			all[strings.Join(series.Labels, ",")] = series.Value
		}
	}
	return all
}

// Total adds up a family.
func Total(s *tally.Snapshot, f tally.Family) (n int64) {
	for _, series := range s.Series[f] {
		n += series.Value
	}
	return n
}

// Mark returns a mark, and whether there is one.
func Mark(t testing.TB, s *store.Store, source, key string) (string, bool) {
	t.Helper()
	marks, err := s.Marks(context.Background(), source, key)
	if err != nil {
		t.Fatal(err)
	}
	value, ok := marks[key]
	return value, ok
}
