package imap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

const (
	user   = "reports"
	secret = realtest.DovecotPassword
)

// bare are the settings of a Dovecot that tells clients of no extension.
const bare = "imap_capability = IMAP4rev1 LITERAL+"

func password(word string) imap.Credentials {
	return imap.Password(user, func() (string, error) { return word, nil })
}

// config reads the INBOX of user over TLS.
func config(server *realtest.DovecotServer, marks ingest.Marks) imap.Config {
	return imap.Config{
		Address: server.IMAPS, TLS: server.TLS(), User: user, Auth: password(secret),
		Options: ingest.Options{Poll: 200 * time.Millisecond, Timeout: 10 * time.Second, Marks: marks},
	}
}

// moving changes a config so that processed mails move.
func moving(c imap.Config) imap.Config {
	c.Counted = ingest.Action{Kind: ingest.AfterMove, Folder: "Done"}
	c.Known = ingest.Action{Kind: ingest.AfterMove, Folder: "Done"}
	c.Refused = ingest.Action{Kind: ingest.AfterMove, Folder: "Invalid"}
	return c
}

func open(t testing.TB, c imap.Config) *imap.Mailbox {
	t.Helper()
	m, err := imap.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// letter is a mail with a report of so many messages, or any other content.
func letter(content []byte) []byte {
	return fmt.Appendf(nil, "From: reports@mail.example\nTo: rua@example.com\nSubject: Report\n\n%s\n", content)
}

func report(id string, messages int) []byte { return letter(ingesttest.Report(id, messages)) }

// run keeps a source running until the test, or stop, ends it.
func run(t testing.TB, source ingest.Source, deliver ingest.Deliver) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	supervisor := &ingest.Supervisor{MinPause: 10 * time.Millisecond, MaxPause: 200 * time.Millisecond}
	group.Go(func() { supervisor.Run(ctx, deliver, map[string]ingest.Source{"one": source}) })
	stop = func() {
		cancel()
		group.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func pipeline(t testing.TB) (*store.Store, *ingest.Pipeline) {
	store := ingesttest.Store(t)
	return store, ingest.NewPipeline(store, ingest.PipelineConfig{})
}

// flagged counts the mails of a folder with a letter of Maildir among their flags.
func flagged(t testing.TB, server *realtest.DovecotServer, folder, flag string) int {
	n := 0
	for _, path := range server.Mails(t, user, folder) {
		if _, flags, _ := strings.Cut(filepath.Base(path), ":2,"); strings.Contains(flags, flag) {
			n++
		}
	}
	return n
}

func TestConforms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		settings []string
		change   func(*imap.Config)
		// pending are the mails of the INBOX that lack a flag.
		flag string
	}{
		{name: "move", change: func(c *imap.Config) { *c = moving(*c) }},
		{name: "delete", change: func(c *imap.Config) {
			c.Counted.Kind, c.Known.Kind, c.Refused.Kind = ingest.AfterDelete, ingest.AfterDelete, ingest.AfterDelete
		}},
		{name: "flag", flag: "S", change: func(c *imap.Config) {
			c.Counted.Kind, c.Known.Kind, c.Refused.Kind = ingest.AfterFlag, ingest.AfterFlag, ingest.AfterFlag
		}},
		{name: "move without extensions", flag: "S", settings: []string{bare}, change: func(c *imap.Config) { *c = moving(*c) }},
		{name: "move by copy", settings: []string{bare + " UIDPLUS"}, change: func(c *imap.Config) { *c = moving(*c) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := realtest.Dovecot(t, test.settings...)
			users := 0
			ingesttest.Run(t, func(*testing.T) ingesttest.World {
				users++
				name := fmt.Sprintf("%s-%d", user, users)
				server.Seed(t, name, "INBOX")
				return ingesttest.World{
					Source: func(t testing.TB, marks ingest.Marks) ingest.Source {
						c := config(server, marks)
						c.User = name
						c.Auth = imap.Password(name, func() (string, error) { return secret, nil })
						test.change(&c)
						return open(t, c)
					},
					Offer: func(t testing.TB, _ string, content []byte) { server.Seed(t, name, "INBOX", letter(content)) },
					Pending: func(t testing.TB) int {
						n := 0
						for _, path := range server.Mails(t, name, "INBOX") {
							if _, flags, _ := strings.Cut(filepath.Base(path), ":2,"); test.flag == "" || !strings.Contains(flags, test.flag) {
								n++
							}
						}
						return n
					},
				}
			})
		})
	}
}

