package inbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox"
	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox/imap"
	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox/s3"
	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox/smtp"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// ledger is a Handler that writes down the ids of reports.
type ledger struct {
	mu    sync.Mutex
	ids   []string
	tried map[string]int
	// stop returns why a report cannot be taken now.
	stop func(id string) error
}

func (l *ledger) take(_ context.Context, m *inbox.Message) error {
	return reports.Read(m.Body, func(r *reports.Report) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		id := r.Aggregate.Metadata.ReportID
		if l.tried == nil {
			l.tried = map[string]int{}
		}
		l.tried[id]++
		if l.stop != nil {
			if err := l.stop(id); err != nil {
				return err
			}
		}
		l.ids = append(l.ids, id)
		return nil
	})
}

// taken returns the ids in order, and how often each was tried.
func (l *ledger) taken() (ids []string, tried map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tried = map[string]int{}
	for id, n := range l.tried {
		tried[id] = n
	}
	return slices.Sorted(slices.Values(l.ids)), tried
}

// watch watches until the test, or stop, ends it.
func watch(t testing.TB, handle inbox.Handler, o inbox.Options, sources ...inbox.Source) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- inbox.Watch(ctx, handle, o, sources...) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch returned %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// TestWatch hands out reports of all kinds of sources: what is taken is done, what
// is no report is refused, and what cannot be taken waits without harm to others.
func TestWatch(t *testing.T) {
	for name, open := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			var open bool
			l := &ledger{}
			l.stop = func(id string) error {
				if id == "waits" && !open {
					if l.tried[id] == 2 {
						panic("the second time")
					}
					return errors.New("the database is away")
				}
				return nil
			}
			stop := watch(t, l.take, inbox.Options{}, w.source)
			w.offer("a", ingesttest.Report("first", 1))
			realtest.Eventually(t, "the first report", func() bool { ids, _ := l.taken(); return len(ids) == 1 })
			w.offer("b", ingesttest.Report("waits", 1))
			w.offer("c", []byte("this is no report\n"))
			w.offer("d", ingesttest.Report("last", 1))
			realtest.Eventually(t, "some attempts", func() bool { _, tried := l.taken(); return tried["waits"] >= 3 })
			before := []string{"first", "last"}
			if w.inOrder {
				before = before[:1]
			}
			realtest.Eventually(t, "the others", func() bool { ids, _ := l.taken(); return slices.Equal(ids, before) })
			if w.refused != nil {
				realtest.Eventually(t, "the refused one", func() bool { return w.refused() == 1 && w.done() == 2 })
			}
			l.mu.Lock()
			open = true
			l.mu.Unlock()
			want := []string{"first", "last", "waits"}
			realtest.Eventually(t, "all", func() bool { ids, _ := l.taken(); return slices.Equal(ids, want) && (w.done == nil || w.done() == 3) })
			stop()
			if ids, tried := l.taken(); !slices.Equal(ids, want) || tried["first"] != 1 || tried["last"] != 1 {
				t.Errorf("taken %q, tried %v", ids, tried)
			}
		})
	}
}

// TestLog wants to know from the log why an input waits or was refused.
func TestLog(t *testing.T) {
	w := worlds["dir"](t)
	logs := &realtest.Log{}
	fail := errors.New("the database is away")
	stop := watch(t, func(context.Context, *inbox.Message) error { return fail }, inbox.Options{Logger: slog.New(slog.NewTextHandler(logs, nil))}, w.source)
	w.offer("a.xml", ingesttest.Report("a", 1))
	realtest.Eventually(t, "a line", func() bool {
		return strings.Contains(logs.String(), "an input waits") && strings.Contains(logs.String(), fail.Error()) && strings.Contains(logs.String(), "a.xml")
	})
	stop()
	l := &ledger{}
	watch(t, l.take, inbox.Options{Logger: slog.New(slog.NewTextHandler(logs, nil))}, w.source)
	w.offer("b.xml", []byte("nothing"))
	realtest.Eventually(t, "a line", func() bool {
		return strings.Contains(logs.String(), "not_a_report") && strings.Contains(logs.String(), "b.xml")
	})
}

