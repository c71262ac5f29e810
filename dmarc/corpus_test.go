package dmarc_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// corpusDir holds reports of other people with an index of what each must
// give. They are no part of this repository; the test runs where they are.
const corpusDir = "../../shared/corpus"

// corpusExceptions are the rows that the decoder answers differently, each with its reason.
var corpusExceptions = map[string]string{}

// corpusRow is a line of the index, by column name.
type corpusRow map[string]string

func corpusRows(t testing.TB) []corpusRow {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpusDir, "INDEX.tsv"))
	if err != nil {
		t.Skip("no shared corpus beside the repository")
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	columns := strings.Split(lines[0], "\t")
	var rows []corpusRow
	for _, line := range lines[1:] {
		row := corpusRow{}
		for i, v := range strings.Split(line, "\t") {
			row[columns[i]] = v
		}
		if row["kind"] == "aggregate" || row["kind"] == "none" {
			rows = append(rows, row)
		}
	}
	return rows
}

// corpusXML returns the document of a row that is plain XML, perhaps in gzip.
// Other containers are the business of package unpack.
func corpusXML(t testing.TB, path string) ([]byte, bool) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpusDir, path))
	if err != nil {
		t.Fatal(err)
	}
	switch filepath.Ext(path) {
	case ".eml", ".mbox", ".zip", ".zlib", ".json":
		return nil, false
	}
	if !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		return b, !bytes.HasPrefix(b, []byte("PK"))
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, false
	}
	const limit = 64 << 20
	b, err = io.ReadAll(io.LimitReader(z, limit))
	return b, err == nil && len(b) < limit && !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) && !bytes.Contains(b[:min(512, len(b))], []byte("ustar"))
}

func TestCorpus(t *testing.T) {
	type score struct{ right, all int }
	scores := map[string]*score{}
	var total score
	for _, row := range corpusRows(t) {
		doc, ok := corpusXML(t, row["path"])
		if !ok {
			continue
		}
		family := row["family"]
		if !strings.HasPrefix(row["path"], "synthetic/") {
			family, _, _ = strings.Cut(row["path"], "/")
		}
		s := scores[family]
		if s == nil {
			s = new(score)
			scores[family] = s
		}
		s.all++
		total.all++
		problem := compareRow(row, doc)
		if problem == "" {
			s.right++
			total.right++
			continue
		}
		if reason := corpusExceptions[row["path"]]; reason != "" {
			t.Logf("%s: %s (%s)", row["path"], problem, reason)
			continue
		}
		t.Errorf("%s: %s", row["path"], problem)
	}
	var families []string
	for f, s := range scores {
		families = append(families, fmt.Sprintf("%-24s %d/%d", f, s.right, s.all))
	}
	slices.Sort(families)
	t.Logf("families:\n%s\nscore: %d of %d documents", strings.Join(families, "\n"), total.right, total.all)
}

// compareRow says what is wrong about the way the document is read.
func compareRow(row corpusRow, doc []byte) string {
	report, err := dmarc.Parse(bytes.NewReader(doc))
	if row["expected"] == "bounded" {
		return ""
	}
	if err != nil {
		var refused *dmarc.Error
		switch {
		case !errors.As(err, &refused):
			return fmt.Sprintf("error %v is no *dmarc.Error", err)
		case row["expected"] != "error":
			return fmt.Sprintf("refused: %v", err)
		}
		return ""
	}
	got := corpusRow{
		"org": report.Metadata.OrgName, "domain": report.Policy.Domain, "report_id": report.Metadata.ReportID,
		"begin": fmt.Sprint(report.Metadata.Begin.Unix()), "end": fmt.Sprint(report.Metadata.End.Unix()),
		"records": fmt.Sprint(len(report.Records)), "reports": "1", "expected": row["expected"],
	}
	var messages, pass int64
	dispositions := map[string]int64{}
	for _, r := range report.Records {
		messages += r.Count
		if r.Aligned() {
			pass += r.Count
		}
		name := string(r.Disposition)
		if name == "" {
			name = "-"
		}
		dispositions[name] += r.Count
	}
	got["messages"], got["pass_msgs"] = strconv.FormatInt(messages, 10), strconv.FormatInt(pass, 10)
	var parts []string
	for name, n := range dispositions {
		parts = append(parts, fmt.Sprintf("%s:%d", name, n))
	}
	slices.Sort(parts)
	got["disp"] = strings.Join(parts, ",")
	if row["expected"] == "error" {
		return "accepted"
	}
	if row["expected"] == "ok-recover" && len(report.Warnings) == 0 {
		return "no warning"
	}
	for _, column := range []string{"records", "messages", "pass_msgs", "org", "domain", "begin", "end", "reports", "report_id", "disp"} {
		if want := row[column]; want != "-" && want != got[column] {
			return fmt.Sprintf("%s: got %q, want %q", column, got[column], want)
		}
	}
	return ""
}
