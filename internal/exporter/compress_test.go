package exporter

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0, *": false, "*;q=0, gzip": true,
		"*": true, "*;q=0": false, "br": false, "identity": false, "gzip;q=x": true, "x-gzip": false, "gzip , br": true,
	} {
		h := http.Header{}
		if header != "" {
			h.Set("Accept-Encoding", header)
		}
		if got := acceptsGzip(h); got != want {
			t.Errorf("%q: %t, want %t", header, got, want)
		}
	}
}

// TestCompressed holds that an answer is what the handler wrote, in both forms and
// again and again, and that errors and empty answers are plain.
func TestCompressed(t *testing.T) {
	var c compressor
	page := strings.Repeat("metric 1\n", 5000)
	for range 3 {
		for _, tt := range []struct {
			accept, encoding string
			code             int
			body             string
		}{
			{"gzip", "gzip", http.StatusOK, page},
			{"identity", "", http.StatusOK, page},
			{"gzip", "", http.StatusInternalServerError, "an error"},
			{"gzip", "", http.StatusOK, ""},
		} {
			req := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
			req.Header.Set("Accept-Encoding", tt.accept)
			w := httptest.NewRecorder()
			c.serve(w, req, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.code != http.StatusOK {
					w.WriteHeader(tt.code)
				}
				for chunk := range strings.Lines(tt.body) {
					_, _ = io.WriteString(w, chunk)
				}
			}))
			var body io.Reader = w.Body
			if got := w.Header().Get("Content-Encoding"); got != tt.encoding || w.Code != tt.code {
				t.Errorf("%+v: encoding %q, status %d", tt.accept, got, w.Code)
			} else if got == "gzip" {
				var err error
				if body, err = gzip.NewReader(w.Body); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := io.ReadAll(body); err != nil || string(got) != tt.body {
				t.Errorf("%s: %d bytes, %v; want %d", tt.accept, len(got), err, len(tt.body))
			}
		}
	}
}
