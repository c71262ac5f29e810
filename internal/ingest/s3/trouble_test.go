package s3_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/s3"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// cut answers with so many bytes of a body of so many.
func cut(w http.ResponseWriter, sent, size int) {
	w.Header().Set("Content-Length", fmt.Sprint(size))
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	_, _ = io.WriteString(w, strings.Repeat("x", sent))
	if sent < size {
		panic(http.ErrAbortHandler)
	}
}

// hang answers nothing until the test ends.
func hang(t *testing.T, w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { _ = conn.Close() })
}

// TestOutage breaks some requests of a kind: no object is refused, and each counts once.
func TestOutage(t *testing.T) {
	refuse := func(status int, code string) func(*testing.T, http.ResponseWriter) {
		return func(_ *testing.T, w http.ResponseWriter) { servers.Refuse(w, status, code) }
	}
	for _, tt := range []struct {
		name, operation string
		answer          func(t *testing.T, w http.ResponseWriter)
	}{
		{"body is cut off", "get", func(_ *testing.T, w http.ResponseWriter) { cut(w, 20, 400) }},
		{"body is short", "get", func(_ *testing.T, w http.ResponseWriter) { cut(w, 20, 20) }},
		{"body is long", "get", func(_ *testing.T, w http.ResponseWriter) { cut(w, 1<<20, 1<<20) }},
		{"get hangs", "get", hang},
		{"get is denied", "get", refuse(http.StatusForbidden, "AccessDenied")},
		{"get is slowed down", "get", refuse(http.StatusServiceUnavailable, "SlowDown")},
		{"get fails", "get", refuse(http.StatusInternalServerError, "InternalError")},
		{"token has expired", "get", refuse(http.StatusBadRequest, "ExpiredToken")},
		{"bucket is gone", "get", refuse(http.StatusNotFound, "NoSuchBucket")},
		{"clocks differ", "list", refuse(http.StatusForbidden, "RequestTimeTooSkewed")},
		{"list is slowed down", "list", refuse(http.StatusServiceUnavailable, "SlowDown")},
		{"list hangs", "list", hang},
		{"list is cut off", "list", func(_ *testing.T, w http.ResponseWriter) { cut(w, 20, 400) }},
		{"list is no XML", "list", func(_ *testing.T, w http.ResponseWriter) { cut(w, 20, 20) }},
		{"list is a web page", "list", func(_ *testing.T, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html></html>")
		}},
		{"stat fails", "stat", refuse(http.StatusInternalServerError, "")},
		{"copy fails", "copy", refuse(http.StatusOK, "InternalError")},
		{"copy is denied", "copy", refuse(http.StatusForbidden, "AccessDenied")},
		{"delete is slowed down", "remove", refuse(http.StatusServiceUnavailable, "SlowDown")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := servers.NewBucket(t)
			failures := 4
			s.Before = func(w http.ResponseWriter, _ *http.Request, op string) bool {
				if op != tt.operation || failures == 0 {
					return false
				}
				failures--
				tt.answer(t, w)
				return true
			}
			s.Put("in/a", ingesttest.Report("a", 1))
			s.Put("in/b", ingesttest.Report("b", 2))
			store, _, logs := serve(t, s, func(c *s3.Config) {
				*c = put(*c, ingest.AfterMove)
				c.Attempts, c.GiveUpAfter, c.Retry = 1, time.Nanosecond, time.Millisecond
				if strings.HasSuffix(tt.name, "hangs") {
					c.Timeout = 100 * time.Millisecond
				}
			})
			realtest.Eventually(t, "both counted and moved", func() bool {
				return ingesttest.Sum(store, tally.Messages) == 3 && len(s.Objects("done/")) == 2 && len(s.Objects("in/")) == 0
			})
			refused, reports := ingesttest.Sum(store, tally.Refusals), ingesttest.Sum(store, tally.Reports)
			if refused != 0 || reports != 2 || strings.Contains(logs.String(), s.Secret) {
				t.Errorf("%d refused and %d reports, want 0 and 2; the log:\n%s", refused, reports, logs)
			}
		})
	}
}

