package inbox_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox"
	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox/imap"
	lmtp "github.com/dmarc-suite/dmarc-suite/dmarc/inbox/smtp"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// poll is how often the sources of tests look for inputs.
const poll = 20 * time.Millisecond

// world is a place that reports arrive at.
type world struct {
	source inbox.Source
	// offer brings an input there. It may wait until the input is acknowledged.
	offer func(name string, content []byte)
	// done and refused return how many inputs are acknowledged as such.
	done, refused func() int
	// inOrder says that an input that waits holds up those behind it.
	inOrder bool
}

// worlds make a world of each kind.
var worlds = map[string]func(t *testing.T) *world{
	"dir": func(t *testing.T) *world {
		dir := t.TempDir()
		source, err := inbox.Dir(dir, inbox.FileConfig{After: inbox.Move, Poll: poll, Settle: time.Millisecond, Patience: time.Millisecond})
		return filesIn(t, source, err, dir, dir)
	},
	"maildir": func(t *testing.T) *world {
		dir := maildir(t)
		source, err := inbox.Maildir(dir, inbox.FileConfig{After: inbox.Move, Poll: poll, Settle: time.Millisecond, Patience: time.Millisecond})
		return filesIn(t, source, err, dir, filepath.Join(dir, "new"))
	},
	"mbox":   mbox,
	"imap":   mailbox,
	"lmtp":   listener,
	"upload": upload,
}

func maildir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// filesIn is the world of a source of files.
func filesIn(t *testing.T, source inbox.Source, err error, dir, in string) *world {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		source:  source,
		offer:   func(name string, content []byte) { put(t, in, name, content) },
		done:    func() int { return count(t, filepath.Join(dir, "done", "*")) },
		refused: func() int { return count(t, filepath.Join(dir, "invalid", "not_a_report", "*")) },
	}
}

// put writes a file at once, as writers should.
func put(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	path := filepath.Join(dir, "."+name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, pattern string) int {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func letter(content []byte) []byte {
	return fmt.Appendf(nil, "From: reports@mail.example\r\nTo: rua@example.com\r\nSubject: Report\r\n\r\n%s\r\n", content)
}

func mbox(t *testing.T) *world {
	path := filepath.Join(t.TempDir(), "mbox")
	put(t, filepath.Dir(path), "mbox", nil)
	source, err := inbox.Mbox(path, inbox.FileConfig{Poll: poll, Settle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return &world{source: source, inOrder: true, offer: func(_ string, content []byte) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := fmt.Fprintf(f, "From reports@mail.example Tue Nov 24 00:00:00 2026\n%s\n", bytes.ReplaceAll(letter(content), []byte("\r"), nil)); err != nil {
			t.Fatal(err)
		}
	}}
}

func mailbox(t *testing.T) *world {
	const user = "reports"
	server := realtest.Dovecot(t)
	source, err := imap.New(imap.Config{
		Polling: inbox.Polling{Poll: poll}, Address: server.IMAPS, TLS: server.TLS(), User: user,
		Password: func() (string, error) { return realtest.DovecotPassword, nil },
		Actions:  inbox.Actions{Done: inbox.Action{After: inbox.Move, Folder: "Done"}, Refused: inbox.Action{After: inbox.Move, Folder: "Refused"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		source:  source,
		offer:   func(_ string, content []byte) { server.Seed(t, user, "INBOX", letter(content)) },
		done:    func() int { return len(server.Mails(t, user, "Done")) },
		refused: func() int { return len(server.Mails(t, user, "Refused")) },
	}
}

// sent counts the answers of a server to clients that try again until they have one
// that is for good.
type sent struct{ done, refused chan struct{} }

func (s *sent) world(source inbox.Source, send func(content []byte) (good, forGood bool)) *world {
	s.done, s.refused = make(chan struct{}, 100), make(chan struct{}, 100)
	return &world{
		source: source,
		offer: func(_ string, content []byte) {
			go func() {
				for start := time.Now(); time.Since(start) < realtest.Patience; time.Sleep(poll) {
					switch good, forGood := send(content); {
					case good:
						s.done <- struct{}{}
						return
					case forGood:
						s.refused <- struct{}{}
						return
					}
				}
			}()
		},
		done:    func() int { return len(s.done) },
		refused: func() int { return len(s.refused) },
	}
}

func listener(t *testing.T) *world {
	address := realtest.FreeAddress(t)
	source, err := lmtp.New(lmtp.Config{Listen: address, Recipients: []string{"rua@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	return new(sent).world(source, func(content []byte) (bool, bool) {
		err := smtp.SendMail(address, nil, "reports@mail.example", []string{"rua@example.com"}, letter(content))
		return err == nil, err != nil && strings.HasPrefix(err.Error(), "5")
	})
}

func upload(t *testing.T) *world {
	source, handler := inbox.Upload(inbox.UploadConfig{})
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return new(sent).world(source, func(content []byte) (bool, bool) {
		resp, err := server.Client().Post(server.URL, "application/octet-stream", bytes.NewReader(content))
		if err != nil {
			return false, false
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusUnprocessableEntity
	})
}
