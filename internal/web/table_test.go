package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// htmlRows returns the rows of the first table of a page that has a caption with a text.
func htmlRows(t *testing.T, body, caption string) (rows [][]string) {
	t.Helper()
	elements(t, []byte(body), func(n *html.Node) {
		if n.Data != "table" || rows != nil || !strings.Contains(textOf(n.FirstChild.NextSibling), caption) {
			return
		}
		for tr := range n.Descendants() {
			if tr.Data != "tr" || tr.Parent.Data != "tbody" {
				continue
			}
			var row []string
			for c := range tr.ChildNodes() {
				row = append(row, textOf(c))
			}
			rows = append(rows, row)
		}
	})
	if rows == nil {
		t.Fatalf("no table about %q in\n%s", caption, body)
	}
	return rows
}

// query returns the rows of a query as texts.
func (w *world) query(t testing.TB, query string, args ...any) (rows [][]string) {
	t.Helper()
	v, err := w.engine.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := v.Query(t.Context(), func(row []any) error {
		var texts []string
		for _, value := range row {
			texts = append(texts, fmt.Sprint(value))
		}
		rows = append(rows, texts)
		return nil
	}, query, args...); err != nil {
		t.Fatal(err)
	}
	return rows
}

// columns returns some columns of rows, sorted.
func columns(rows [][]string, which ...int) (out [][]string) {
	for _, row := range rows {
		var some []string
		for _, i := range which {
			some = append(some, strings.ReplaceAll(row[i], ",", ""))
		}
		out = append(out, some)
	}
	slices.SortFunc(out, slices.Compare)
	return out
}

// holdTables compares pages, CSV and JSON with what SQL finds.
func holdTables(t *testing.T, w *world) {
	t.Helper()
	const pass = "(dkim = 'pass' OR spf = 'pass')"
	for _, test := range []struct {
		page, caption, csv, query string
		columns                   []int
	}{
		{
			"/sources?domain=shop.example", "Addresses", "/sources.csv?domain=shop.example",
			"SELECT source_ip, CAST(sum(count) AS BIGINT), CAST(sum(CASE WHEN " + pass + " THEN 0 ELSE count END) AS BIGINT) FROM dmarc_records WHERE domain = 'shop.example' GROUP BY 1",
			[]int{0, 1, 2},
		},
		{
			"/domain?name=shop.example", "Who sent reports", "/domain.csv?name=shop.example&table=reporters",
			"SELECT org_name, count(*), CAST(sum(messages) AS BIGINT) FROM dmarc_reports WHERE domain = 'shop.example' GROUP BY 1",
			[]int{0, 1, 2},
		},
		{
			"/", "Domains", "/overview.csv", "SELECT domain, CAST(sum(messages) AS BIGINT) FROM dmarc_reports GROUP BY 1", []int{0, 5},
		},
		{
			"/reports?kind=aggregate", "Reports", "/reports.csv?kind=aggregate", "SELECT domain, org_name, messages, records, report_id FROM dmarc_reports", []int{1, 2, 4, 6, 7},
		},
		{"/tls", "Sessions by domain", "/tls.csv", "SELECT policy_domain, policy_type, successful_session_count, failed_session_count FROM tls_reports", []int{0, 1, 2, 3}},
		{"/failures", "Failure reports", "/failures.csv", "SELECT domain, auth_failure, incidents, source_ip FROM dmarc_failures", []int{1, 2, 3, 4}},
		{"/refused", "What was refused", "/refused.csv", "SELECT source, reason FROM dmarc_refusals", []int{1, 2}},
		{
			"/source?address=192.0.2.2", "Messages of the address by day", "/source.csv?address=192.0.2.2&table=days",
			"SELECT substr(CAST(date_begin AS TEXT), 1, 10), CAST(sum(count) AS BIGINT), count(DISTINCT org_name) FROM dmarc_records WHERE source_ip = '192.0.2.2' GROUP BY 1",
			[]int{0, 1, 3},
		},
	} {
		t.Run(test.csv, func(t *testing.T) {
			rows := w.query(t, test.query)
			if len(rows) == 0 {
				t.Fatal("SQL finds nothing")
			}
			all := make([]int, len(rows[0]))
			for i := range all {
				all[i] = i
			}
			want := columns(rows, all...)
			got := w.rows(t, test.csv)
			for _, row := range got {
				for i := range row {
					row[i] = strings.TrimPrefix(row[i], "'") // before what a spreadsheet would compute
				}
			}
			if diff := gocmp.Diff(want, columns(got, test.columns...)); diff != "" {
				t.Errorf("CSV (-SQL +CSV):\n%s", diff)
			}
			var objects []map[string]any
			if err := json.Unmarshal([]byte(w.read(t, strings.Replace(test.csv, ".csv", ".json", 1))), &objects); err != nil {
				t.Fatal(err)
			}
			if len(objects) != len(rows) {
				t.Errorf("%d objects of JSON, want %d", len(objects), len(rows))
			}
			for _, row := range want {
				for i := range row {
					row[i] = strings.Join(strings.Fields(row[i]), " ")
				}
			}
			shown := htmlRows(t, w.read(t, test.page), test.caption)
			if diff := gocmp.Diff(want, columns(shown, test.columns...)); diff != "" && len(want) <= rowsPerPage {
				t.Errorf("page (-SQL +page):\n%s", diff)
			}
		})
	}
}

