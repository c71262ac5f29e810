package imap_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// fake is an IMAP server with one folder of n mails that says what it likes.
type fake struct {
	mails int
	// size is what RFC822.SIZE says.
	size int
	// extensions are capabilities besides IMAP4rev1.
	extensions string
	// answer, if not nil, returns what a command is answered with after its tag, or "".
	answer func(command string) string
	// fetch writes the answer to the FETCH of a body, without the tagged line.
	fetch func(w io.Writer, uid string)
}

func (f *fake) talk(conn net.Conn) {
	fmt.Fprintf(conn, "* OK [CAPABILITY IMAP4rev1%s] ready\r\n", f.extensions)
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		if f.answer != nil {
			if text := f.answer(command); text != "" {
				fmt.Fprintf(conn, "%s %s\r\n", tag, text)
				continue
			}
		}
		switch {
		case command == "CAPABILITY":
			fmt.Fprintf(conn, "* CAPABILITY IMAP4rev1%s\r\n", f.extensions)
		case strings.HasPrefix(command, "SELECT"):
			fmt.Fprintf(conn, "* %d EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n", f.mails)
		case strings.HasPrefix(command, "UID SEARCH"):
			fmt.Fprint(conn, "* SEARCH")
			for uid := range f.mails {
				fmt.Fprintf(conn, " %d", uid+1)
			}
			fmt.Fprint(conn, "\r\n")
		case strings.Contains(command, "RFC822.SIZE"):
			for uid := range f.mails {
				fmt.Fprintf(conn, "* %d FETCH (UID %d RFC822.SIZE %d)\r\n", uid+1, uid+1, f.size)
			}
		case strings.Contains(command, "BODY.PEEK[]"):
			f.fetch(conn, strings.Fields(command)[2])
		}
		fmt.Fprintf(conn, "%s OK done\r\n", tag)
	}
}

func fakeConfig(address string, marks ingest.Marks) imap.Config {
	return imap.Config{
		Address: address, Security: ingest.SecurityInsecure, Auth: password(secret), User: user,
		Options: ingest.Options{Timeout: 2 * time.Second, Poll: 50 * time.Millisecond, Attempts: 2, GiveUpAfter: time.Nanosecond, Marks: marks},
	}
}

// literalOf writes a mail as a literal that claims a size.
func literalOf(w io.Writer, uid string, size int, mail []byte) {
	fmt.Fprintf(w, "* %s FETCH (UID %s BODY[] {%d}\r\n%s", uid, uid, size, mail)
}

// TestHostileServer counts nothing that did not come whole, and goes on with the
// others. It gives up on a mail that the server does not have; one that the
// network or the protocol broke waits, for it is not to blame.
func TestHostileServer(t *testing.T) {
	t.Parallel()
	good := report("good", 2)
	bad := report("bad", 40)
	for _, test := range []struct {
		name   string
		bad    func(w io.Writer)
		hangUp bool
		// What becomes of the mail: given up, counted, or neither.
		givenUp, counted bool
	}{
		{name: "truncated literal", hangUp: true, bad: func(w io.Writer) { literalOf(w, "1", len(bad)+100, bad) }},
		{name: "truncated by little", hangUp: true, bad: func(w io.Writer) { literalOf(w, "1", len(bad)+1, bad) }},
		{name: "no end of the response", hangUp: true, bad: func(w io.Writer) { literalOf(w, "1", len(bad), bad) }},
		{name: "garbage behind", counted: true, bad: func(w io.Writer) { literalOf(w, "1", len(bad), bad); fmt.Fprint(w, " GARBAGE {\r\n") }},
		{name: "huge literal", givenUp: true, bad: func(w io.Writer) {
			literalOf(w, "1", 9_999_999_999_999, bad)
			for range 1000 {
				if _, err := w.Write(bad); err != nil {
					return
				}
			}
		}},
		{name: "literal that never comes", bad: func(w io.Writer) { literalOf(w, "1", 1000, nil); time.Sleep(5 * time.Second) }},
		{name: "no body", givenUp: true, bad: func(w io.Writer) { fmt.Fprint(w, "* 1 FETCH (UID 1 FLAGS ())\r\n") }},
		{name: "null", givenUp: true, bad: func(w io.Writer) { fmt.Fprint(w, "* 1 FETCH (UID 1 BODY[] NIL)\r\n") }},
		{name: "nothing", givenUp: true, bad: func(io.Writer) {}},
		{name: "other mail", givenUp: true, bad: func(w io.Writer) { literalOf(w, "3", len(bad), bad); fmt.Fprint(w, ")\r\n") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := &fake{mails: 2, size: len(bad)}
			server.fetch = func(w io.Writer, uid string) {
				if uid == "1" {
					test.bad(w)
					if test.hangUp {
						w.(net.Conn).Close()
					}
					return
				}
				literalOf(w, uid, len(good), good)
				fmt.Fprint(w, ")\r\n")
			}
			store, pipeline := pipeline(t)
			source := open(t, fakeConfig(realtest.Listen(t, server.talk), pipeline))
			run(t, source, pipeline.Deliver)
			want := struct{ messages, refusals, waiting int64 }{2, 0, 1}
			switch {
			case test.givenUp:
				want.refusals, want.waiting = 1, 0
			case test.counted:
				want.messages, want.waiting = 42, 0
			}
			realtest.Eventually(t, "the good mail counted, the bad one given up or waiting", func() bool {
				return ingesttest.Sum(store, tally.Messages) == want.messages && ingesttest.Sum(store, tally.Refusals) == want.refusals &&
					int64(source.Status().Backlog) == want.waiting
			})
		})
	}
}