// TestRefused gives up what can never be fetched, fetches nothing that is too
// large, and goes on with the others.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := servers.NewBucket(t)
	s.Before = func(w http.ResponseWriter, r *http.Request, op string) bool {
		switch {
		case op == "get" && strings.HasSuffix(r.URL.Path, "/large"):
			t.Error("a large object was fetched")
		case op == "get" && strings.HasSuffix(r.URL.Path, "/sealed"):
			servers.Refuse(w, http.StatusBadRequest, "InvalidRequest")
			return true
		}
		return false
	}
	s.Put("in/large", append(ingesttest.Report("large", 4), strings.Repeat(" ", 1<<20)...))
	s.Put("in/sealed", ingesttest.Report("sealed", 8))
	s.Put("in/z", ingesttest.Report("z", 1))
	store, source, _ := serve(t, s, func(c *s3.Config) {
		*c = put(*c, ingest.AfterDelete)
		c.Attempts, c.GiveUpAfter, c.MaxBytes = 2, time.Nanosecond, 1<<19
	})
	realtest.Eventually(t, "all put away", func() bool { return len(s.Objects("in/")) == 0 })
	io, large := ingesttest.Sum(store, tally.Refusals, "io"), ingesttest.Sum(store, tally.Refusals, "too_large")
	if ingesttest.Sum(store, tally.Messages) != 1 || io != 1 || large != 1 {
		t.Errorf("%d messages, %d refused as io, %d as too large; want 1 of each", ingesttest.Sum(store, tally.Messages), io, large)
	}
	if got := keys(s); len(s.Objects("refused/io/sealed")) != 1 || len(s.Objects("refused/too_large/large")) != 1 {
		t.Errorf("objects %q", got)
	}
	realtest.Eventually(t, "nothing waits", func() bool { return source.Status().Backlog == 0 })
}

// TestStays counts when nothing may be deleted, and goes on.
func TestStays(t *testing.T) {
	t.Parallel()
	s := servers.NewBucket(t)
	s.Before = func(w http.ResponseWriter, _ *http.Request, op string) bool {
		if op == "remove" {
			servers.Refuse(w, http.StatusForbidden, "AccessDenied")
		}
		return op == "remove"
	}
	const objects = 40
	for i := range objects {
		s.Put(fmt.Sprint("in/", i), ingesttest.Report(fmt.Sprint(i), 1))
	}
	store, source, logs := serve(t, s, func(c *s3.Config) {
		*c = put(*c, ingest.AfterDelete)
		c.Retry = time.Hour
	})
	realtest.Eventually(t, "all counted", func() bool { return ingesttest.Sum(store, tally.Messages) == objects })
	s.Put("in/later", ingesttest.Report("later", 1))
	realtest.Eventually(t, "the later one counted", func() bool { return ingesttest.Sum(store, tally.Messages) == objects+1 })
	if n := s.Requests("remove"); n > 3*objects {
		t.Errorf("%d requests to delete %d objects", n, objects)
	}
	if text := logs.String(); !strings.Contains(text, "cannot put away a processed object, it stays") || !strings.Contains(text, "s3:DeleteObject") {
		t.Errorf("the log does not tell what is missing:\n%s", text)
	}
	if status := source.Status(); !status.Up {
		t.Errorf("status %+v, want up", status)
	}
}

// TestListings reads no object twice that is listed twice, and ends what would go
// on for ever.
func TestListings(t *testing.T) {
	content := ingesttest.Report("a", 1)
	entry := func(key string) string {
		return "<Contents><Key>" + key + "</Key><ETag>&#34;cc&#34;</ETag><Size>" + fmt.Sprint(len(content)) + "</Size></Contents>"
	}
	page := func(truncated bool, token, content string) string {
		return fmt.Sprintf("<ListBucketResult><IsTruncated>%t</IsTruncated><NextContinuationToken>%s</NextContinuationToken>%s</ListBucketResult>", truncated, token, content)
	}
	for _, tt := range []struct {
		name, want string // an error, or nothing for a report that is counted once
		list       func(n int, token string) string
	}{
		{"the same key twice", "", func(_ int, _ string) string { return page(false, "", entry("in/a")+entry("in/a")) }},
		{"the same key on two pages", "", func(_ int, token string) string { return page(token == "", "more", entry("in/a")) }},
		{"keys that were not asked for", "", func(_ int, _ string) string { return page(false, "", entry("other/a")+entry("in/a")) }},
		{"the same page for ever", "the same page again and again", func(_ int, _ string) string { return page(true, "more", entry("in/a")) }},
		{"pages in a circle", "the same page again and again", func(n int, _ string) string { return page(true, fmt.Sprint("t", n%3), "") }},
		{"empty pages for ever", "more than 100 pages without an object", func(n int, _ string) string { return page(true, fmt.Sprint("t", n), "") }},
		{"no token", "list objects: ", func(_ int, _ string) string { return page(true, "", entry("in/a")) }},
		{"a page without end", "list objects: ", func(_ int, _ string) string { return page(false, "", strings.Repeat(" ", 3<<20)) }},
		{"no ETag", "has no ETags", func(_ int, _ string) string {
			return page(false, "", strings.ReplaceAll(entry("in/a"), "&#34;cc&#34;", ""))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := servers.NewBucket(t)
			lists, gets := 0, 0
			s.Before = func(w http.ResponseWriter, r *http.Request, op string) bool {
				switch op {
				case "list":
					lists++
					_, _ = io.WriteString(w, tt.list(lists, r.URL.Query().Get("continuation-token")))
				case "get":
					gets++
					w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
					_, _ = w.Write(content)
				}
				return true
			}
			if tt.want != "" {
				err := open(t, config(s, nil)).Run(t.Context(), nil)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				return
			}
			store := ingesttest.Store(t)
			pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
			c := config(s, pipeline)
			c.Once = true
			err := open(t, c).Run(t.Context(), pipeline.Deliver)
			if n := ingesttest.Sum(store, tally.Reports); err != nil || n != 1 || gets != 1 {
				t.Errorf("%d reports of %d fetched objects, error %v", n, gets, err)
			}
		})
	}
}

