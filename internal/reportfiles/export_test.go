package reportfiles

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

const samples = "../../exporters/dmarc_exporter/testdata/reports"

// TestExport keeps all samples and exports them: each line is valid, and of
// aggregate and TLS reports it is the line of parse.
func TestExport(t *testing.T) {
	t.Parallel()
	engine := sqlite.File{Path: filepath.Join(t.TempDir(), "state.db")}
	s, err := store.Open(t.Context(), engine, store.Config{Counts: tally.Config{Horizon: 100 * 365 * 24 * time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	var out, parsed, refused bytes.Buffer
	err = Import(t.Context(), Streams{Out: &out, Err: &refused}, s, []string{samples}, ImportConfig{Pipeline: ingest.PipelineConfig{}})
	if err != nil && refused.Len() == 0 {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_ = Parse(t.Context(), Streams{Out: &parsed}, []string{samples}, FormatJSON, 0) // Some are refused.
	known := map[string]bool{}
	for line := range bytes.Lines(parsed.Bytes()) {
		known[reduced(t, line)] = true
	}
	var exported bytes.Buffer
	if err := Export(t.Context(), &exported, engine, store.Filter{}, false); err != nil {
		t.Fatal(err)
	}
	kinds := wantValid(t, compileSchema(t), exported.Bytes())
	if kinds["aggregate"] < 100 || kinds["tls"] < 3 || kinds["failure"] < 1 {
		t.Errorf("lines %v", kinds)
	}
	for line := range bytes.Lines(exported.Bytes()) {
		if text := reduced(t, line); !known[text] && !bytes.Contains(line, []byte(`"kind":"failure"`)) {
			t.Errorf("parse does not have %s", text)
		}
	}
	var rows bytes.Buffer
	if err := Export(t.Context(), &rows, engine, store.Filter{}, true); err != nil {
		t.Fatal(err)
	}
	if got, want := bytes.Count(rows.Bytes(), []byte("\n")), 1+bytes.Count(exported.Bytes(), []byte("\n")); got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
}

// reduced returns a line without what tells where a report was found.
func reduced(t testing.TB, line []byte) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"path", "document", "received"} {
		delete(fields, key)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
