package postgres

import (
	"testing"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

// TestCoreFamilies makes metrics of recorded rows of versions that are not
// installed: every declared column must become a series, nothing else may.
func TestCoreFamilies(t *testing.T) {
	for _, major := range []int{12, 17, 18} {
		v := queryfile.Version{major, 1}
		for _, q := range queryfile.Core(queryfile.CoreConfig{Enabled: func(string) bool { return true }}) {
			if q.Settings || q.Console {
				continue
			}
			var fields []Field
			var row [][]byte
			want := 0
			for i := range q.Columns {
				c := &q.Columns[i]
				if !c.Versions.Contains(v) {
					continue
				}
				if c.IsValue() {
					want++
				}
				add := func(name, value string) {
					fields = append(fields, Field{Name: name, OID: 1700})
					row = append(row, []byte(value))
				}
				if c.Usage == queryfile.UsageHistogram {
					add(c.Name, "{1}")
					add(c.Name+"_bucket", "{1}")
					add(c.Name+"_sum", "1")
					add(c.Name+"_count", "1")
				} else {
					add(c.Name, "1")
				}
			}
			l, err := newLayout(q, fields, scope{version: v, uses: func(string) int { return 1 }})
			if err != nil {
				t.Fatal(err)
			}
			s := newScanner(l, newQuerySet([]*queryfile.Query{q}, 1, nil).tasks[0].seed)
			s.row(row)
			if len(s.samples) != want || len(s.problems) > 0 {
				t.Errorf("%s on %d: %d series, want %d, problems %v", q.Name, major, len(s.samples), want, s.problems)
			}
		}
	}
}