// TestMistakes wants an error that names what is wrong before anything runs.
func TestMistakes(t *testing.T) {
	secret := func() (string, error) { return "secret", nil }
	token := func(context.Context, bool) (string, error) { return "token", nil }
	dir, err := inbox.Dir(t.TempDir(), inbox.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, want string
		try        func() error
	}{
		{"dir", "After", func() error { _, err := inbox.Dir("x", inbox.FileConfig{After: inbox.Flag}); return err }},
		{"maildir", "burn", func() error { _, err := inbox.Maildir("x", inbox.FileConfig{After: "burn"}); return err }},
		{"mbox", "mbox", func() error { _, err := inbox.Mbox("x", inbox.FileConfig{After: inbox.Delete}); return err }},
		{"pop3", "address", func() error { _, err := inbox.POP3(inbox.POP3Config{User: "u", Password: secret}); return err }},
		{"pop3 without a password", "Password", func() error { _, err := inbox.POP3(inbox.POP3Config{Address: "127.0.0.1:995", User: "u"}); return err }},
		{"graph without a token", "credentials", func() error { _, err := inbox.Graph(inbox.WebmailConfig{User: "u@example.com"}); return err }},
		{"gmail", "user", func() error { _, err := inbox.Gmail(inbox.WebmailConfig{Token: token}); return err }},
		{"imap", "Password and Token", func() error {
			_, err := imap.New(imap.Config{Address: "127.0.0.1:993", User: "u", Password: secret, Token: token})
			return err
		}},
		{"imap moves into itself", "INBOX", func() error {
			_, err := imap.New(imap.Config{Address: "127.0.0.1:993", User: "u", Password: secret, Actions: inbox.Actions{Done: inbox.Action{After: inbox.Move, Folder: "INBOX"}}})
			return err
		}},
		{"s3", "bucket", func() error { _, err := s3.New(s3.Config{}); return err }},
		{"smtp", "recipients", func() error { _, err := smtp.New(smtp.Config{Listen: "127.0.0.1:0"}); return err }},
		{"no source", "source 0", func() error { return inbox.Watch(t.Context(), nil, inbox.Options{}, inbox.Source{}) }},
		{"one twice", "twice", func() error { return inbox.Watch(t.Context(), nil, inbox.Options{}, dir, dir) }},
	} {
		if err := test.try(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one about %s", test.name, err, test.want)
		}
	}
	if dir.Name() == "" || fmt.Sprint(dir) == "" {
		t.Error("the source has no name")
	}
}

// TestMarks keeps files where they are: without marks a new Watch hands them out
// again, with marks it does not.
func TestMarks(t *testing.T) {
	dir := t.TempDir()
	source, err := inbox.Dir(dir, inbox.FileConfig{KeepRefused: true, Poll: poll, Settle: time.Millisecond, Patience: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/marks"
	var seen int
	var mu sync.Mutex
	count := func() int { mu.Lock(); defer mu.Unlock(); return seen }
	// once offers reports, and one more when as many were handed out as there should
	// be, which shows that there are no others.
	once := func(o inbox.Options, want int, names ...string) {
		t.Helper()
		for _, name := range names {
			content := ingesttest.Report(name, 1)
			if strings.HasPrefix(name, "bad") {
				content = []byte("bad")
			}
			put(t, dir, name, content)
		}
		before := count()
		stop := watch(t, func(_ context.Context, m *inbox.Message) error {
			text, err := io.ReadAll(m.Body)
			if err == nil {
				err = reports.Read(bytes.NewReader(text), func(*reports.Report) error { return nil })
			}
			mu.Lock()
			defer mu.Unlock()
			seen++
			return err
		}, o, source)
		realtest.Eventually(t, "the inputs", func() bool { return count()-before >= want })
		last := fmt.Sprintf("z%d.xml", before)
		put(t, dir, last, ingesttest.Report(last, 1))
		realtest.Eventually(t, "the last one", func() bool { return count()-before > want })
		stop()
		if got := count() - before; got != want+1 {
			t.Errorf("handed out %d, want %d", got, want+1)
		}
	}
	once(inbox.Options{}, 3, "a.xml", "b.xml", "bad.xml")
	once(inbox.Options{}, 4)
	marks, err := inbox.OpenMarks(path)
	if err != nil {
		t.Fatal(err)
	}
	once(inbox.Options{Marks: marks}, 5)
	once(inbox.Options{Marks: marks}, 0)
	if err := marks.Close(); err != nil {
		t.Fatal(err)
	}
	if marks, err = inbox.OpenMarks(path); err != nil {
		t.Fatal(err)
	}
	defer marks.Close()
	once(inbox.Options{Marks: marks}, 1, "c.xml")
}
