package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// testNow is the clock of these tests.
var testNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// evil is what untrusted mail would like to put into a page.
const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`

// world is a store with pages.
type world struct {
	engine store.Engine
	store  *store.Store
	pipe   *ingest.Pipeline
	pages  *Pages
	mux    *http.ServeMux
}

// newWorld fills a new database with inputs.
func newWorld(t testing.TB, engine store.Engine, records store.Records, inputs ...string) *world {
	t.Helper()
	now := func() time.Time { return testNow }
	s, err := store.Open(context.Background(), engine, store.Config{Counts: tally.Config{Now: now, Domains: []string{"shop.example", "silent.example"}}, Records: records})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{engine: engine, store: s, mux: http.NewServeMux()}
	w.pipe = ingest.NewPipeline(s, ingest.PipelineConfig{Now: now, Keep: store.DraftConfig{Records: records, Sender: guess}})
	var all []*ingest.Delivery
	for i, input := range inputs {
		all = append(all, &ingest.Delivery{Source: "dir:in", Name: fmt.Sprintf("in/%d", i), Body: strings.NewReader(input)})
	}
	if len(all) > 0 {
		if _, err := w.pipe.Deliver(context.Background(), all...); err != nil {
			t.Fatal(err)
		}
	}
	w.use(Config{Engine: engine, Records: records, Counts: s.Snapshot, Stats: w.stats, Version: "1.2.3", Now: now, Sources: func() []ingest.Source {
		return []ingest.Source{fakeSource{Name: "dir:in", Up: true}, fakeSource{Name: "imap:" + evil, Backlog: 3, Err: errors.New("login: " + evil)}}
	}})
	return w
}

// guess knows who has one network.
func guess(rec *dmarc.Record) (s store.Sender) {
	if strings.HasPrefix(rec.Source, "203.0.113.") {
		s.Guess = "Known Network"
	}
	return s
}

// stats are those of the pipeline, by the clock of these tests.
func (w *world) stats(source string) ingest.SourceStats {
	s := w.pipe.Stats(source)
	if !s.LastSuccess.IsZero() {
		s.LastSuccess = testNow
	}
	return s
}

func (w *world) use(c Config) {
	w.pages, w.mux = New(c), http.NewServeMux()
	for pattern, h := range w.pages.Handlers() {
		w.mux.Handle(pattern, h)
	}
}

func sqliteFile(t testing.TB) store.Engine {
	return sqlite.File{Path: filepath.Join(t.TempDir(), "dmarc.db")}
}

// fakeSource is a source with a status.
type fakeSource ingest.Status

func (fakeSource) Run(context.Context, ingest.Deliver) error { return nil }

// Status returns it.
func (s fakeSource) Status() ingest.Status { return ingest.Status(s) }

// get asks for a page.
func (w *world) get(t testing.TB, path string) *httptest.ResponseRecorder {
	t.Helper()
	return w.do(t, http.MethodGet, path)
}

func (w *world) do(t testing.TB, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRecorder()
	w.mux.ServeHTTP(r, httptest.NewRequest(method, path, nil))
	return r
}

// read asks for a page that must be there.
func (w *world) read(t testing.TB, path string) string {
	t.Helper()
	r := w.get(t, path)
	if r.Code != http.StatusOK {
		t.Fatalf("GET %s: %d\n%s", path, r.Code, r.Body)
	}
	return r.Body.String()
}

// rows returns the rows of a table as CSV, without the names of the columns.
func (w *world) rows(t testing.TB, path string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(w.read(t, path))).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rows[1:]
}

// escaped is a text in XML.
func escaped(s string) string { return html.EscapeString(s) }

// aggregate is an aggregate report about a day.
func aggregate(id, org, domain string, at time.Time, records ...string) string {
	return fmt.Sprintf(`<feedback><version>1.0</version><report_metadata><org_name>%s</org_name><email>d@mail.example</email><report_id>%s</report_id>`+
		`<date_range><begin>%d</begin><end>%d</end></date_range></report_metadata><policy_published><domain>%s</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct><fo>0</fo></policy_published>%s</feedback>`,
		escaped(org), escaped(id), at.Unix(), at.Unix()+86399, escaped(domain), strings.Join(records, ""))
}

// record is a record; dkim and spf are pass or fail.
func record(source string, messages int, dkim, spf, from string) string {
	return fmt.Sprintf(`<record><row><source_ip>%s</source_ip><count>%d</count><policy_evaluated><disposition>none</disposition><dkim>%s</dkim><spf>%s</spf></policy_evaluated></row>`+
		`<identifiers><header_from>%s</header_from></identifiers><auth_results><dkim><domain>%s</domain><selector>s1</selector><result>%s</result></dkim>`+
		`<spf><domain>bounce.example</domain><result>%s</result></spf></auth_results></record>`,
		escaped(source), messages, dkim, spf, escaped(from), escaped(from), dkim, spf)
}

const tlsInput = `{"organization-name":"TLS Reporter","date-range":{"start-datetime":"2026-11-21T00:00:00Z","end-datetime":"2026-11-21T23:59:59Z"},"contact-info":"tls@mail.example","report-id":"t1",` +
	`"policies":[{"policy":{"policy-type":"sts","policy-string":["version: STSv1"],"policy-domain":"shop.example","mx-host":["mx.shop.example"]},"summary":{"total-successful-session-count":90,"total-failure-session-count":7},` +
	`"failure-details":[{"result-type":"certificate-expired","sending-mta-ip":"192.0.2.9","receiving-mx-hostname":"<b>mx</b>.shop.example","failed-session-count":7}]}]}`

const failureInput = "From: reports@mail.example\r\nTo: ruf@shop.example\r\nSubject: failure\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nA mail failed.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" +
	"Feedback-Type: auth-failure\r\nUser-Agent: x/1\r\nVersion: 1\r\nAuth-Failure: dmarc\r\nSource-IP: 192.0.2.66\r\nReported-Domain: shop.example\r\nArrival-Date: Sat, 21 Nov 2026 09:00:00 +0000\r\nOriginal-Mail-From: <secret.person@other.example>\r\n\r\n" +
	"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: Secret Person <secret.person@shop.example>\r\nSubject: private\r\n\r\n--b--\r\n"

const spamInput = "From: " + evil + " <x@spam.example>\r\nSubject: " + evil + "\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nBuy this.\r\n"

// inputs are reports of every kind, with hostile texts in all of them.
func inputs() (all []string) {
	first := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range 20 {
		at := first.AddDate(0, 0, i)
		all = append(all,
			aggregate(fmt.Sprintf("a%d", i), "Example Mail", "shop.example", at, record("192.0.2.1", 100+i, "pass", "pass", "shop.example"), record("192.0.2.2", 3, "fail", "fail", "shop.example"), record("2001:db8::7", 9, "fail", "pass", "shop.example")),
			aggregate(fmt.Sprintf("=b%d", i), "=Org "+evil, "shop.example", at, record("192.0.2.2", 40, "fail", "fail", "shop.example")),
		)
	}
	all = append(all, aggregate(evil, evil, evil, first.AddDate(0, 0, 20), record(evil, 5, "fail", "fail", evil)), tlsInput, failureInput, spamInput)
	return all
}

// TestReport reads a report again from its XML.
func TestReport(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	links := map[string]string{} // by the id of a report
	elements(t, []byte(w.read(t, "/reports?reporter=Example+Mail")), func(n *html.Node) {
		if n.Data == "a" && strings.HasPrefix(attribute(n, "href"), "report?") {
			links[textOf(n)] = attribute(n, "href")
		}
	})
	r, err := dmarc.Parse(strings.NewReader(w.read(t, "/"+strings.Replace(links["a3"], "report?", "report.xml?", 1))))
	if err != nil {
		t.Fatal(err)
	}
	if r.Metadata.ReportID != "a3" || r.Policy.Domain != "shop.example" || len(r.Records) != 3 || r.Records[0].Count != 103 || r.Records[2].Source != "2001:db8::7" {
		t.Errorf("report %+v", r)
	}
	page := w.read(t, "/"+links["a3"])
	for _, want := range []string{"Example Mail d@mail.example", "2026-11-04 00:00:00 to 2026-11-04 23:59:59 UTC", "p=none", "RFC 7489"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "source_ip_invalid") || !strings.Contains(page, "Nothing had to be repaired") {
		t.Errorf("warnings of a report without any:\n%s", page)
	}
	odd := w.rows(t, "/reports.csv?domain="+url.QueryEscape(evil))
	if len(odd) != 1 {
		t.Fatalf("reports %q, want one", odd)
	}
	var report string
	elements(t, []byte(w.read(t, "/reports?days=1&kind=aggregate")), func(n *html.Node) {
		if strings.HasPrefix(attribute(n, "href"), "report?") {
			report = attribute(n, "href")
		}
	})
	got := w.rows(t, "/"+strings.Replace(report, "report?", "report.csv?table=warnings&", 1))
	if !slices.ContainsFunc(got, func(row []string) bool {
		return slices.Equal(row, []string{"source_ip_invalid", wording.Warning(dmarc.CodeSourceInvalid)})
	}) {
		t.Errorf("warnings %q", got)
	}
	var lines []map[string]any
	if err := json.Unmarshal([]byte(w.read(t, "/"+strings.Replace(links["a3"], "report?", "report.json?", 1))), &lines); err != nil || len(lines) != 3 {
		t.Errorf("%d lines of JSON, error %v", len(lines), err)
	}
	if got := w.get(t, "/report?day=2026-11-04&id=99999"); got.Code != http.StatusNotFound {
		t.Errorf("a report that is not there: %d", got.Code)
	}
}

func TestEmpty(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll)
	crawl(t, w, 12, func(path string, r *httptest.ResponseRecorder, _ []string) {
		if path == "/metrics" {
			return
		}
		if r.Code != http.StatusOK {
			t.Errorf("GET %s: %d", path, r.Code)
		}
	})
	overview := w.read(t, "/")
	for _, want := range []string{"There is no report yet", "rua=mailto:", "silent.example", "dir:in", "Login: &lt;script&gt;", `href="./metrics"`, "counts them for Prometheus"} {
		if !strings.Contains(overview, want) {
			t.Errorf("the overview lacks %q", want)
		}
	}
	for _, path := range []string{"/domain?name=x.example", "/sources?domain=x.example"} {
		if page := w.read(t, path); !strings.Contains(page, "There is no report about x.example") {
			t.Errorf("%s:\n%s", path, page)
		}
	}
	off := newWorld(t, sqliteFile(t), store.RecordsOff, inputs()...)
	if page := off.read(t, "/"); !strings.Contains(page, "--records=off") {
		t.Errorf("without records:\n%s", page)
	}
}

// TestManyDomains keeps the overview small.
func TestManyDomains(t *testing.T) {
	var all []string
	for i := range 300 {
		all = append(all, aggregate(fmt.Sprint(i), "Example Mail", fmt.Sprintf("%s-%d.example", strings.Repeat("long", 10), i), testNow.Truncate(24*time.Hour).AddDate(0, 0, -1), record("192.0.2.1", 1000+i, "pass", "fail", "x.example")))
	}
	w := newWorld(t, sqliteFile(t), store.RecordsAll, all...)
	names := map[string]bool{}
	for page := 1; page <= 12; page++ {
		body := w.read(t, "/?page="+strconv.Itoa(page))
		if len(body) > 100_000 {
			t.Errorf("page %d has %d bytes", page, len(body))
		}
		for _, row := range htmlRows(t, body, "Domains") {
			names[row[0]] = true
		}
	}
	if len(names) != 300 {
		t.Errorf("%d domains on the pages", len(names))
	}
	if n := len(w.rows(t, "/overview.csv")); n != 300 {
		t.Errorf("%d domains in the CSV", n)
	}
}

// TestConfiguredFirst shows the domains of the operator before those that others
// report about, however many messages these claim.
func TestConfiguredFirst(t *testing.T) {
	at := testNow.Truncate(24*time.Hour).AddDate(0, 0, -1)
	w := newWorld(t, sqliteFile(t), store.RecordsAll,
		aggregate("1", "x", "loud.example", at, record("192.0.2.1", 90_000, "fail", "fail", "loud.example")), aggregate("2", "y", "shop.example", at, record("192.0.2.1", 1, "pass", "pass", "shop.example")))
	page := w.read(t, "/")
	rows := htmlRows(t, page, "Domains")
	if len(rows) != 2 || rows[0][0] != "shop.example" || rows[1][0] != "loud.example" || strings.Count(page, "<small>not configured</small>") != 1 {
		t.Errorf("rows %q", rows)
	}
}

// TestReady tells what a domain is ready for, and asks once.
func TestReady(t *testing.T) {
	var all []string
	for i := range 20 {
		for org := range 3 {
			all = append(all, aggregate(fmt.Sprintf("%d-%d", i, org), fmt.Sprintf("org %d", org), "good.example", testNow.Truncate(24*time.Hour).AddDate(0, 0, -1-i), record("192.0.2.1", 1000, "pass", "pass", "good.example")))
		}
	}
	w := newWorld(t, sqliteFile(t), store.RecordsAll, all...)
	ready := func() string { return w.rows(t, "/overview.csv")[0][9] }
	if got := ready(); got != "reject" {
		t.Errorf("ready for %q, want reject", got)
	}
	known := w.pages.verdicts.known["good.example"]
	known.ready = "from memory"
	w.pages.verdicts.known["good.example"] = known
	if got := ready(); got != "from memory" {
		t.Errorf("ready for %q: it was found out once more", got)
	}
	more := aggregate("more", "org 9", "good.example", testNow.Truncate(24*time.Hour).AddDate(0, 0, -1), record("192.0.2.1", 1, "pass", "pass", "good.example"))
	if _, err := w.pipe.Deliver(t.Context(), &ingest.Delivery{Source: "dir:in", Body: strings.NewReader(more)}); err != nil {
		t.Fatal(err)
	}
	if got := ready(); got != "reject" {
		t.Errorf("ready for %q after another report, want reject", got)
	}
}

// TestClasses shows how the messages of each day authenticated, where all records
// are kept, and otherwise what passed.
func TestClasses(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	for _, row := range w.rows(t, "/domain.csv?name=shop.example") {
		all := 0
		for _, text := range row[6:] {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			all += n
		}
		if len(row) != 6+len(tally.Classes()) || strconv.Itoa(all) != row[3] {
			t.Errorf("%q: the classes come to %d messages, want %s", row, all, row[3])
		}
	}
	page := w.read(t, "/domain?name=shop.example")
	if strings.Count(page, `path class="of-aligned_both"`) != 1 || !strings.Contains(page, `path class="of-unauthenticated"`) || strings.Contains(page, "of-good") || strings.Contains(page, "of-forwarded") {
		t.Errorf("the chart has no classes, or such without messages:\n%s", page)
	}
	some := newWorld(t, sqliteFile(t), store.RecordsFailing, inputs()...)
	if page := some.read(t, "/domain?name=shop.example"); !strings.Contains(page, `path class="of-good"`) || strings.Contains(page, "of-aligned_both") {
		t.Errorf("a chart of some of the records:\n%s", page)
	}
}

// TestHeights gives all that is there a place in a bar, and no bar more than its room.
func TestHeights(t *testing.T) {
	for _, test := range []struct{ amounts, want []int64 }{
		{[]int64{100, 0}, []int64{120, 0}},
		{[]int64{0, 100}, []int64{0, 120}},
		{[]int64{1_000_000, 1}, []int64{119, 1}},
		{[]int64{50, 50}, []int64{60, 60}},
		{[]int64{1, 1, 1, 1, 1, 1, 1_000_000}, []int64{1, 1, 1, 1, 1, 1, 114}},
		{[]int64{0, 0}, []int64{0, 0}},
	} {
		var got []int64
		for _, n := range heights(test.amounts, max(sum(test.amounts), 1), highBars) {
			got = append(got, int64(n))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v: heights %v, want %v", test.amounts, got, test.want)
		}
	}
}

// TestArrived tells what came in the last hours, by when it was kept.
func TestArrived(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	now := "2026-11-24T12:00:00Z"
	want := [][]string{{"DMARC reports", "41", "41", "41", "3235", now}, {"Failure reports", "1", "1", "1", "1", now}, {"TLS reports", "1", "1", "1", "97", now}, {"Refused inputs", "1", "1", "1", "", now}}
	if got := w.rows(t, "/overview.csv?table=arrived"); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("arrived %q, want %q", got, want)
	}
	c := w.pages.config
	for _, later := range []struct {
		after time.Duration
		want  string
	}{{2 * time.Hour, "0 41 41"}, {7 * time.Hour, "0 0 41"}, {25 * time.Hour, ""}} {
		after, want := later.after, later.want
		c.Now = func() time.Time { return testNow.Add(after) }
		w.use(c)
		got := ""
		if rows := w.rows(t, "/overview.csv?table=arrived"); len(rows) > 0 {
			got = strings.Join(rows[0][1:4], " ")
		}
		if got != want {
			t.Errorf("%v later: %q, want %q", after, got, want)
		}
	}
	if page := w.read(t, "/"); !strings.Contains(page, "Nothing arrived in the last 24 hours.") {
		t.Errorf("a day later:\n%s", page)
	}
}
