package reportfiles

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// importInto imports into a state and returns what is printed.
func importInto(t *testing.T, state string, records store.Records, config ingest.PipelineConfig, paths ...string) (out, complaints string) {
	t.Helper()
	s, err := store.Open(t.Context(), sqlite.File{Path: state}, store.Config{Records: records, Counts: tally.Config{Horizon: 100 * 365 * 24 * time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	config.Keep.Records = records
	var stdout, stderr bytes.Buffer
	if err := Import(t.Context(), Streams{Out: &stdout, Err: &stderr}, s, paths, ImportConfig{Pipeline: config}); err != nil && stderr.Len() == 0 {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String()
}

// TestImportArchive fills a state that has no records from the archive that was
// written beside it, as well as from the files themselves: but for failure
// reports, of which an archive has too little.
func TestImportArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state, path := filepath.Join(dir, "state.db"), filepath.Join(dir, "records.jsonl")
	archive, err := OpenArchive(ArchiveConfig{Path: path, MaxBytes: 60_000, Files: 9})
	if err != nil {
		t.Fatal(err)
	}
	importInto(t, state, store.RecordsOff, ingest.PipelineConfig{Archive: archive}, samples)
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// What is in an archive and was not counted is not counted now.
	if _, err := file.WriteString(`{"path":"x","kind":"aggregate","org":"x","report_id":"half","domain":"x.example","begin":"2026-11-01T00:00:00Z","end":"2026-11-01T23:59:59Z","source_ip":"192.0.2.1","count":5}` + "\n{\"path\":\n"); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := store.Check(t.Context(), sqlite.File{Path: state})
	if err != nil || before.Reports != 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	paths, err := filepath.Glob(path + "*")
	if err != nil || len(paths) < 2 {
		t.Fatalf("archive %s, %v: want several files", paths, err)
	}
	for _, want := range []string{
		// A report that came twice at the same time may be in the archive twice.
		"0 new reports counted and kept, 99 counted before and kept now, ",
		"0 new reports counted and kept, 0 counted before and kept now, ",
	} {
		out, complaints := importInto(t, state, store.RecordsAll, ingest.PipelineConfig{}, paths...)
		if !strings.HasPrefix(out, want) || !strings.Contains(out, " 2 not counted ") || !strings.Contains(complaints, "records.jsonl: line ") || strings.Count(complaints, "\n") != 1 {
			t.Errorf("%s%s, want %s", out, complaints, want)
		}
	}
	after, err := store.Check(t.Context(), sqlite.File{Path: state})
	if err != nil || len(after.Problems) > 0 || after.Recorded != before.Counted || after.Counted != before.Counted || after.Identities != before.Identities {
		t.Errorf("%+v, %v; before %+v", after, err, before)
	}
	// The files themselves have nothing to add but the failure report.
	out, _ := importInto(t, state, store.RecordsAll, ingest.PipelineConfig{}, samples)
	if want := "0 new reports counted and kept, 1 counted before and kept now, 100 with nothing missing, 0 not counted"; !strings.HasPrefix(out, want) {
		t.Errorf("%s, want %s", out, want)
	}
}
