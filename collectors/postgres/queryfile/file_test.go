package queryfile

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var ignoreSource = cmp.Options{
	cmpopts.IgnoreUnexported(Query{}), cmpopts.IgnoreTypes(Position{}), cmpopts.IgnoreUnexported(Alternative{}), cmp.AllowUnexported(Range{}, bound{}),
}

func TestLoadUpstreamFormat(t *testing.T) {
	files, err := Load("testdata/files/upst*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []*Query{
		{
			Name: "shop_orders", Prefix: "shop_orders", Master: true, Cache: 30 * time.Second, Versions: mustRange(t, ">=9.5.0 <19.0.0"),
			SQL:  "SELECT state, count(*) AS total, sum(amount) AS amount FROM orders GROUP BY state",
			Null: NullSkip, NullIsError: true, ServerLabel: true,
			Columns: []Column{
				{Name: "state", Usage: UsageLabel, Help: "State of the order"},
				{Name: "total", Usage: UsageGauge, Help: "Orders in that state"},
				{Name: "amount", Usage: UsageCounter, Help: "Money"},
			},
		},
		{
			Name: "shop_wait", Prefix: "shop_wait", SQL: files.Queries[1].SQL,
			Null: NullSkip, NullIsError: true, ServerLabel: true,
			Columns: []Column{
				{Name: "queue", Usage: UsageLabel, Help: "Queue"},
				{Name: "seconds", Usage: UsageHistogram, Help: "Time in the queue"},
			},
		},
		{
			Name: "shop_mode", Prefix: "shop_mode", SQL: "SELECT mode, pause, note FROM mode",
			Null: NullSkip, NullIsError: true, ServerLabel: true,
			Columns: []Column{
				{Name: "mode", Usage: UsageMapped, Help: "Mode", Mapping: map[string]float64{"open": 1, "closed": 0}},
				{Name: "pause", Usage: UsageDuration, Help: "Pause"},
				{Name: "note", Usage: UsageDiscard, Versions: mustRange(t, ">=12.0.0")},
			},
		},
	}
	if diff := cmp.Diff(want, files.Queries, ignoreSource); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
	if got := files.Queries[2].MetricName(&files.Queries[2].Columns[1]); got != "shop_mode_pause_milliseconds" {
		t.Errorf("duration is named %q", got)
	}
	if len(files.Sums) != 1 || len(files.Sums[0].SHA256) != 64 {
		t.Errorf("sums = %+v", files.Sums)
	}
}

func mustRange(t *testing.T, s string) Range {
	t.Helper()
	r, err := ParseRange(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLoadSuperset(t *testing.T) {
	files, err := Load("testdata/files/superset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []*Query{
		{
			Name: "defaults_are", Prefix: "defaults_are", SQL: "SELECT a, n FROM t", Timeout: 500 * time.Millisecond,
			MaxRows: 10, Null: NullZero, ServerLabel: true,
			Columns: []Column{{Name: "a", Usage: UsageLabel}, {Name: "n", Usage: UsageGauge, Metric: "other_name", Labels: []string{}, Null: NullNaN}},
		},
		{
			Name: "again", Prefix: "changed", SQL: "SELECT a, n FROM u", Timeout: 500 * time.Millisecond, MaxRows: 10, Null: NullZero,
			Versions: AtLeast(Version{12}), Databases: []string{"app_*", "reports"}, Interval: 5 * time.Minute,
			Columns: []Column{{Name: "n", Usage: UsageGauge}},
		},
		{
			Name: "window", Prefix: "window", SQL: "SELECT count(*) AS n FROM t WHERE id > $1 AND id <= $2",
			Interval: 30 * time.Second, Requires: []string{"t"},
			Alternatives: []Alternative{{Versions: mustRange(t, "<12"), SQL: "SELECT 0 AS n"}},
			Cursor:       "SELECT coalesce(max(id), 0) FROM t", CursorStart: "0", Null: NullSkip, NullIsError: true, ServerLabel: true,
			Columns: []Column{{Name: "n", Usage: UsageCounter, Help: "Rows."}},
		},
	}
	if diff := cmp.Diff(want, files.Queries, ignoreSource); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

// TestMistakes reads files with one mistake each. Their first line is a
// comment with the message that must be reported.
func TestMistakes(t *testing.T) {
	names, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(names) < 20 {
		t.Fatalf("found %d files: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(content), "\n")
			want := strings.TrimPrefix(first, "# ")
			files, err := Load(name)
			if err == nil {
				t.Fatalf("no error, want %q", want)
			}
			if files != nil {
				t.Errorf("files returned beside an error")
			}
			got := strings.ReplaceAll(err.Error(), filepath.ToSlash(name)+":", "")
			if got != want {
				t.Errorf("error\n got: %s\nwant: %s", got, want)
			}
			var fe *FileError
			if !errors.As(err, &fe) || fe.At.Line < 1 {
				t.Errorf("error %v has no position", err)
			}
		})
	}
}

func TestAllMistakesAreReported(t *testing.T) {
	_, err := Parse("f", []byte("a:\n  querry: x\n  master: perhaps\nb:\n  query: SELECT 1\n  metrics: {}\n"))
	want := []string{`f:2:3: unknown key "querry" in query "a", did you mean "query"?`, `f:3:11: master: cannot use "perhaps" as true or false`, `f:6:12: metrics must be a list`}
	if got := strings.Split(err.Error(), "\n"); !cmp.Equal(got, want) {
		t.Errorf("mistakes: %s", cmp.Diff(want, got))
	}
}

func TestLoadMissing(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "*.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of nothing: %v", err)
	}
	if _, err := Load("[z-a"); err == nil {
		t.Error("Load accepts a broken pattern")
	}
}

func TestPosition(t *testing.T) {
	const file = "q:\n  query: |\n    SELECT\n      wrong\n    FROM t\n  metrics: [{n: {usage: GAUGE}}]\np:\n  query: 'SELECT wrong'\n  metrics: [{n: {usage: GAUGE}}]\n"
	files, err := Parse("f", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		query, character int
		want             string
	}{
		{0, 1, "f:3:5"}, {0, 10, "f:4:7"}, {0, 16, "f:5:5"}, {0, 0, "f:1:1"}, {0, 999, "f:1:1"}, {1, 8, "f:8:18"},
	}
	for _, tt := range tests {
		if got := files.Queries[tt.query].Position(Version{15}, tt.character).String(); got != tt.want {
			t.Errorf("Position(%d) of query %d = %s, want %s", tt.character, tt.query, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		files, err := Parse("f", content)
		if (err == nil) == (files == nil) {
			t.Fatalf("files %v beside error %v", files, err)
		}
		if err != nil {
			return
		}
		for _, q := range files.Queries {
			if q.SQL == "" || q.Timeout < 0 || q.Interval < 0 || q.MaxRows < 0 {
				t.Errorf("query %+v was accepted", q)
			}
			for i := range q.Columns {
				c := &q.Columns[i]
				if c.IsValue() && !metricName.MatchString(q.MetricName(c)) {
					t.Errorf("metric name %q was accepted", q.MetricName(c))
				}
			}
			for _, n := range []int{-1, 0, 1, len(q.SQL), len(q.SQL) + 1, math.MaxInt} {
				if at := q.Position(Version{15}, n); at.Line < 1 || at.Line > strings.Count(string(content), "\n")+1 {
					t.Errorf("Position(%d) = %v", n, at)
				}
			}
		}
	})
}