// TestFolderAppears moves mails to a folder that another client creates between
// the first try and the own attempt to create it.
func TestFolderAppears(t *testing.T) {
	t.Parallel()
	good := report("good", 2)
	var moves atomic.Int64
	server := &fake{mails: 1, size: len(good), extensions: " MOVE", answer: func(command string) string {
		switch {
		case strings.HasPrefix(command, "CREATE"):
			return "NO [ALREADYEXISTS] somebody was faster"
		case strings.HasPrefix(command, "UID MOVE") && moves.Add(1) == 1:
			return "NO [TRYCREATE] no such folder"
		}
		return ""
	}}
	server.fetch = func(w io.Writer, uid string) {
		literalOf(w, uid, len(good), good)
		fmt.Fprint(w, ")\r\n")
	}
	_, pipeline := pipeline(t)
	run(t, open(t, moving(fakeConfig(realtest.Listen(t, server.talk), pipeline))), pipeline.Deliver)
	realtest.Eventually(t, "moved at the second try", func() bool { return moves.Load() == 2 })
}

// TestSilentServer returns from every command that nobody answers, and at once
// when the context ends.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // The kernel accepts for it.
	_, pipeline := pipeline(t)
	for _, security := range []ingest.Security{ingest.SecurityTLS, ingest.SecuritySTARTTLS, ingest.SecurityInsecure} {
		c := fakeConfig(listener.Addr().String(), pipeline)
		c.Security, c.Timeout = security, 300*time.Millisecond
		start := time.Now()
		if err := open(t, c).Run(t.Context(), pipeline.Deliver); err == nil || time.Since(start) > realtest.Patience/2 {
			t.Errorf("%s: %v after %s", security, err, time.Since(start))
		}
		c.Timeout = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		start = time.Now()
		if err := open(t, c).Run(ctx, pipeline.Deliver); err == nil || time.Since(start) > realtest.Patience/2 {
			t.Errorf("%s, cancelled: %v after %s", security, err, time.Since(start))
		}
		cancel()
	}
}

// TestManyMails drains many mails, some of them poison, in little memory.
func TestManyMails(t *testing.T) {
	t.Parallel()
	const mails = 600
	if testing.Short() {
		t.Skip("takes seconds")
	}
	server := &fake{mails: mails, size: 2000}
	server.fetch = func(w io.Writer, uid string) {
		mail := report(uid, 1)
		if strings.HasSuffix(uid, "500") {
			mail = []byte("poison")
		}
		literalOf(w, uid, len(mail), mail)
		fmt.Fprint(w, ")\r\n")
	}
	store, pipeline := pipeline(t)
	run(t, open(t, fakeConfig(realtest.Listen(t, server.talk), pipeline)), pipeline.Deliver)
	realtest.Eventually(t, "all read", func() bool { return ingesttest.Sum(store, tally.Reports) == mails })
	if n := ingesttest.Sum(store, tally.Messages); n != mails-1 {
		t.Errorf("%d messages, want %d", n, mails-1)
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if memory.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB in use", memory.HeapAlloc>>20)
	}
}

