package web

import (
	"encoding/csv"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// theirs is what only the reports of another customer hold.
var theirs = []string{"rival.", "rival-", "203.0.113.", "Known Network", "Their Reporter", "silent.example", "imap:", "dir:in/", "/metrics"}

// rivalInputs are reports about another domain, some of the same reporters and
// addresses and with later days, and what is about no domain.
func rivalInputs() (all []string) {
	at := testNow.AddDate(0, 0, -1)
	all = append(all,
		aggregate("rival-1", "Example Mail", "rival.example", at, record("192.0.2.2", 4_321, "pass", "pass", "rival.example"), record("203.0.113.9", 98_765, "fail", "fail", "rival.example")),
		aggregate("rival-2", "Their Reporter", "mail.rival.example", at.AddDate(0, 0, -3), record("192.0.2.1", 55_555, "fail", "pass", "rival.example")),
		aggregate("rival-3", "Their Reporter", "notshop.example.rival", at, record("192.0.2.1", 6, "fail", "pass", "shop.example.rival")),
		strings.NewReplacer("shop.example", "rival.example", `"t1"`, `"rival-t"`, "-11-21", "-11-23").Replace(tlsInput),
		strings.NewReplacer("shop.example", "rival.example", "192.0.2.66", "203.0.113.66", "21 Nov", "23 Nov").Replace(failureInput),
		// One report with policies of both.
		strings.NewReplacer(`"t1"`, `"t2"`, `"policies":[`, `"policies":[{"policy":{"policy-type":"sts","policy-domain":"rival.example"},"summary":{"total-successful-session-count":1,"total-failure-session-count":0}},`).Replace(tlsInput),
		strings.NewReplacer(`"t1"`, `"t3"`, `"policy-domain":"shop`, `"policy-domain":"notshop`).Replace(tlsInput),
	)
	return all
}

// access is that of two customers and of who keeps their reports.
var access = Access{"shop": {"shop.example"}, "rival": {"rival.example"}, "operator": {config.AllDomains}, "none": {}}

// restrict gives users access; the header X-User is who asks.
func (w *world) restrict(a Access) {
	c := w.pages.config
	c.Access, c.Users = func() Access { return a }, func(r *http.Request) []string { return r.Header.Values("X-User") }
	w.use(c)
}

// as asks for a page as a user.
func (w *world) as(user, path string) *httptest.ResponseRecorder {
	r, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
	if user != "" {
		req.Header.Set("X-User", user)
	}
	w.mux.ServeHTTP(r, req)
	return r
}

// TestAccess asks for every page that there is as a user who sees one domain: each
// answer is the one that a database without the other domains gives.
func TestAccess(t *testing.T) {
	testAccess(t, sqliteFile(t), sqliteFile(t), 8)
}

// testAccess visits as many pages of a kind as most.
func testAccess(t *testing.T, everything, own store.Engine, most int) {
	// Their reports come last, so that those of both databases have the same numbers.
	both := newWorld(t, everything, store.RecordsAll, append(inputs(), rivalInputs()...)...)
	alone := newWorld(t, own, store.RecordsAll, inputs()...)
	both.restrict(access)
	alone.restrict(access)
	paths := map[string]bool{}
	crawlAs(t, both, "operator", most, func(path string, _ *httptest.ResponseRecorder, _ []string) { paths[path] = true })
	queries := []string{"", "&name=rival.example&to=2026-11-24", "&domain=RIVAL.example.&address=203.0.113.9", "&address=203.0.113.9&reporter=Their+Reporter&sender=Known+Network", "&name=silent.example"}
	for _, r := range routes() {
		for _, table := range r.tables {
			for _, query := range queries[:min(1+most, len(queries))] {
				paths["/"+r.name+".csv?table="+table+query] = true
				if most > 1 {
					paths["/"+r.name+"?"+query] = true
				}
			}
		}
	}
	for id := range 7 * most { // numbers that were guessed
		paths[fmt.Sprintf("/report.json?day=2026-11-23&id=%d", id)] = true
	}
	seen := 0
	for path := range paths {
		if path == "/metrics" || strings.HasPrefix(path, "/pages.css") || path == "/favicon.svg" {
			continue // are no pages
		}
		got, want := both.as("shop", path), alone.as("shop", path)
		if got.Code != want.Code || got.Body.String() != want.Body.String() {
			t.Errorf("GET %s: %d, and %d without the others:\n%s\nwithout:\n%s", path, got.Code, want.Code, got.Body, want.Body)
		}
		if got.Code == http.StatusOK {
			seen++
		}
		for _, secret := range theirs {
			if !reveals.MatchString(path) && strings.Contains(got.Body.String(), secret) {
				t.Errorf("GET %s has %q", path, secret)
			}
		}
		for _, user := range []string{"", "none", "nobody", "SHOP", "*", "shop.example"} {
			if got := both.as(user, path); got.Code == http.StatusOK || strings.Contains(got.Body.String(), "example") {
				t.Errorf("GET %s as %q: %d\n%s", path, user, got.Code, got.Body)
			}
		}
	}
	if seen < 40 {
		t.Errorf("%d pages were seen", seen)
	}
}

// reveals says that a path itself has what only the others have.
var reveals = regexp.MustCompile("rival|RIVAL|203.0.113|Known|Their|silent")

// TestAccessOfMore shows users what is theirs, and all to who sees all.
func TestAccessOfMore(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, append(inputs(), rivalInputs()...)...)
	a := maps.Clone(access)
	a["both"] = []string{"shop.example", "rival.example"}
	w.restrict(a)
	for _, test := range []struct{ user, path, want string }{
		{"shop", "/overview.csv", "shop.example"},
		{"rival", "/overview.csv", "rival.example mail.rival.example"},
		{"both", "/overview.csv", "shop.example rival.example mail.rival.example"},
		{"rival", "/reports.csv?kind=tls", "rival-t"},
		{"both", "/reports.csv?kind=tls", "rival-t t2 t1"}, // one is about both
		{"rival", "/sources.csv?domain=rival.example", "203.0.113.9 192.0.2.2"},
		{"rival", "/failures.csv", "203.0.113.66"},
		{"operator", "/refused.csv", "dir:in"},
		{"operator", "/overview.csv?table=sources", "dir:in imap:" + evil},
	} {
		var got []string
		rows, err := csv.NewReader(w.as(test.user, test.path).Body).ReadAll()
		if err != nil || len(rows) == 0 {
			t.Fatalf("%s as %s: %q, error %v", test.path, test.user, rows, err)
		}
		for _, row := range rows[1:] {
			if strings.HasPrefix(test.path, "/reports") || strings.HasPrefix(test.path, "/failures") {
				row = row[slices.Index(rows[0], map[bool]string{true: "report_id", false: "source"}[strings.HasPrefix(test.path, "/reports")]):]
			} else if strings.HasPrefix(test.path, "/refused") {
				row = row[1:]
			}
			got = append(got, row[0])
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s as %s: %q, want %q", test.path, test.user, got, test.want)
		}
	}
	if page := w.as("operator", "/").Body.String(); !strings.Contains(page, "refused") || !strings.Contains(page, "./metrics") {
		t.Errorf("the overview of who sees all:\n%s", page)
	}
	for path, want := range map[string]string{"/refused": "Nothing to see here", "/overview.csv?table=sources": "only users who see all domains", "/": "shop.example"} {
		if got := w.as("shop", path).Body.String(); !strings.Contains(got, want) || strings.Contains(got, `"refused`) {
			t.Errorf("%s:\n%s", path, got)
		}
	}
}
