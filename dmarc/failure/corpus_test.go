package failure

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// TestSharedCorpus reads other people's reports where they lie beside the
// repository.
func TestSharedCorpus(t *testing.T) {
	const root = "../../../shared/corpus"
	f, err := os.Open(filepath.Join(root, "INDEX.tsv"))
	if err != nil {
		t.Skip("no shared corpus")
	}
	defer f.Close()
	c := csv.NewReader(f)
	c.Comma, c.LazyQuotes = '\t', true
	rows, err := c.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(row []string, name string) string { return row[slices.Index(rows[0], name)] }
	n := 0
	for _, row := range rows[1:] {
		path, kind := column(row, "path"), column(row, "kind")
		if kind != "failure" && kind != "arf" {
			continue
		}
		n++
		t.Run(path, func(t *testing.T) {
			f, err := os.Open(filepath.Join(root, path))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r, err := Parse(f)
			if kind == "arf" {
				if reason(err) != dmarc.ReasonNotDMARC {
					t.Errorf("error %v, want %s", err, dmarc.ReasonNotDMARC)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := column(row, "domain"); r.Domain != want {
				t.Errorf("domain %q, want %q", r.Domain, want)
			}
			if want := column(row, "messages"); strconv.FormatInt(r.Incidents, 10) != want {
				t.Errorf("%d incidents, want %s", r.Incidents, want)
			}
			for _, w := range r.Warnings {
				t.Logf("warning %s %q", w.Code, w.Value)
			}
		})
	}
	if n == 0 {
		t.Error("the index names no report")
	}
}