// TestKeep leaves mails alone, reads each once all the same, and all of them
// again when the server renumbers them.
func TestKeep(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	server.Seed(t, user, "INBOX", report("a", 1), letter([]byte("no report")), report("b", 2))
	store, pipeline := pipeline(t)
	stop := run(t, open(t, config(server, pipeline)), pipeline.Deliver)
	realtest.Eventually(t, "all read", func() bool {
		return ingesttest.Sum(store, tally.Messages) == 3 && ingesttest.Sum(store, tally.Refusals) == 1
	})
	stop()
	stop = run(t, open(t, config(server, pipeline)), pipeline.Deliver)
	server.Seed(t, user, "INBOX", report("c", 4))
	realtest.Eventually(t, "the new one read", func() bool { return ingesttest.Sum(store, tally.Messages) == 7 })
	stop()
	if n := ingesttest.Sum(store, tally.Reports); n != 4 {
		t.Errorf("%d reports, want 4: the restart read mails again", n)
	}
	if n := len(server.Mails(t, user, "INBOX")); n != 4 || flagged(t, server, "INBOX", "S") != 0 {
		t.Errorf("%d mails, %d of them seen; want 4, 0", n, flagged(t, server, "INBOX", "S"))
	}
	server.Renumber(t, user, "INBOX")
	run(t, open(t, config(server, pipeline)), pipeline.Deliver)
	realtest.Eventually(t, "all read again", func() bool { return ingesttest.Sum(store, tally.Reports, string(tally.OutcomeDuplicate)) == 3 })
	if n := ingesttest.Sum(store, tally.Messages); n != 7 {
		t.Errorf("%d messages, want 7", n)
	}
}

// TestStrangers never expunges what somebody else marked as deleted.
func TestStrangers(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{"", bare, bare + " UIDPLUS"} {
		t.Run(settings, func(t *testing.T) {
			t.Parallel()
			server := realtest.Dovecot(t, settings)
			server.Seed(t, user, "INBOX", report("a", 1), letter([]byte("of a stranger")))
			strange(t, server, "STORE 2 +FLAGS (\\Deleted)")
			store, pipeline := pipeline(t)
			c := config(server, pipeline)
			c.Counted.Kind, c.Refused.Kind = ingest.AfterDelete, ingest.AfterDelete
			stop := run(t, open(t, c), pipeline.Deliver)
			server.Seed(t, user, "INBOX", report("b", 2))
			realtest.Eventually(t, "both counted", func() bool { return ingesttest.Sum(store, tally.Messages) == 3 })
			realtest.Eventually(t, "both put away", func() bool {
				return len(server.Mails(t, user, "INBOX"))-flagged(t, server, "INBOX", "S") == 1
			})
			stop()
			if n := flagged(t, server, "INBOX", "T"); n != 1 {
				t.Errorf("%d deleted mails are left, want the one of the stranger", n)
			}
			if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
				t.Errorf("%d refusals: a deleted mail was read", n)
			}
		})
	}
}

// TestIdle notices a mail long before the next poll.
func TestIdle(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	server.Seed(t, user, "INBOX", report("a", 1))
	store, pipeline := pipeline(t)
	c := moving(config(server, pipeline))
	c.Poll = time.Hour
	run(t, open(t, c), pipeline.Deliver)
	realtest.Eventually(t, "the first mail counted", func() bool { return len(server.Mails(t, user, "INBOX")) == 0 })
	for i := range 3 {
		start := time.Now()
		server.Seed(t, user, "INBOX", report(fmt.Sprint(i), 1))
		realtest.Eventually(t, "a new mail counted", func() bool { return ingesttest.Sum(store, tally.Messages) == int64(i)+2 })
		t.Logf("a new mail was counted after %s", time.Since(start).Round(time.Millisecond))
	}
}

// TestPoll notices a mail without IDLE, and over STARTTLS.
func TestPoll(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t, bare)
	server.Seed(t, user, "INBOX")
	store, pipeline := pipeline(t)
	c := config(server, pipeline)
	c.Address, c.Security = server.IMAP, ingest.SecuritySTARTTLS
	source := open(t, c)
	run(t, source, pipeline.Deliver)
	realtest.Eventually(t, "up", func() bool { return source.Status().Up })
	server.Seed(t, user, "INBOX", report("a", 1))
	realtest.Eventually(t, "a new mail counted", func() bool { return ingesttest.Sum(store, tally.Messages) == 1 })
}

// TestFolders reads several folders, one of which is named like no ASCII text.
func TestFolders(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	strangeName := "B&APw-cher" // The modified UTF-7 of the name.
	server.Seed(t, user, "INBOX", report("a", 1))
	server.Seed(t, user, strangeName, report("b", 2))
	store, pipeline := pipeline(t)
	c := moving(config(server, pipeline))
	c.Folders = []string{"INBOX", "Bücher"}
	source := open(t, c)
	run(t, source, pipeline.Deliver)
	realtest.Eventually(t, "all moved", func() bool { return len(server.Mails(t, user, "Done")) == 2 })
	if n := ingesttest.Sum(store, tally.Messages); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
	realtest.Eventually(t, "no backlog", func() bool { return source.Status().Backlog == 0 })
	if s := source.Status(); !s.Up || s.Name != "imap:"+user+"@127.0.0.1" {
		t.Errorf("status %+v", s)
	}
}

