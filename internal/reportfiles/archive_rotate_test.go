package reportfiles

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
)

// TestArchiveKinds keeps reports of all kinds, failure reports without what is
// personal, and every line is valid.
func TestArchiveKinds(t *testing.T) {
	t.Parallel()
	path, deliver := archiving(t, 1<<20, 1)
	for _, name := range []string{"failure-freemail.example.eml", "mail.example!example.com!1794787200!1794873599.json.gz", "mail.example!example.com!1795305600!1795391999.zip"} {
		content, err := os.ReadFile(filepath.Join(samples, name))
		if err != nil {
			t.Fatal(err)
		}
		deliver(name, content)
	}
	text := unpacked(t, path)
	kinds := wantValid(t, compileSchema(t), text)
	if kinds["aggregate"] < 1 || kinds["tls"] < 1 || kinds["failure"] != 1 {
		t.Errorf("lines %v", kinds)
	}
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte(`"kind":"failure"`)) && (!bytes.Contains(line, []byte(`"email":"@freemail.example"`)) || bytes.Contains(line, []byte("authentication_results"))) {
			t.Errorf("a failure report was kept as it was: %s", line)
		}
		if !bytes.Contains(line, []byte(`"received":"20`)) {
			t.Errorf("a line without its time: %s", line)
		}
	}
}

// TestArchiveAge begins another file when the first line is old enough, with the
// next report or without one, and after a restart as well.
func TestArchiveAge(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.jsonl")
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	config := ArchiveConfig{Path: path, MaxBytes: 1 << 20, MaxAge: 24 * time.Hour, Files: 3, Now: func() time.Time { return now }}
	n := 0
	deliver := func(a *Archive) {
		t.Helper()
		n++
		pipeline := ingest.NewPipeline(ingesttest.Store(t), ingest.PipelineConfig{Archive: a, Workers: 1})
		d := &ingest.Delivery{Source: "dir:in", Name: "a", Body: bytes.NewReader(ingesttest.Report(fmt.Sprint("r", n), 1))}
		if _, err := pipeline.Deliver(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	open := func() *Archive {
		t.Helper()
		a, err := OpenArchive(config)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := open()
	if err := a.age(); err != nil {
		t.Fatal(err)
	}
	deliver(a)
	now = now.Add(23 * time.Hour)
	deliver(a)
	if err := errors.Join(a.age(), a.Close()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	a = open()
	deliver(a)
	wantFiles(t, path, "r1 r2", "r3")
	now = now.Add(24 * time.Hour)
	if err := a.age(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, path, "r1 r2", "r3", "")
	if err := errors.Join(a.age(), a.Close()); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, path, "r1 r2", "r3", "")
}

// wantFiles holds the ids in the files of an archive, the oldest first and the
// current one last.
func wantFiles(t testing.TB, path string, want ...string) {
	t.Helper()
	names, err := filepath.Glob(path + ".*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	slices.Reverse(names)
	var got []string
	for _, name := range append(names, path) {
		var ids []string
		for _, l := range archived(t, name) {
			ids = append(ids, l.ReportID)
		}
		got = append(got, strings.Join(ids, " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files %s (-want +got):\n%s", names, diff)
	}
}

// TestArchiveCrash opens what a crash at each step of a rotation leaves: no line
// is lost or doubled, and the next rotation keeps what it should.
func TestArchiveCrash(t *testing.T) {
	t.Parallel()
	line := func(id string) string { return `{"report_id":"` + id + `"}` + "\n" }
	gz := func(id string) string {
		dir := t.TempDir()
		from, to := filepath.Join(dir, "plain"), filepath.Join(dir, "packed")
		if err := errors.Join(os.WriteFile(from, []byte(line(id)), 0o600), packFile(from, to)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, tt := range map[string]struct {
		files map[string]string // by the end of their names
		want  []string          // after it was opened
		next  []string          // after another rotation
	}{
		"before":                   {map[string]string{".2.gz": gz("a"), ".1.gz": gz("b"), "": line("c")}, []string{"a", "b", "c"}, []string{"b", "c", "d"}},
		"the last one is gone":     {map[string]string{".1.gz": gz("b"), "": line("c")}, []string{"b", "c"}, []string{"b", "c", "d"}},
		"in the middle of a shift": {map[string]string{".2.gz": gz("b"), "": line("c")}, []string{"b", "c"}, []string{"b", "c", "d"}},
		"renamed":                  {map[string]string{".2.gz": gz("b"), ".1": line("c")}, []string{"b", "c", ""}, []string{"c", "d", ""}},
		"in the middle of packing": {map[string]string{".2.gz": gz("b"), ".1": line("c"), ".1.gz.new": gz("c")[:9], "": ""}, []string{"b", "c", ""}, []string{"c", "d", ""}},
		"packed":                   {map[string]string{".2.gz": gz("b"), ".1": line("c"), ".1.gz": gz("c"), "": ""}, []string{"b", "c", ""}, []string{"c", "d", ""}},
		"in the middle of a line":  {map[string]string{".1.gz": gz("b"), "": line("c") + line("x")[:5]}, []string{"b", "c"}, []string{"b", "c", "d"}},
		"files of version 0.1.0":   {map[string]string{".2": line("a"), ".1": line("b"), "": line("c")}, []string{"a", "b", "c"}, []string{"b", "c", "d"}},
	} {
		path := filepath.Join(t.TempDir(), "records.jsonl")
		for end, text := range tt.files {
			if err := os.WriteFile(path+end, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a, err := OpenArchive(ArchiveConfig{Path: path, MaxBytes: 1 << 20, Files: 2})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Log(name)
		wantFiles(t, path, tt.want...)
		add := func() {
			lines := &spill{}
			_, _ = lines.Write([]byte(line("d"))) // It never fails.
			if err := a.append(lines); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		empty := a.size == 0
		if empty {
			add()
		}
		if err := a.rotate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !empty {
			add()
		}
		if err := a.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantFiles(t, path, tt.next...)
	}
}
