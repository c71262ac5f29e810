package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
)

// serveUpload serves an upload until the test ends.
func serveUpload(t *testing.T, c ingest.UploadConfig, deliver ingest.Deliver) *httptest.Server {
	t.Helper()
	upload := ingest.NewUpload(c)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = upload.Run(ctx, deliver) })
	server := httptest.NewServer(upload)
	t.Cleanup(func() {
		server.Close()
		cancel()
		group.Wait()
	})
	return server
}

// answered is the answer to an upload.
type answered struct {
	status  int
	Reports []struct {
		Name     string `json:"name"`
		Kind     string `json:"kind"`
		ReportID string `json:"report_id"`
		Outcome  string `json:"outcome"`
		Error    *struct {
			Reason string `json:"reason"`
		} `json:"error"`
	} `json:"reports"`
	Error *struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"error"`
}

func request(t *testing.T, req *http.Request) answered {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answered{status: resp.StatusCode}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return a
}

func newRequest(t *testing.T, method, url string, body []byte, header ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

// TestUploadAnswers holds the answer to each kind of request.
func TestUploadAnswers(t *testing.T) {
	store := ingesttest.Store(t)
	server := serveUpload(t, ingest.UploadConfig{Token: "t0ken", MaxBytes: 100_000}, ingest.NewPipeline(store, ingest.PipelineConfig{}).Deliver)
	report := ingesttest.Report("one", 3)
	const auth, token = "Authorization", "Bearer t0ken"
	ole := append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), make([]byte, 1024)...)
	for _, tc := range []struct {
		name    string
		request *http.Request
		status  int
		outcome string
		reason  string
	}{
		{"report", newRequest(t, "POST", server.URL, report, auth, token), 200, "counted", ""},
		{"again", newRequest(t, "POST", server.URL, report, auth, "bearer t0ken"), 200, "duplicate", ""},
		{"no token", newRequest(t, "POST", server.URL, report), 401, "", "unauthorized"},
		{"wrong token", newRequest(t, "POST", server.URL, report, auth, "Bearer token"), 401, "", "unauthorized"},
		{"wrong scheme", newRequest(t, "POST", server.URL, report, auth, "Basic t0ken"), 401, "", "unauthorized"},
		{"own header", newRequest(t, "POST", server.URL, report, auth, "Basic dXNlcjpwYXNz", "X-Upload-Token", "t0ken"), 200, "duplicate", ""},
		{"wrong own header", newRequest(t, "POST", server.URL, report, auth, token, "X-Upload-Token", "token"), 401, "", "unauthorized"},
		{"wrong method", newRequest(t, "PUT", server.URL, report, auth, token), 405, "", "method"},
		{"too large", newRequest(t, "POST", server.URL, make([]byte, 200_000), auth, token), 413, "", "too_large"},
		{"no report", newRequest(t, "POST", server.URL, []byte("hello"), auth, token), 422, "invalid", "not_a_report"},
		{"empty", newRequest(t, "POST", server.URL, nil, auth, token), 422, "invalid", "empty"},
		{"damaged", newRequest(t, "POST", server.URL, report[:len(report)/2], auth, token), 422, "invalid", "truncated"},
		{"Outlook message", newRequest(t, "POST", server.URL, ole, auth, token), 415, "invalid", "unsupported"},
		{"broken form", newRequest(t, "POST", server.URL, report, auth, token, "Content-Type", "multipart/form-data"), 400, "", "io"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := request(t, tc.request)
			if a.status != tc.status {
				t.Errorf("status %d, want %d", a.status, tc.status)
			}
			if tc.outcome != "" && (len(a.Reports) != 1 || a.Reports[0].Outcome != tc.outcome) {
				t.Errorf("reports %+v, want one that is %s", a.Reports, tc.outcome)
			}
			if got := reasonOf(a); got != tc.reason {
				t.Errorf("reason %q, want %q", got, tc.reason)
			}
		})
	}
	if n := ingesttest.Sum(store, tally.Messages); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}

func reasonOf(a answered) string {
	if a.Error == nil {
		return ""
	}
	return a.Error.Reason
}

// TestUploadForm sends several files in one form: each has its own answer.
func TestUploadForm(t *testing.T) {
	store := ingesttest.Store(t)
	server := serveUpload(t, ingest.UploadConfig{}, ingest.NewPipeline(store, ingest.PipelineConfig{}).Deliver)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, content := range map[string][]byte{"a.xml": ingesttest.Report("a", 1), "b.xml": ingesttest.Report("b", 2), "c.txt": []byte("hello")} {
		w, err := form.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	a := request(t, newRequest(t, "POST", server.URL, body.Bytes(), "Content-Type", form.FormDataContentType()))
	if a.status != 200 || len(a.Reports) != 3 || a.Error != nil {
		t.Errorf("status %d, reports %+v, error %+v, want 200, three reports and no error", a.status, a.Reports, a.Error)
	}
	if n := ingesttest.Sum(store, tally.Messages); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
	empty := request(t, newRequest(t, "POST", server.URL, []byte("--x--\r\n"), "Content-Type", "multipart/form-data; boundary=x"))
	if empty.status != 422 || reasonOf(empty) != "empty" {
		t.Errorf("a form without files: status %d, reason %q, want 422 and empty", empty.status, reasonOf(empty))
	}
}

// TestUploadOnly takes TLS reports where only those are welcome.
func TestUploadOnly(t *testing.T) {
	store := ingesttest.Store(t)
	server := serveUpload(t, ingest.UploadConfig{Only: unpack.KindTLS}, ingest.NewPipeline(store, ingest.PipelineConfig{}).Deliver)
	end := time.Now().UTC().Truncate(24 * time.Hour)
	tls := fmt.Sprintf(`{"organization-name":"X","date-range":{"start-datetime":%q,"end-datetime":%q},"contact-info":"c@x.example","report-id":"t",`+
		`"policies":[{"policy":{"policy-type":"sts","policy-domain":"example.com"},"summary":{"total-successful-session-count":5,"total-failure-session-count":0}}]}`,
		end.Add(-24*time.Hour).Format(time.RFC3339), end.Format(time.RFC3339))
	if a := request(t, newRequest(t, "POST", server.URL, []byte(tls), "Content-Type", "application/tlsrpt+json")); a.status != 200 {
		t.Errorf("TLS report: status %d %+v, want 200", a.status, a.Error)
	}
	if a := request(t, newRequest(t, "POST", server.URL, ingesttest.Report("a", 1))); a.status != 422 {
		t.Errorf("aggregate report: status %d, want 422", a.status)
	}
	if n := ingesttest.Sum(store, tally.TLSSessions); n != 5 {
		t.Errorf("%d sessions, want 5", n)
	}
}

// TestUploadUnwell asks clients to come again when nothing can be recorded.
func TestUploadUnwell(t *testing.T) {
	server := serveUpload(t, ingest.UploadConfig{}, ingesttest.Single(func(context.Context, *ingest.Delivery) (ingest.Result, error) {
		return ingest.Result{}, errors.New("disk full: /secret/path")
	}))
	resp, err := http.Post(server.URL, "text/xml", bytes.NewReader(ingesttest.Report("a", 1)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || strings.Contains(string(text), "/secret") {
		t.Errorf("status %d, Retry-After %q, body %s", resp.StatusCode, resp.Header.Get("Retry-After"), text)
	}
}

// TestUploadSlow cuts off a client that does not get on, and nobody waits for it meanwhile.
func TestUploadSlow(t *testing.T) {
	store := ingesttest.Store(t)
	server := serveUpload(t, ingest.UploadConfig{Timeout: 500 * time.Millisecond}, ingest.NewPipeline(store, ingest.PipelineConfig{Workers: 1}).Deliver)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<feedback>"); err != nil {
		t.Fatal(err)
	}
	if a := request(t, newRequest(t, "POST", server.URL, ingesttest.Report("a", 1))); a.status != 200 {
		t.Errorf("another client: status %d, want 200", a.status)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408") {
		t.Errorf("answer %q, error %v, want 408 and the end of the connection", answer, err)
	}
	if n := ingesttest.Sum(store, tally.Messages) + ingesttest.Sum(store, tally.Refusals); n != 1 {
		t.Errorf("%d messages and refusals, want the 1 of the other client", n)
	}
}
