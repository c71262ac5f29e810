package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// testMigrate opens a database of the schema before: counts are as they were,
// nothing counts again, and reports are kept from then on.
func testMigrate(t *testing.T, w World) {
	d := fill(t, w)
	s := Open(t, w.Engine, tally.Config{})
	before := s.Snapshot()
	Close(t, s)
	for _, view := range []string{"dmarc_reports", "dmarc_records", "tls_reports", "tls_failure_summaries", "dmarc_failures", "dmarc_refusals"} {
		w.Alter(t, "DROP VIEW "+view)
	}
	for _, table := range []string{"reports", "report_headers", "records", "record_contents", "addresses", "tls_policies", "tls_details", "failures", "refusals", "rollups"} {
		w.Alter(t, "DROP TABLE "+table)
	}
	for _, statement := range w.Schema1 {
		w.Alter(t, statement)
	}
	s = Open(t, w.Engine, tally.Config{})
	after := s.Snapshot()
	after.Bytes = before.Bytes
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("snapshots (-before +after):\n%s", diff)
	}
	for _, outcome := range Commit(t, s, d) {
		if outcome != tally.OutcomeDuplicate {
			t.Fatalf("outcome %s, want duplicate", outcome)
		}
	}
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("new", 0, Record("192.0.2.1", 7, "pass", "fail", auth))))
	wantRows(t, w, "SELECT source_ip, count FROM dmarc_records", "192.0.2.1|7")
}
