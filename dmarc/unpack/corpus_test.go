package unpack_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// corpusRow is a line of the index of the shared corpus.
type corpusRow struct {
	path, kind, expected, family string
	reports                      int
}

func readCorpus(t *testing.T) (dir string, rows []corpusRow) {
	t.Helper()
	dir = filepath.Join("..", "..", "..", "shared", "corpus")
	f, err := os.Open(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Skip("the shared corpus is not here")
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Scan() // the head line
	for s.Scan() {
		c := strings.Split(s.Text(), "\t")
		if len(c) < 15 || c[1] == "meta" {
			continue
		}
		n, _ := strconv.Atoi(c[9])
		rows = append(rows, corpusRow{path: c[0], kind: c[1], expected: c[2], family: c[13], reports: n})
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return dir, rows
}

// found is what Walk gave out for one input.
type found struct {
	kinds    map[unpack.Kind]int // documents read to their end
	bytes    int64
	refused  []dmarc.Reason // of damaged members and unreadable documents
	warnings []dmarc.Code
	err      error
}

func walkAll(r io.Reader, limits unpack.Limits) found {
	got := found{kinds: map[unpack.Kind]int{}}
	got.err = unpack.Walk(r, limits, func(d *unpack.Document) error {
		var e *dmarc.Error
		if errors.As(d.Err, &e) {
			got.refused = append(got.refused, e.Reason)
			return nil
		}
		n, err := io.Copy(io.Discard, d.Reader)
		got.bytes += n
		for _, w := range d.Warnings {
			got.warnings = append(got.warnings, w.Code)
		}
		switch {
		case errors.As(err, &e):
			got.refused = append(got.refused, e.Reason)
		case err != nil:
			return err
		default:
			got.kinds[d.Kind]++
		}
		return nil
	})
	return got
}

// TestCorpus counts the documents in every file of the shared corpus. What is
// inside of a document is not looked at here, so rows whose content is wrong
// may give a document, which the decoders then refuse.
func TestCorpus(t *testing.T) {
	dir, rows := readCorpus(t)
	failed := 0
	for _, row := range rows {
		f, err := os.Open(filepath.Join(dir, row.path))
		if err != nil {
			t.Fatal(err)
		}
		got := walkAll(f, unpack.Limits{})
		f.Close()
		kind := unpack.Kind(row.kind)
		if row.kind == "arf" {
			kind = unpack.KindFailure
		}
		ok := len(got.refused) == 0 && got.err == nil && got.kinds[kind] == row.reports && len(got.kinds) == 1
		if row.expected == "error" || row.expected == "bounded" {
			refused := len(got.kinds) == 0 && (got.err != nil || len(got.refused) > 0)
			content := strings.HasSuffix(row.path, ".xml") || strings.HasSuffix(row.path, ".json") || strings.HasPrefix(row.family, "sec-")
			ok = refused || content
		}
		if !ok {
			failed++
			t.Errorf("%s (%s, %s): got %v, refused %v, warnings %v, err %v; want %d of kind %s",
				row.path, row.family, row.expected, got.kinds, got.refused, got.warnings, got.err, row.reports, kind)
		}
	}
	t.Logf("%d of %d files as expected", len(rows)-failed, len(rows))
}
