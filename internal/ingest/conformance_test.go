package ingest_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
)

// quick makes a source fast enough for tests.
func quick(marks ingest.Marks) ingest.FileConfig {
	return ingest.FileConfig{
		Settle: time.Millisecond, Patience: time.Millisecond,
		Options: ingest.Options{Poll: 50 * time.Millisecond, Retry: time.Millisecond, Marks: marks, Logger: slog.New(slog.DiscardHandler)},
	}
}

// write puts a file in place at once, as writers should.
func write(t testing.TB, path string, content []byte) {
	t.Helper()
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		t.Fatal(err)
	}
}

// files returns how many files a directory holds directly.
func files(t testing.TB, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if e.Type().IsRegular() {
			n++
		}
	}
	return n
}

func mail(content []byte) []byte {
	return fmt.Appendf(nil, "From: reports@mail.example\r\nSubject: Report\r\n\r\n%s\r\n", content)
}

func TestDirConforms(t *testing.T) {
	for _, after := range []ingest.After{ingest.AfterMove, ingest.AfterDelete} {
		t.Run(string(after), func(t *testing.T) {
			ingesttest.Run(t, func(t *testing.T) ingesttest.World {
				dir := t.TempDir()
				return ingesttest.World{
					Source: func(_ testing.TB, marks ingest.Marks) ingest.Source {
						c := quick(marks)
						c.After = after
						return ingest.NewDir(dir, c)
					},
					Offer:   func(t testing.TB, name string, content []byte) { write(t, filepath.Join(dir, name), content) },
					Pending: func(t testing.TB) int { return files(t, dir) },
				}
			})
		})
	}
}

// TestDirKeepConforms runs the suite where files stay: what has no mark is pending.
func TestDirKeepConforms(t *testing.T) {
	ingesttest.Run(t, func(t *testing.T) ingesttest.World {
		dir := t.TempDir()
		marks := &lastMarks{}
		return ingesttest.World{
			Source: func(_ testing.TB, m ingest.Marks) ingest.Source {
				c := quick(m)
				c.KeepRefused = true
				source := ingest.NewDir(dir, c)
				marks.set(m, source.Status().Name)
				return source
			},
			Offer: func(t testing.TB, name string, content []byte) { write(t, filepath.Join(dir, name), content) },
			Pending: func(t testing.TB) int {
				entries, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				pending := 0
				for _, e := range entries {
					if marks.get(t, e.Name()) == "" {
						pending++
					}
				}
				return pending
			},
			Implicit: true,
		}
	})
}

func TestMaildirConforms(t *testing.T) {
	for _, after := range []ingest.After{ingest.AfterKeep, ingest.AfterMove, ingest.AfterDelete} {
		t.Run(string(after), func(t *testing.T) {
			ingesttest.Run(t, func(t *testing.T) ingesttest.World {
				dir := t.TempDir()
				for _, sub := range []string{"new", "cur", "tmp"} {
					if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
						t.Fatal(err)
					}
				}
				return ingesttest.World{
					Source: func(_ testing.TB, marks ingest.Marks) ingest.Source {
						c := quick(marks)
						c.After = after
						return ingest.NewMaildir(dir, c)
					},
					Offer: func(t testing.TB, name string, content []byte) {
						write(t, filepath.Join(dir, "new", name), mail(content))
					},
					Pending: func(t testing.TB) int { return files(t, filepath.Join(dir, "new")) },
				}
			})
		})
	}
}

func TestUploadConforms(t *testing.T) {
	ingesttest.Run(t, func(t *testing.T) ingesttest.World {
		var current atomic.Pointer[ingest.Upload]
		var pending atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if upload := current.Load(); upload != nil {
				upload.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		t.Cleanup(server.Close)
		return ingesttest.World{
			Source: func(testing.TB, ingest.Marks) ingest.Source {
				upload := ingest.NewUpload(ingest.UploadConfig{})
				current.Store(upload)
				return upload
			},
			// The client tries again until the server takes the report or refuses it for good.
			Offer: func(t testing.TB, _ string, content []byte) {
				pending.Add(1)
				go func() {
					for t.Context().Err() == nil {
						req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, bytes.NewReader(content))
						resp, err := http.DefaultClient.Do(req)
						if err == nil {
							_, _ = io.Copy(io.Discard, resp.Body)
							_ = resp.Body.Close()
							if resp.StatusCode < 500 {
								pending.Add(-1)
								return
							}
						}
						time.Sleep(10 * time.Millisecond)
					}
				}()
			},
			Pending:   func(testing.TB) int { return int(pending.Load()) },
			Forgetful: true,
		}
	})
}

func TestMboxConforms(t *testing.T) {
	ingesttest.Run(t, func(t *testing.T) ingesttest.World {
		path := filepath.Join(t.TempDir(), "mbox")
		write(t, path, nil)
		marks := &lastMarks{}
		return ingesttest.World{
			Source: func(t testing.TB, m ingest.Marks) ingest.Source {
				source, err := ingest.NewMbox(path, quick(m))
				if err != nil {
					t.Fatal(err)
				}
				marks.set(m, source.Status().Name)
				return source
			},
			Offer: func(t testing.TB, _ string, content []byte) {
				f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if _, err := fmt.Fprintf(f, "From reports@mail.example Tue Nov 24 00:00:00 2026\n%s\n\n", bytes.ReplaceAll(mail(content), []byte("\r"), nil)); err != nil {
					t.Fatal(err)
				}
			},
			// What is behind the committed offset is pending.
			Pending: func(t testing.TB) int {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				offset, _, _ := strings.Cut(marks.get(t, "offset"), ".")
				n, _ := strconv.Atoi(offset)
				return strings.Count("\n"+string(text[n:]), "\nFrom ")
			},
			Implicit: true,
		}
	})
}

// lastMarks reads the marks of the source that was made last.
type lastMarks struct {
	marks ingest.Marks
	name  string
}

func (m *lastMarks) set(marks ingest.Marks, name string) { m.marks, m.name = marks, name }

// get returns a mark, or nothing.
func (m *lastMarks) get(t testing.TB, key string) string {
	t.Helper()
	if m.marks == nil {
		return ""
	}
	committed, _, err := m.marks.Lookup(t.Context(), m.name, key)
	if err != nil {
		t.Fatal(err)
	}
	return committed.Value
}
