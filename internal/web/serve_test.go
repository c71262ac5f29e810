package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

func TestMethods(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	for _, path := range []string{"/", "/sources", "/report.xml", "/pages.css"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			if got := w.do(t, method, path); got.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, got.Code)
			}
		}
	}
	server := httptest.NewServer(w.mux)
	defer server.Close()
	resp, err := http.Head(server.URL + "/sources")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength < 1000 {
		t.Errorf("HEAD /sources: %d, %d bytes", resp.StatusCode, resp.ContentLength)
	}
}

// stuck is a database that does not answer, and does not notice that it should.
type stuck struct {
	store.Engine
	until, entered chan struct{}
}

// View waits.
func (e stuck) View(context.Context) (*store.View, error) {
	e.entered <- struct{}{}
	<-e.until
	return nil, errors.New("gone")
}

// TestSlow gives up on a database that does not answer, computes two pages at a
// time, and goes on when it answers again.
func TestSlow(t *testing.T) {
	e := stuck{until: make(chan struct{}), entered: make(chan struct{}, 100)}
	w := &world{}
	w.use(Config{Engine: e, Deadline: 50 * time.Millisecond})
	answers := make(chan *httptest.ResponseRecorder)
	for range atOnce {
		go func() { answers <- w.get(t, "/") }()
	}
	for range atOnce {
		<-e.entered
	}
	if got := w.get(t, "/sources.csv"); got.Code != http.StatusServiceUnavailable || !strings.HasPrefix(got.Body.String(), "Busy: ") || got.Header().Get("Retry-After") == "" {
		t.Errorf("the third: %d %s", got.Code, got.Body)
	}
	for range atOnce {
		if got := <-answers; got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "did not answer within") {
			t.Errorf("a page without a database: %d\n%s", got.Code, got.Body)
		}
	}
	close(e.until)
	for range atOnce { // They give their turns back.
		w.pages.turns <- struct{}{}
	}
}

// broken is a database that cannot be opened.
type broken struct{ store.Engine }

// View fails.
func (broken) View(context.Context) (*store.View, error) {
	return nil, &store.Error{Name: "database dmarc on db.example", Doing: "open", Err: errors.New("connection refused"), Advice: "look whether it runs"}
}

// faulty is a database that ends in a panic.
type faulty struct{ store.Engine }

// View panics.
func (faulty) View(context.Context) (*store.View, error) { panic("a fault") }

func TestErrors(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	for _, test := range []struct {
		engine store.Engine
		path   string
		status int
		text   string
	}{
		{broken{}, "/", 503, "connection refused"},
		{broken{}, "/sources.json", 503, "The database cannot be read: "},
		{faulty{}, "/tls", 500, "has a fault"},
		{w.engine, "/domain", 400, "choose one on the overview"},
		{w.engine, "/source", 400, "choose one of the sources"},
		{w.engine, "/report?day=x&id=1", 400, "choose one of the reports"},
		{w.engine, "/sources?days=31", 400, "none of [1 7 30 90 400]"},
		{w.engine, "/sources?page=0", 400, "number of the page"},
		{w.engine, "/sources?to=yesterday", 400, "no day such as"},
		{w.engine, "/sources?domain=%ff", 400, "no text"},
		{w.engine, "/sources?domain=" + strings.Repeat("x", 2000), 400, "too long"},
		{w.engine, "/sources?%zz", 400, "cannot be read"},
		{w.engine, "/sources.csv?table=none", 404, "the tables [sources]"},
		{w.engine, "/report.xml?day=2026-11-21&id=41", 422, "RFC 9990 cannot express"},
	} {
		w.use(Config{Engine: test.engine, Now: w.pages.config.Now})
		if got := w.get(t, test.path); got.Code != test.status || !strings.Contains(got.Body.String(), test.text) {
			t.Errorf("GET %s: %d, want %d with %q:\n%s", test.path, got.Code, test.status, test.text, got.Body)
		}
	}
}

// FuzzQuery asks for pages with any query, and for any path: none has a fault, and none says
// what a browser would run.
func FuzzQuery(f *testing.F) {
	w := newWorld(f, sqliteFile(f), store.RecordsAll, inputs()...)
	without := &world{engine: w.engine}
	without.use(w.pages.config)
	without.restrict(access)
	for i, query := range []string{"", "name=" + url.QueryEscape(evil), "address=%00", "days=7&to=2026-11-20&page=2", "day=2026-11-04&id=7", "sort=%27&failing=1", "domain=' OR 1=1 --", "table=days&page=1000000", "reason=x;y"} {
		f.Add(i, "/"+query, query)
	}
	f.Fuzz(func(t *testing.T, which int, path, query string) {
		all := routes()
		route := all[((which%len(all))+len(all))%len(all)]
		for _, path := range []string{path, "/" + route.name, "/" + route.name + string(formCSV), "/" + route.name + string(formJSON)} {
			r := httptest.NewRecorder()
			req := httptest.NewRequest(http.MethodGet, "/", nil)
			req.URL.Path, req.URL.RawQuery = path, query
			w.mux.ServeHTTP(r, req)
			if r.Code >= http.StatusInternalServerError {
				t.Errorf("%s?%s: %d\n%s", req.URL.Path, query, r.Code, r.Body)
			}
			if strings.HasPrefix(r.Header().Get("Content-Type"), "text/html") && (strings.Contains(r.Body.String(), "<script") || strings.Contains(r.Body.String(), "<img")) {
				t.Errorf("%s?%s:\n%s", req.URL.Path, query, r.Body)
			}
			denied := httptest.NewRecorder()
			without.mux.ServeHTTP(denied, req)
			if denied.Code == http.StatusOK && path != "/pages.css" && path != "/favicon.svg" {
				t.Errorf("%s?%s, by a user without rights:\n%s", req.URL.Path, query, denied.Body)
			}
		}
	})
}