// TestOtherETag tells of a server whose listings have other ETags than its objects.
func TestOtherETag(t *testing.T) {
	t.Parallel()
	s := servers.NewBucket(t)
	s.Before = func(w http.ResponseWriter, _ *http.Request, op string) bool {
		if op == "get" {
			servers.Refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		}
		return op == "get"
	}
	s.Put("in/a", ingesttest.Report("a", 1))
	_, source, logs := serve(t, s, func(*s3.Config) {})
	realtest.Eventually(t, "told", func() bool {
		return strings.Contains(logs.String(), "another ETag than the listing says") && source.Status().Backlog == 1
	})
}

// TestRenewed uses the credentials that a file has by now.
func TestRenewed(t *testing.T) {
	t.Parallel()
	s := servers.NewBucket(t)
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(id string) {
		text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", id, s.Secret)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(s.ID)
	s.Put("in/a", ingesttest.Report("a", 1))
	store, source, logs := serve(t, s, func(c *s3.Config) { c.Credentials = s3.Credentials{File: file} })
	realtest.Eventually(t, "counted", func() bool { return ingesttest.Sum(store, tally.Messages) == 1 })
	s.Lock(func() { s.ID = "AKIARENEWED" })
	realtest.Eventually(t, "the old key refused", func() bool { return !source.Status().Up })
	write("AKIARENEWED")
	s.Put("in/b", ingesttest.Report("b", 2))
	realtest.Eventually(t, "counted with the new one", func() bool { return ingesttest.Sum(store, tally.Messages) == 3 })
	if strings.Contains(logs.String(), s.Secret) {
		t.Errorf("the log shows the secret:\n%s", logs)
	}
}

// TestForget drops the marks of objects that are gone, but not when a listing fails.
func TestForget(t *testing.T) {
	t.Parallel()
	s := servers.NewBucket(t)
	pipeline := ingest.NewPipeline(ingesttest.Store(t), ingest.PipelineConfig{})
	c := config(s, pipeline)
	known := func(key string) bool {
		_, ok, err := pipeline.Lookup(t.Context(), open(t, c).Status().Name, key)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	s.Put("in/a", ingesttest.Report("a", 1))
	s.Put("in/b", ingesttest.Report("b", 1))
	once(t, c, pipeline.Deliver)
	s.Lock(func() {
		s.Before = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			servers.Refuse(w, http.StatusInternalServerError, "InternalError")
			return true
		}
	})
	c.Once = true
	if err := open(t, c).Run(t.Context(), pipeline.Deliver); err == nil || !known("in/a") || !known("in/b") {
		t.Errorf("error %v, known are %t and %t; want an error and both", err, known("in/a"), known("in/b"))
	}
	s.Lock(func() { s.Before = nil })
	s.Remove("in/a")
	once(t, c, pipeline.Deliver)
	if known("in/a") || !known("in/b") {
		t.Errorf("known are %t and %t, want only the second", known("in/a"), known("in/b"))
	}
}

// TestErrors holds what is told of mistakes in a configuration, without a secret.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*s3.Config)
		want   string
	}{
		{"region", func(c *s3.Config) { c.Region = "us-east-1" }, "the bucket is in the region \"eu-test-1\", not in us-east-1: change region"},
		{"bucket", func(c *s3.Config) { c.Bucket = "nobody" }, "there is no bucket nobody at 127.0.0.1"},
		{"id", func(c *s3.Config) { c.Credentials.AccessKeyID = "AKIAOTHER" }, "the server does not know the access key id"},
		{"secret", func(c *s3.Config) { c.Credentials.Secret = func() (string, error) { return "wr0ng", nil } }, "the secret access key is not that of the access key id"},
		{"no secret", func(c *s3.Config) { c.Credentials.Secret = func() (string, error) { return "", nil } }, "get credentials: the secret access key is empty"},
		{"no server", func(c *s3.Config) { c.Endpoint = "http://" + realtest.FreeAddress(t) }, "list objects: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := servers.NewBucket(t)
			c := config(s, nil)
			tt.change(&c)
			source := open(t, c)
			err := source.Run(t.Context(), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			for _, secret := range []string{s.Secret, "wr0ng"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows the secret: %v", err)
				}
			}
			if status := source.Status(); status.Up || status.Err == nil {
				t.Errorf("status %+v, want down", status)
			}
			var checked []string
			source.Check(t.Context(), func(what string, err error) { checked = append(checked, fmt.Sprint(what, ": ", err)) })
			if len(checked) != 1 || !strings.Contains(checked[0], cmp.Or(strings.TrimPrefix(tt.want, "list objects: "), "refused")) {
				t.Errorf("checked %q", checked)
			}
		})
	}
}
