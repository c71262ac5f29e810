package storetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// testDocs runs every question of docs/store.md as it stands there, and holds
// that each has an answer.
func testDocs(t *testing.T, w World) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "store.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := openRecords(t, w, store.RecordsAll)
	failing := Record("203.0.113.9", 5, "fail", "fail", auth)
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("1", 0, failing, Record("192.0.2.1", 7, "pass", "fail", auth)), Aggregate("2", 1, failing)))
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindTLS, tlsReport))
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindFailure, failureMail))
	Commit(t, s, &store.Delivery{Source: "dir:a", Refused: []store.Refusal{{Reason: dmarc.ReasonSyntax, Message: "m"}}})
	questions := strings.Split(string(text), "```sql\n")[1:]
	const fewest = 8
	if len(questions) < fewest {
		t.Fatalf("%d questions in docs/store.md, want at least %d", len(questions), fewest)
	}
	for _, question := range questions {
		question, _, _ = strings.Cut(question, "```")
		rows := w.Query(t, question)
		if len(rows) == 0 {
			t.Errorf("no answer to\n%s", question)
		}
		if strings.Contains(question, "'counts'") && rows[0][1] != rows[1][1] {
			t.Errorf("records and counts differ: %v", rows)
		}
		// The handle that programs read with answers as well.
		answer, err := s.SQL().QueryContext(t.Context(), question)
		if err != nil {
			t.Errorf("%v:\n%s", err, question)
			continue
		}
		if err := answer.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, statement := range []string{"DELETE FROM sums", "UPDATE reports SET messages = 0", "DROP VIEW dmarc_records"} {
		if _, err := s.SQL().ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s: no error from a handle for reading", statement)
		}
	}
}