func TestTables(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	holdTables(t, w)
	for _, row := range w.rows(t, "/reports.csv") {
		for _, c := range row {
			if c != "" && strings.ContainsRune("=+-@", rune(c[0])) {
				t.Errorf("a spreadsheet would compute %q", c)
			}
		}
	}
}

// TestFilters narrows tables, sorts them and turns their pages.
func TestFilters(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	first := func(path string, column int) (all []string) {
		for _, row := range w.rows(t, path) {
			all = append(all, row[column])
		}
		return all
	}
	for _, test := range []struct {
		path   string
		column int
		want   []string
	}{
		{"/sources.csv?domain=shop.example", 0, []string{"192.0.2.1", "192.0.2.2", "2001:db8::7"}},
		{"/sources.csv?domain=shop.example&failing=1", 0, []string{"192.0.2.2"}},
		{"/sources.csv?domain=shop.example&sort=failing", 0, []string{"192.0.2.2", "192.0.2.1", "2001:db8::7"}},
		{"/sources.csv?domain=shop.example&sort=name", 0, []string{"192.0.2.1", "192.0.2.2", "2001:db8::7"}},
		{"/sources.csv?domain=shop.example&sender=unauthenticated", 0, []string{"192.0.2.2"}},
		{"/sources.csv?domain=shop.example&days=1", 1, []string{"119", "43", "9"}},
		{"/sources.csv?domain=shop.example&days=1&to=2026-11-01", 1, []string{"100", "43", "9"}},
		{"/sources.csv?domain=shop.example&days=1&to=2026-10-01", 1, nil},
		{"/sources.csv?domain=none.example", 2, nil},
		{"/refused.csv?reason=syntax", 2, nil},
		{"/refused.csv?reason=not_a_report", 2, []string{"not_a_report"}},
		{"/refused.csv?source=dir:in", 2, []string{"not_a_report"}},
		{"/reports.csv?kind=tls", 7, []string{"t1"}},
		{"/reports.csv?reporter=Example+Mail&days=1", 7, []string{"a19"}},
		{"/failures.csv?domain=other.example", 1, nil},
	} {
		if got := first(test.path, test.column); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.path, got, test.want)
		}
	}
	many := inputs()
	for i := range 70 {
		many = append(many, aggregate(fmt.Sprintf("c%d", i), "Example Mail", "shop.example", testNow.AddDate(0, 0, -4), record("192.0.2.1", i+1, "pass", "pass", "shop.example")))
	}
	w = newWorld(t, sqliteFile(t), store.RecordsAll, many...)
	var ids []string
	for page := 1; page <= 3; page++ {
		for _, row := range htmlRows(t, w.read(t, "/reports?page="+strconv.Itoa(page)), "Reports") {
			ids = append(ids, row[7])
		}
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 113 || !strings.Contains(w.read(t, "/reports?page=9"), "There are no rows on this page") {
		t.Errorf("%d reports on the pages, want 43", n)
	}
}

// TestSignedTwice counts a message with two signatures of a key once.
func TestSignedTwice(t *testing.T) {
	twice := []reportjson.DKIM{{Domain: "a.example", Selector: "s1", Result: "pass"}, {Domain: "a.example", Selector: "s1", Result: "fail"}, {Domain: "b.example", Result: "fail"}}
	got := signatures([]store.SourceRecord{{Messages: 3, AuthDKIM: twice}, {Messages: 2, AuthDKIM: twice[1:]}}).csv()
	if want := "domain,selector,messages,valid\na.example,s1,5,0.6\nb.example,,5,0\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
