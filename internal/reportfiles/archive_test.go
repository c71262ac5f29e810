package reportfiles

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
)

// archived reads the lines of an archive.
func archived(t testing.TB, path string) (lines []reportjson.Record) {
	t.Helper()
	for line := range bytes.Lines(unpacked(t, path)) {
		var l reportjson.Record
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%s: %v in %q", path, err, line)
		}
		lines = append(lines, l)
	}
	return lines
}

// unpacked reads a file, which may be packed.
func unpacked(t testing.TB, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(path, packed) {
		if r, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return text
}

// archiving is a pipeline with an archive, and how to deliver to it.
func archiving(t *testing.T, maxBytes int64, files int) (path string, deliver func(name string, content []byte)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "records.jsonl")
	archive, err := OpenArchive(ArchiveConfig{Path: path, MaxBytes: maxBytes, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := archive.Close(); err != nil {
			t.Error(err)
		}
	})
	pipeline := ingest.NewPipeline(ingesttest.Store(t), ingest.PipelineConfig{Archive: archive, Workers: 1})
	return path, func(name string, content []byte) {
		t.Helper()
		d := &ingest.Delivery{Source: "dir:in", Name: name, Body: bytes.NewReader(content)}
		if _, err := pipeline.Deliver(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

// TestArchive keeps what counts, once, and nothing else.
func TestArchive(t *testing.T) {
	path, deliver := archiving(t, 1<<20, 1)
	one := ingesttest.Report("one", 3)
	deliver("a.xml", one)
	deliver("b.xml", one)
	deliver("c.xml", one[:len(one)-30])
	deliver("d.txt", []byte("no report"))
	deliver("e.xml", bytes.Replace(ingesttest.Report("old", 1), []byte("<end>1"), []byte("<end>0"), 1))
	head, rest, _ := bytes.Cut(ingesttest.Report("late", 5), []byte("<report_metadata>"))
	metadata, rest, _ := bytes.Cut(rest, []byte("</report_metadata>"))
	deliver("f.xml", fmt.Appendf(head, "%s<report_metadata>%s</report_metadata></feedback>", bytes.TrimSuffix(rest, []byte("</feedback>")), metadata))
	lines := archived(t, path)
	if len(lines) != 2 {
		t.Fatalf("%d lines, want those of two reports: %+v", len(lines), lines)
	}
	for i, want := range []struct {
		id, path string
		count    int64
	}{{"one", "dir:in/a.xml", 3}, {"late", "dir:in/f.xml", 5}} {
		l := lines[i]
		if l.ReportID != want.id || l.Path != want.path || l.Count != want.count || l.SourceIP != "192.0.2.1" || l.Org == "" || l.End.IsZero() {
			t.Errorf("line %d: %+v, want %+v", i, l, want)
		}
	}
}

// TestArchiveLarge keeps a report that does not fit into memory.
func TestArchiveLarge(t *testing.T) {
	path, deliver := archiving(t, 1, 1) // one byte: each report begins a file
	one := string(ingesttest.Report("large", 2))
	head, record, _ := strings.Cut(one, "<record>")
	record, foot, _ := strings.Cut(record, "</record>")
	const records = 3000
	deliver("large.xml", []byte(head+strings.Repeat("<record>"+record+"</record>", records)+foot))
	deliver("next.xml", ingesttest.Report("next", 1))
	if n := len(archived(t, path+".1.gz")); n != records {
		t.Errorf("%d lines, want %d", n, records)
	}
	if lines := archived(t, path); len(lines) != 1 || lines[0].ReportID != "next" {
		t.Errorf("lines %+v, want the one of the next report", lines)
	}
}

// TestArchiveRotates keeps so many files and no more.
func TestArchiveRotates(t *testing.T) {
	path, deliver := archiving(t, 2000, 2)
	for i := range 20 {
		deliver("x", ingesttest.Report(fmt.Sprintf("r%02d", i), 1))
	}
	var ids []string
	for _, name := range []string{path + ".2.gz", path + ".1.gz", path} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 2000 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has %d bytes and mode %s", name, info.Size(), info.Mode())
		}
		for _, l := range archived(t, name) {
			ids = append(ids, l.ReportID)
		}
	}
	for i, id := range ids {
		if want := fmt.Sprintf("r%02d", 20-len(ids)+i); id != want {
			t.Errorf("line %d is of %s, want %s", i, id, want)
		}
	}
	if _, err := os.Stat(path + ".3.gz"); !os.IsNotExist(err) {
		t.Errorf("a third old file: %v", err)
	}
}

// TestArchiveTorn drops the line that a crash has cut, wherever.
func TestArchiveTorn(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	for _, tt := range []struct{ content, want string }{
		{"", ""}, {"a\n", "a\n"}, {"a\nb", "a\n"}, {"b", ""}, {"a\n\n", "a\n\n"}, {"a\n" + long, "a\n"}, {long, ""}, {long + "\n", long + "\n"},
	} {
		path := filepath.Join(t.TempDir(), "records.jsonl")
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := OpenArchive(ArchiveConfig{Path: path, MaxBytes: 1 << 20, Files: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(path); string(got) != tt.want || err != nil {
			t.Errorf("%d bytes of %d, want %d: %v", len(got), len(tt.content), len(tt.want), err)
		}
	}
}

// TestArchiveFails counts nothing that could not be kept.
func TestArchiveFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.jsonl")
	archive, err := OpenArchive(ArchiveConfig{Path: path, MaxBytes: 1 << 20, Files: 1})
	if err != nil {
		t.Fatal(err)
	}
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{Archive: archive})
	archive.file.Close() // as good as a disk that is full
	d := &ingest.Delivery{Source: "dir:in", Name: "a", Body: bytes.NewReader(ingesttest.Report("one", 3))}
	if _, err := pipeline.Deliver(t.Context(), d); err == nil || !strings.Contains(err.Error(), "archive records: ") {
		t.Errorf("error %v, want one of the archive", err)
	}
	if n := store.Snapshot().Identities; n != 0 {
		t.Errorf("%d reports are counted, want none", n)
	}
}
