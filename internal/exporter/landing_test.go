package exporter

import (
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// look returns what the landing page shows.
func look(t *testing.T, h http.Handler) string {
	t.Helper()
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/", nil))
	if r.Code != http.StatusOK {
		t.Fatalf("GET /: %d %s", r.Code, r.Body)
	}
	return html.UnescapeString(r.Body.String())
}

// TestLanding shows whether what is watched is up, and what the log said last.
func TestLanding(t *testing.T) {
	up := 0.0
	backend := fake(func(_ context.Context, ch chan<- prometheus.Metric) { ch <- gauge("backend_up", up, "server", "<b>") })
	broken := fake(func(context.Context, chan<- prometheus.Metric) { panic("broken") })
	o := Options{Collectors: func(url.Values) ([]ContextCollector, error) {
		return []ContextCollector{Named("backend", backend), Named("broken", broken)}, nil
	}}
	f := testFlags(t)
	o.Logger = f.Logger(io.Discard)
	h, err := newHandler(f, &o, newReloader(f, &o))
	if err != nil {
		t.Fatal(err)
	}
	text := look(t, h)
	for _, want := range []string{"None since the start", "/docs/metrics/test.md"} {
		if !strings.Contains(text, want) {
			t.Errorf("before the first scrape: no %q in\n%s", want, text)
		}
	}
	o.Logger.Info("nothing to see")
	for _, word := range []string{"one", "two", "three", "four", "five", "six"} {
		o.Logger.Warn("backend is away", "err", errors.New(word+" <script>"))
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text = look(t, h)
	for _, want := range []string{"s ago: ", "<td>backend_up <b></td><td>down</td>", "<td>broken</td><td>failed</td>", "<td>backend</td><td>ok</td>", `backend is away" err="six <script>"`, "two <script>"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, unwanted := range []string{"one <script>", "nothing to see", "None since"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("%q in\n%s", unwanted, text)
		}
	}
	up = 1
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if text = look(t, h); !strings.Contains(text, "<td>backend_up <b></td><td>up</td>") {
		t.Errorf("not up in\n%s", text)
	}
	private := o
	private.PrivateLog = true
	if h, err = newHandler(f, &private, newReloader(f, &private)); err != nil {
		t.Fatal(err)
	}
	if text = look(t, h); strings.Contains(text, "backend is away") {
		t.Errorf("a private log is shown:\n%s", text)
	}
}
