package tally

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// corpus is a collection of sample reports of other people that may lie beside
// the checkout. Its INDEX.tsv says what each file must give.
const corpus = "../../../shared/corpus"

// argued are the rows that we read otherwise, with the reason.
var argued = map[string]string{
	"synthetic/arf-abuse-a.eml":       "a spam complaint is refused with not_dmarc",
	"mail-auth/resources/arf/001.eml": "a spam complaint is refused with not_dmarc",
}

// sample is what a file gave.
type sample struct {
	entries []*Entry
	err     error // the first refusal
	warned  bool
}

func readSample(path string) (s sample) {
	file, err := os.Open(path)
	if err != nil {
		return sample{err: err}
	}
	defer file.Close()
	var reader Reader
	err = unpack.Walk(file, unpack.Limits{}, func(doc *unpack.Document) error {
		e, err := reader.Read(doc)
		if err != nil {
			if s.err == nil {
				s.err = err
			}
			return nil
		}
		s.entries = append(s.entries, e)
		s.warned = s.warned || len(e.Warnings) > 0
		return nil
	})
	if s.err == nil {
		s.err = err
	}
	return s
}

// TestCorpus reads every sample and compares it with its row, column by column.
func TestCorpus(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(corpus, "INDEX.tsv"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no corpus beside the checkout")
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(index)), "\n")
	names := strings.Split(lines[0], "\t")
	good, all := map[string]int{}, map[string]int{}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, value := range strings.Split(line, "\t") {
			row[names[i]] = value
		}
		if row["kind"] == "meta" {
			continue
		}
		family := row["family"]
		if top, _, _ := strings.Cut(row["path"], "/"); top != "synthetic" {
			family = top
		}
		all[family]++
		wrong := compareSample(row, readSample(filepath.Join(corpus, row["path"])))
		_, known := argued[row["path"]]
		switch {
		case len(wrong) == 0:
			good[family]++
		case !known:
			t.Errorf("%s (%s, %s): %s", row["path"], row["expected"], row["note"], strings.Join(wrong, "; "))
		}
	}
	families := make([]string, 0, len(all))
	for family := range all {
		families = append(families, family)
	}
	slices.Sort(families)
	sum, total := 0, 0
	for _, family := range families {
		sum, total = sum+good[family], total+all[family]
		if good[family] < all[family] {
			t.Logf("%-28s %d of %d", family, good[family], all[family])
		}
	}
	t.Logf("%d of %d files in %d families", sum, total, len(families))
}

// compareSample returns what differs between a row and what was read.
func compareSample(row map[string]string, s sample) (wrong []string) {
	check := func(column, got string) {
		if want := row[column]; want != "-" && want != "" && want != got {
			wrong = append(wrong, fmt.Sprintf("%s: got %q, want %q", column, got, want))
		}
	}
	switch row["expected"] {
	case "bounded":
		return nil
	case "error":
		if len(s.entries) > 0 || s.err == nil {
			wrong = append(wrong, fmt.Sprintf("%d reports and error %v, want a refusal", len(s.entries), s.err))
		}
		var refusal *dmarc.Error
		if !errors.As(s.err, &refusal) {
			wrong = append(wrong, fmt.Sprintf("error %v is no *dmarc.Error", s.err))
		}
		return wrong
	case "ok-recover":
		if !s.warned {
			wrong = append(wrong, "no warning")
		}
	}
	if len(s.entries) == 0 {
		return append(wrong, fmt.Sprintf("no report: %v", s.err))
	}
	var records, messages, pass int64
	var orgs, domains, begins, ends, ids []string
	dispositions := map[string]int64{}
	for _, e := range s.entries {
		records, messages, pass = records+e.Records, messages+e.Messages, pass+e.PassMessages
		orgs, domains, ids = append(orgs, e.Org), append(domains, e.Domain), append(ids, e.ReportID)
		begins, ends = append(begins, strconv.FormatInt(e.Begin.Unix(), 10)), append(ends, strconv.FormatInt(e.End.Unix(), 10))
		for name, n := range e.Dispositions {
			dispositions[name] += n
		}
	}
	check("kind", string(s.entries[0].Kind))
	check("records", strconv.FormatInt(records, 10))
	check("messages", strconv.FormatInt(messages, 10))
	check("pass_msgs", strconv.FormatInt(pass, 10))
	check("reports", strconv.Itoa(len(s.entries)))
	check("org", strings.Join(orgs, ";"))
	check("domain", strings.Join(domains, ";"))
	check("begin", strings.Join(begins, ";"))
	check("end", strings.Join(ends, ";"))
	check("report_id", strings.Join(ids, ";"))
	check("disp", joinDispositions(dispositions))
	return wrong
}

// joinDispositions writes none:17,quarantine:3.
func joinDispositions(d map[string]int64) string {
	var all []string
	for name, n := range d {
		all = append(all, fmt.Sprintf("%s:%d", name, n))
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}
