package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// journal is a Journal with a clock and what it logs.
func journal(now *time.Time) (*Journal, *bytes.Buffer) {
	logs := &bytes.Buffer{}
	return NewJournal(slog.New(slog.NewTextHandler(logs, nil)), func() time.Time { return *now }), logs
}

// refusing reads inputs to their end and refuses those with "bad" in their name.
func refusing(_ context.Context, deliveries ...*Delivery) ([]Result, error) {
	results := make([]Result, len(deliveries))
	for i, d := range deliveries {
		if d.Body != nil {
			_, _ = io.Copy(io.Discard, d.Body)
		}
		switch {
		case strings.Contains(d.Name, "late"):
			results[i].Err = ErrNotNow
		case strings.Contains(d.Name, "bad"):
			results[i].add(Item{Err: &dmarc.Error{Reason: dmarc.ReasonNotAReport, Offset: -1, Err: errors.New("no report\ninside")}}, false)
		default:
			results[i].add(Item{}, true)
		}
	}
	return results, nil
}

// TestJournalRefused has one line for a refused input that tells which it was,
// without the address of its sender, and nothing that a sender could forge.
func TestJournalRefused(t *testing.T) {
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	j, logs := journal(&now)
	mail := "From: \"Somebody\" <somebody@mail.example>\r\nDate: Fri, 27 Nov 2026 10:00:00 +0100\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe=0Alevel=3DERROR?= \x1b[31m" + strings.Repeat("x", 300) +
		"\r\nMessage-ID: <1@mail.example>\r\n\r\nSubject: not this\r\n"
	if _, err := j.Deliver(refusing)(t.Context(), &Delivery{Source: "imap:u@h", Name: "INBOX/7-bad", Body: strings.NewReader(mail)}); err != nil {
		t.Fatal(err)
	}
	got := logs.String()
	for _, want := range []string{
		"level=WARN", `msg="input refused"`, "source=imap:u@h", "input=INBOX/7-bad", "date=2026-11-27T09:00:00Z", "from_domain=mail.example", "Grüße level=ERROR",
		"message_id=<1@mail.example>", "reason=not_a_report", "no report inside",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s in it", got, want)
		}
	}
	if strings.Count(got, "\n") != 1 || strings.Contains(got, "somebody") || strings.Contains(got, "\x1b") || len(got) > 700 {
		t.Errorf("%q: want one short line without the sender", got)
	}
}

// TestJournalRate holds lines back and says how many, for each source on its own.
func TestJournalRate(t *testing.T) {
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	j, logs := journal(&now)
	deliver := j.Deliver(refusing)
	send := func(source string, n int) {
		for i := range n {
			if _, err := deliver(t.Context(), &Delivery{Source: source, Name: fmt.Sprint("bad", i), Body: strings.NewReader("x")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	send("a", 1)
	j.pages["a"].notices.now = func() time.Time { return now }
	j.pages["a"].notices.told = map[string]*told{}
	send("a", 1000)
	send("b", 1)
	if n := strings.Count(logs.String(), "source=a"); n != noticeBurst+1 {
		t.Errorf("%d lines of a, want %d", n, noticeBurst+1)
	}
	if n := strings.Count(logs.String(), "source=b"); n != 1 {
		t.Errorf("%d lines of b, want 1", n)
	}
	now = now.Add(noticeInterval)
	send("a", 1)
	if want := fmt.Sprint("held_back=", 1000-noticeBurst); !strings.Contains(logs.String(), want) {
		t.Errorf("%s\nwant %s", logs, want)
	}
}

// TestJournalSummary sums up a source when its backlog is over, then hourly, and
// at the end.
func TestJournalSummary(t *testing.T) {
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	j, logs := journal(&now)
	deliver := j.Deliver(refusing)
	take := func(names ...string) {
		for _, name := range names {
			if _, err := deliver(t.Context(), &Delivery{Source: "a", Name: name, Body: strings.NewReader("x")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect := func(step string, want string) {
		t.Helper()
		j.summarize(step == "the end")
		got := ""
		for line := range strings.Lines(logs.String()) {
			if strings.Contains(line, "reports read") {
				got += line
			}
		}
		logs.Reset()
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
	expect("nothing yet", "")
	take("1", "2", "bad", "late")
	expect("in the backlog", "")
	now = now.Add(journalQuiet)
	expect("after the backlog", "source=a counted=2 known=0 refused=1")
	take("3")
	now = now.Add(time.Minute)
	expect("a minute later", "")
	now = now.Add(journalPause)
	expect("an hour later", "counted=1 known=0 refused=0")
	now = now.Add(journalPause)
	expect("nothing more", "")
	take("4")
	expect("the end", "counted=1")
}