// TestOutage survives a restart of the server, resets and silence.
func TestOutage(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	proxy := realtest.NewFaultProxy(t, "tcp", server.IMAPS)
	store, pipeline := pipeline(t)
	c := moving(config(server, pipeline))
	c.Address, c.Timeout = proxy.Addr(), 3*time.Second
	source := open(t, c)
	run(t, source, pipeline.Deliver)
	n := int64(0)
	expect := func(t *testing.T) {
		t.Helper()
		n++
		server.Seed(t, user, "INBOX", report(fmt.Sprint(n), 1))
		realtest.Eventually(t, "mail counted", func() bool { return ingesttest.Sum(store, tally.Messages) == n })
	}
	expect(t)
	server.Stop()
	realtest.Eventually(t, "down", func() bool { return !source.Status().Up })
	server.Restart(t)
	expect(t)
	for name, mode := range map[string]realtest.Mode{
		"hang": realtest.Hang, "reset": realtest.Reset, "refuse": realtest.Refuse, "half open": realtest.Cut,
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := proxy.Connections()
			proxy.SetMode(t, mode)
			realtest.Eventually(t, "down", func() bool { return !source.Status().Up })
			if err := source.Status().Err; err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("error %v", err)
			}
			proxy.SetMode(t, realtest.Pass)
			expect(t)
			if after, _ := proxy.Connections(); after == before {
				t.Error("no new connection")
			}
		})
	}
}

// TestSize refuses a large mail without fetching it.
func TestSize(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	large := report("large", 1)
	large = append(large, bytes.Repeat([]byte("0123456789abcde\n"), 4<<10)...)
	server.Seed(t, user, "INBOX", large, report("small", 2))
	store, pipeline := pipeline(t)
	c := moving(config(server, pipeline))
	c.MaxBytes = 60 << 10
	run(t, open(t, c), pipeline.Deliver)
	realtest.Eventually(t, "the large mail put away", func() bool { return len(server.Mails(t, user, "Invalid")) == 1 })
	realtest.Eventually(t, "the small mail put away", func() bool { return len(server.Mails(t, user, "Done")) == 1 })
	if n := ingesttest.Sum(store, tally.Refusals, string(dmarc.ReasonTooLarge)); n != 1 || ingesttest.Sum(store, tally.Messages) != 2 {
		t.Errorf("%d too large, %d messages; want 1, 2", n, ingesttest.Sum(store, tally.Messages))
	}
}

// TestStoreTrouble does not blame mails for a store that is unwell.
func TestStoreTrouble(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	server.Seed(t, user, "INBOX", report("a", 1))
	store, pipeline := pipeline(t)
	c := moving(config(server, pipeline))
	c.Attempts = 2
	var attempts atomic.Int64
	run(t, open(t, c), ingesttest.Single(func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error) {
		if attempts.Add(1) < 6 {
			return ingest.Result{}, errors.New("no space left on device")
		}
		return ingest.Deliver(pipeline.Deliver).One(ctx, d)
	}))
	realtest.Eventually(t, "put away", func() bool { return len(server.Mails(t, user, "INBOX")) == 0 })
	if ingesttest.Sum(store, tally.Messages) != 1 || ingesttest.Sum(store, tally.Refusals) != 0 {
		t.Error("the mail was refused")
	}
}

// TestPoison gives up on a mail that can never be read, and goes on with the others.
func TestPoison(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	server.Seed(t, user, "INBOX", report("a", 1), report("b", 1), report("c", 1))
	store, pipeline := pipeline(t)
	c := moving(config(server, pipeline))
	c.Attempts, c.GiveUpAfter, c.Batch = 2, time.Nanosecond, 2
	var attempts atomic.Int64
	run(t, open(t, c), ingesttest.Single(func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error) {
		if d.Name == "INBOX/1" && d.Body != nil {
			attempts.Add(1)
			return ingest.Result{}, &ingest.InputError{Err: errors.New("no key now")}
		}
		return ingest.Deliver(pipeline.Deliver).One(ctx, d)
	}))
	realtest.Eventually(t, "the others counted", func() bool { return len(server.Mails(t, user, "Done")) == 2 })
	realtest.Eventually(t, "one put away", func() bool { return len(server.Mails(t, user, "Invalid")) == 1 })
	if n := ingesttest.Sum(store, tally.Refusals, string(dmarc.ReasonIO)); n != 1 || attempts.Load() != 2 {
		t.Errorf("%d refused after %d attempts, want 1 after 2", n, attempts.Load())
	}
}

// TestRefusedAction goes on when the server does not let mails move.
func TestRefusedAction(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	server.Seed(t, user, "INBOX", report("a", 1))
	store, pipeline := pipeline(t)
	c := moving(config(server, pipeline))
	c.Counted.Folder = "not//possible"
	var log realtest.Log
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	run(t, open(t, c), pipeline.Deliver)
	realtest.Eventually(t, "a warning", func() bool { return strings.Contains(log.String(), "cannot move, delete or flag processed mails") })
	server.Seed(t, user, "INBOX", report("b", 2))
	realtest.Eventually(t, "both counted", func() bool { return ingesttest.Sum(store, tally.Messages) == 3 })
	if n := ingesttest.Sum(store, tally.Reports); n != 2 {
		t.Errorf("%d reports, want 2", n)
	}
}
