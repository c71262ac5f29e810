package reportfiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
)

// corpus is a collection of sample reports beside the repository, with what
// each must give in INDEX.tsv.
const corpus = "../../../shared/corpus"

// argued are the rows that we differ from, and why.
var argued = map[string]string{
	"synthetic/arf-abuse-a.eml":       "a spam complaint is refused with not_dmarc: it is neither an aggregate nor a failure report",
	"mail-auth/resources/arf/001.eml": "a spam complaint, too",
}

// row is a line of INDEX.tsv, by column name.
type row map[string]string

func readIndex(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpus, "INDEX.tsv"))
	if err != nil {
		t.Skipf("no corpus: %v", err)
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	header := strings.Split(lines[0], "\t")
	var rows []row
	for _, line := range lines[1:] {
		r := row{}
		for i, cell := range strings.Split(line, "\t") {
			r[header[i]] = cell
		}
		if r["kind"] != "meta" {
			rows = append(rows, r)
		}
	}
	return rows
}

// answer is a line of check --json.
type answer struct {
	checked
	Error *reportjson.Problem `json:"error"`
}

// runCheck checks files and returns the answers by path.
func runCheck(t *testing.T, paths ...string) map[string][]answer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := Check(t.Context(), Streams{Out: &stdout, Err: &stderr}, paths, CheckConfig{JSON: true})
	if err != nil && !errors.Is(err, ErrRefused) || stderr.Len() > 0 {
		t.Fatalf("error %v, stderr %q", err, stderr.String())
	}
	answers := map[string][]answer{}
	for d := json.NewDecoder(&stdout); d.More(); {
		var a answer
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		answers[a.Path] = append(answers[a.Path], a)
	}
	return answers
}

// TestCorpus compares the answers of Check with the index and tells the score of each family.
func TestCorpus(t *testing.T) {
	rows := readIndex(t)
	var paths []string
	for _, r := range rows {
		paths = append(paths, filepath.Join(corpus, r["path"]))
	}
	start := time.Now()
	answers := runCheck(t, paths...)
	t.Logf("%d files in %s", len(paths), time.Since(start).Round(time.Millisecond))
	good, all := map[string]int{}, map[string]int{}
	for _, r := range rows {
		family, _, _ := strings.Cut(r["path"], "/")
		if family == "synthetic" {
			family = r["family"]
		}
		all[family]++
		differences := compareRow(r, answers[filepath.Join(corpus, r["path"])])
		_, known := argued[r["path"]]
		switch {
		case (len(differences) == 0) == known:
			t.Errorf("%s (%s %s): %s", r["path"], r["kind"], r["expected"], strings.Join(differences, ", "))
		case known:
			t.Logf("argued: %s: %s", r["path"], argued[r["path"]])
			good[family]++
		default:
			good[family]++
		}
	}
	var score strings.Builder
	for _, family := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&score, "\n%4d of %-4d %s", good[family], all[family], family)
	}
	t.Log("score by family:" + score.String())
}

// compareRow returns how the answers differ from what the index wants.
func compareRow(r row, answers []answer) []string {
	var reports, refused []answer
	for _, a := range answers {
		if a.Error != nil {
			refused = append(refused, a)
		} else {
			reports = append(reports, a)
		}
	}
	var out []string
	differ := func(column, got string) {
		if want := r[column]; want != "-" && want != got {
			out = append(out, fmt.Sprintf("%s = %q, want %q", column, got, want))
		}
	}
	switch r["expected"] {
	case "bounded":
		if len(answers) == 0 {
			out = append(out, "no answer")
		}
		return out
	case "error", "-":
		if len(reports) > 0 || len(refused) == 0 {
			out = append(out, fmt.Sprintf("%d reports and %d refusals, want only a refusal", len(reports), len(refused)))
		}
		return out
	}
	if len(refused) > 0 && r["expected"] != "ok-recover" {
		out = append(out, "refused: "+refused[0].Error.Message)
	}
	warned := false
	sums := map[string]int64{}
	lists := map[string][]string{}
	dispositions := map[string]int64{}
	for _, a := range reports {
		if string(a.Kind) != r["kind"] {
			differ("kind", string(a.Kind))
		}
		warned = warned || len(a.Warnings) > 0
		sums["records"] += a.Records
		sums["messages"] += a.Messages
		sums["pass_msgs"] += a.PassMessages
		lists["org"] = append(lists["org"], a.Org)
		lists["domain"] = append(lists["domain"], a.Domain)
		lists["report_id"] = append(lists["report_id"], a.ReportID)
		lists["begin"] = append(lists["begin"], epoch(a.Begin))
		lists["end"] = append(lists["end"], epoch(a.End))
		for name, n := range a.Dispositions {
			dispositions[name] += n
		}
	}
	differ("reports", strconv.Itoa(len(reports)))
	for _, column := range []string{"records", "messages", "pass_msgs"} {
		differ(column, strconv.FormatInt(sums[column], 10))
	}
	for _, column := range []string{"org", "domain", "report_id", "begin", "end"} {
		if !strings.Contains(r[column], ";") {
			lists[column] = slices.Compact(lists[column])
		}
		differ(column, strings.Join(lists[column], ";"))
	}
	if r["kind"] == "aggregate" {
		differ("disp", joinCounts(dispositions))
	}
	if r["expected"] == "ok-recover" && !warned {
		out = append(out, "no warning")
	}
	return out
}

func epoch(t *time.Time) string {
	if t == nil {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// joinCounts writes dispositions as the index does.
func joinCounts(counts map[string]int64) string {
	var parts []string
	for name, n := range counts {
		parts = append(parts, name+":"+strconv.FormatInt(n, 10))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}