// serveGood answers FETCH with a good report.
func serveGood(w io.Writer, uid string) {
	mail := report(uid, 2)
	literalOf(w, uid, len(mail), mail)
	fmt.Fprint(w, ")\r\n")
}

// TestServerOutage blames no mail when the server is out of order, however
// often it is asked, and loses none when that ends.
func TestServerOutage(t *testing.T) {
	t.Parallel()
	for _, refusal := range []string{"NO [UNAVAILABLE] Internal error occurred", "NO [SERVERBUG] oops", "NO [INUSE] locked", "BAD [LIMIT] too fast"} {
		t.Run(refusal, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := &fake{mails: 3, size: 500, fetch: serveGood}
			server.answer = func(command string) string {
				const outage = 12 // more than all attempts
				if strings.Contains(command, "BODY.PEEK[]") && asked.Add(1) <= outage {
					return refusal
				}
				return ""
			}
			store, pipeline := pipeline(t)
			c := fakeConfig(realtest.Listen(t, server.talk), pipeline)
			c.Attempts = 1
			run(t, open(t, c), pipeline.Deliver)
			realtest.Eventually(t, "all counted", func() bool { return ingesttest.Sum(store, tally.Messages) == 6 })
			if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
				t.Errorf("%d refused, want none", n)
			}
		})
	}
}

// TestGone passes over a mail only when it is seen to be gone, and counts that.
func TestGone(t *testing.T) {
	t.Parallel()
	var searches atomic.Int64
	server := &fake{mails: 3, size: 500, fetch: serveGood}
	server.answer = func(command string) string {
		switch {
		case strings.HasPrefix(command, "UID SEARCH") && searches.Add(1) == 2:
			return "OK nothing there" // The second search is for the mails without a size.
		case strings.Contains(command, "RFC822.SIZE"):
			return "OK nothing there"
		}
		return ""
	}
	_, pipeline := pipeline(t)
	source := open(t, fakeConfig(realtest.Listen(t, server.talk), pipeline))
	run(t, source, pipeline.Deliver)
	realtest.Eventually(t, "three missed", func() bool { return source.Status().Missed == 3 && source.Status().Backlog == 0 })
}

// TestMissingFolder reads the other folders, and names the one that is not there.
func TestMissingFolder(t *testing.T) {
	t.Parallel()
	server := &fake{mails: 5, size: 500, fetch: serveGood}
	server.answer = func(command string) string {
		if strings.HasPrefix(command, "SELECT") && strings.Contains(command, "Nope") {
			return "NO no such folder"
		}
		return ""
	}
	store, pipeline := pipeline(t)
	c := fakeConfig(realtest.Listen(t, server.talk), pipeline)
	c.Folders = []string{"INBOX", "INBOX.Nope"}
	source := open(t, c)
	run(t, source, pipeline.Deliver)
	realtest.Eventually(t, "all of the INBOX counted", func() bool { return ingesttest.Sum(store, tally.Messages) == 10 })
	realtest.Eventually(t, "the error told", func() bool {
		s := source.Status()
		return !s.Up && s.Err != nil && strings.Contains(s.Err.Error(), "INBOX.Nope")
	})
}

// TestBreaks reads and puts away the others beside a mail at which the connection
// always breaks.
func TestBreaks(t *testing.T) {
	t.Parallel()
	for _, d := range servers.IMAPDeviations() {
		if d.Name != "one mail is cut off, for a while" {
			continue
		}
		d.Outage = time.Hour
		server := d.IMAP(t, report("a", 5), report("b", 5), report("c", 5))
		store, pipeline := pipeline(t)
		run(t, open(t, moving(fakeConfig(server.Address, pipeline))), pipeline.Deliver)
		realtest.Eventually(t, "the others read and moved", func() bool {
			return ingesttest.Sum(store, tally.Messages) == 10 && server.In("INBOX") == 1 && server.In("Done") == 2
		})
		if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
			t.Errorf("%d refused, want none", n)
		}
		return
	}
	t.Error("there is no such server")
}
