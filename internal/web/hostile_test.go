package web

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// Texts that steer a terminal, show what follows backwards, hide, or are formulas.
const (
	steering  = "\u009b31mred \u202egro.live\u2066 zero\u200bwidth"
	formula   = "\u200f=cmd|' /C calc'!A0"
	hiddenOrg = steering + " Ltd"
)

// TestHostileTexts asks for every page and table about a report that is made of such
// texts: people and programs get them in a form that does nothing, and JSON has all of them.
func TestHostileTexts(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, aggregate(formula, hiddenOrg, "shop.example", testNow.AddDate(0, 0, -3), record(steering, 5, "fail", "fail", steering), record("192.0.2.1", 5, "fail", "fail", formula)))
	where := "?name=shop.example&address=192.0.2.1&day=" + testNow.AddDate(0, 0, -2).Format(time.DateOnly) + "&id=1"
	seen := ""
	for _, r := range routes() {
		for _, table := range r.tables {
			at := fmt.Sprintf("%s&table=%s", where, table)
			page := w.read(t, "/"+r.name+at)
			text := w.read(t, "/"+r.name+string(formCSV)+at)
			data := w.read(t, "/"+r.name+string(formJSON)+at)
			for form, body := range map[string]string{"page": page, "CSV": text, "JSON": data} {
				if i := strings.IndexFunc(body, harmful); i >= 0 {
					t.Errorf("%s: %s has %U in %.80q", at, form, []rune(body[i:])[0], body[max(i-20, 0):])
				}
			}
			rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				for _, cell := range row {
					if strings.ContainsAny(cell[:min(len(cell), 1)], "=+-@") {
						t.Errorf("%s: CSV has %q", at, cell)
					}
				}
			}
			var lines []map[string]any
			if err := json.Unmarshal([]byte(data), &lines); err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			seen += fmt.Sprint(lines)
		}
	}
	for _, want := range []string{hiddenOrg, formula} {
		if !strings.Contains(seen, want) {
			t.Errorf("no JSON has %q", want)
		}
	}
}

// harmful reports whether a character steers a terminal or the direction of texts.
func harmful(r rune) bool {
	return unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && r != '\n'
}

// TestHostileQueries answers what no link leads to in few bytes, and never as a fault of
// the exporter.
func TestHostileQueries(t *testing.T) { testHostileQueries(t, sqliteFile(t)) }

func testHostileQueries(t *testing.T, engine store.Engine) {
	w := newWorld(t, engine, store.RecordsAll, inputs()...)
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "&x%d=%s", i, strings.Repeat("y", 100))
	}
	const most = 200_000 // bytes
	for _, test := range []struct {
		query  string
		status int
	}{
		{"sort=none&failing=2", 200},
		{"sort=%27%3B+DROP+TABLE+reports%3B--", 200},
		{"page=1000000", 200},
		{"page=1e9", 400},
		{"page=-1", 400},
		{"page=99999999999999999999", 400},
		{"to=0000-01-01&days=400", 200},
		{"to=9999-12-31&days=400", 200},
		{"to=2026-02-30", 400},
		{"domain=a%00b&name=shop.example&address=192.0.2.1", 400},
		{"domain=a%0d%0aSet-Cookie:x", 400},
		{"domain=" + strings.Repeat("%F0%9F%98%80", 200), 200},
		{"domain=shop.example&domain=other.example", 200},
		{"kind=aggregate%27&reporter=%25&source=%5C", 200},
		{many.String()[1:], 200},
	} {
		for _, name := range []string{"/", "/overview.csv", "/domain", "/sources", "/sources.json", "/source", "/reports", "/reports.csv", "/refused", "/tls", "/failures"} {
			query := test.query
			if !strings.Contains(query, "name=shop") {
				query += "&name=shop.example&address=192.0.2.1"
			}
			got := w.get(t, name+"?"+query)
			if got.Code != test.status || got.Body.Len() > most {
				t.Errorf("GET %s?%.80s: %d with %d bytes, want %d\n%.300s", name, query, got.Code, got.Body.Len(), test.status, got.Body)
			}
			if got.Header().Get("Content-Security-Policy") == "" || got.Header().Get("Set-Cookie") != "" || got.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("GET %s?%.80s: headers %v", name, query, got.Header())
			}
		}
	}
	for _, path := range []string{"/sources/", "/sources%2F", "/..%2Fsources", "/report.csv%00?day=2026-11-04&id=7", "/Sources", "//sources"} {
		if got := w.get(t, path); got.Code == http.StatusOK || got.Code >= http.StatusInternalServerError {
			t.Errorf("GET %s: %d", path, got.Code)
		}
	}
}

// TestSpellings finds a domain and an address however they are written.
func TestSpellings(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, aggregate("1", "Example Mail", "BÜCHER.example.", testNow.AddDate(0, 0, -3), record("192.0.2.1", 5, "fail", "fail", "bücher.example")),
		aggregate("2", "Example Mail", "a.example", testNow.AddDate(0, 0, -3), record("::ffff:198.51.100.7", 5, "fail", "fail", "a.example"), record("2001:db8::a", 5, "fail", "fail", "a.example")))
	for _, address := range []string{"198.51.100.7", "::ffff:198.51.100.7", "::ffff:c633:6407", "2001:db8::a", "2001:DB8:0:0::000A", "[2001:db8::a]"} {
		if got := w.read(t, "/source.csv?address="+url.QueryEscape(address)); strings.Count(got, "\n") != 2 {
			t.Errorf("address %s: %q, want one record", address, got)
		}
	}
	w.restrict(Access{"books": {"xn--bcher-kva.example"}, "b": {"bcher.example"}})
	for _, domain := range []string{"bücher.example", "BÜCHER.EXAMPLE", "bücher.example.", "bücher。example", "xn--bcher-kva.example", "XN--BCHER-KVA.example."} {
		for _, path := range []string{"/sources.csv?domain=", "/domain.csv?name=", "/reports.csv?domain="} {
			if got := w.as("books", path+url.QueryEscape(domain)).Body.String(); strings.Count(got, "\n") != 2 {
				t.Errorf("%s%s: %q, want one row", path, domain, got)
			}
			if got := w.as("b", path+url.QueryEscape(domain)).Body.String(); strings.Count(got, "\n") != 1 {
				t.Errorf("%s%s: somebody else got %q", path, domain, got)
			}
		}
	}
}
