package tlsrpt

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestSharedCorpus reads other people's reports where they lie beside the
// repository. Those in containers are the business of package unpack.
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
		path := column(row, "path")
		if column(row, "kind") != "tls" || filepath.Ext(path) != ".json" {
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
			if column(row, "expected") == "error" {
				if err == nil {
					t.Error("accepted, want an error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if column(row, "expected") == "ok-recover" && len(r.Warnings) == 0 {
				t.Error("no warning, want at least one")
			}
			for name, got := range map[string]string{
				"records":   strconv.Itoa(len(r.Policies)),
				"messages":  strconv.FormatInt(r.Sessions(), 10),
				"pass_msgs": strconv.FormatInt(r.Successful(), 10),
				"org":       r.OrganizationName,
				"begin":     strconv.FormatInt(r.Start.Unix(), 10),
				"end":       strconv.FormatInt(r.End.Unix(), 10),
				"report_id": r.ReportID,
			} {
				if want := column(row, name); got != want && want != "-" {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
			if want := column(row, "domain"); want != "-" && !slices.Equal(r.Domains(), []string{want}) {
				t.Errorf("domains are %q, want %s", r.Domains(), want)
			}
		})
	}
	if n == 0 {
		t.Error("the index names no report")
	}
}
