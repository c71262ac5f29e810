package exporter

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestHome serves a page of the exporter's own in place of the landing page, and
// metrics at the root before both.
func TestHome(t *testing.T) {
	text := func(s string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) })
	}
	o := Options{
		Pages:      map[string]http.Handler{HomePattern: text("home"), "GET /pages": text("pages")},
		Collectors: func(url.Values) ([]ContextCollector, error) { return nil, nil },
	}
	for path, want := range map[string]map[string]string{
		"/metrics": {"/": "home", "/pages": "pages", "/metrics": "test_exporter_build_info"},
		"/":        {"/": "test_exporter_build_info", "/pages": "pages"},
	} {
		f := testFlags(t, "--web.telemetry-path="+path)
		h, err := newHandler(f, &o, newReloader(f, &o))
		if err != nil {
			t.Fatal(err)
		}
		for page, text := range want {
			r := httptest.NewRecorder()
			h.ServeHTTP(r, httptest.NewRequest(http.MethodGet, page, nil))
			if !strings.Contains(r.Body.String(), text) {
				t.Errorf("metrics at %s, GET %s: %d %s, want %s", path, page, r.Code, r.Body, text)
			}
		}
	}
	f := testFlags(t, "--web.telemetry-path=/pages")
	if _, err := newHandler(f, &o, newReloader(f, &o)); err == nil || !strings.Contains(err.Error(), "that of a page") {
		t.Errorf("metrics in place of a page: error %v", err)
	}
}
