package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
)

// mailFrom is a mail with two reports.
func mailFrom(sender, id string) []byte {
	return fmt.Appendf(nil, "From: reports@%s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/xml\n\n%s\n--b\nContent-Type: text/xml\n\n%s\n--b--\n",
		sender, ingesttest.Report(id+"1", 1), ingesttest.Report(id+"2", 1))
}

// TestJudge lets a judge decide over the mails of an mbox: each is judged once,
// counted with its outcome or refused, and a judge that cannot decide now
// leaves nothing behind.
func TestJudge(t *testing.T) {
	var asked []string
	away, down := true, false
	judge := func(_ context.Context, mail *unpack.Mail, _ unpack.Kind) ingest.Authentication {
		if mail == nil {
			return ingest.Authentication{Result: "none"}
		}
		from := mail.Field("From")
		asked = append(asked, from)
		switch {
		case strings.HasSuffix(from, "@away.example") && away:
			return ingest.Authentication{Refused: errors.New("no answer"), Retry: true, Down: down}
		case strings.HasSuffix(from, "@forger.example"):
			return ingest.Authentication{Result: "fail", Refused: errors.New("signature does not verify")}
		}
		return ingest.Authentication{Result: "pass"}
	}
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{Authenticate: judge, Workers: 1})
	deliver := func(content []byte) (ingest.Result, error) {
		return ingest.Deliver(pipeline.Deliver).One(t.Context(), &ingest.Delivery{Source: "test", Body: bytes.NewReader(content)})
	}
	var mbox bytes.Buffer
	for _, sender := range []string{"good.example", "forger.example", "fine.example"} {
		fmt.Fprintf(&mbox, "From a@b Tue Nov 24 00:00:00 2026\n%s\n", mailFrom(sender, sender))
	}
	result, err := deliver(mbox.Bytes())
	if err != nil || result.Counted != 4 || result.Refused != 2 {
		t.Errorf("%d counted, %d refused, error %v, want 4 and 2", result.Counted, result.Refused, err)
	}
	if len(asked) != 3 {
		t.Errorf("asked about %q, want each mail once", asked)
	}
	for _, item := range result.Items {
		if item.Err != nil && item.Err.Reason != dmarc.ReasonUntrusted {
			t.Errorf("refused with %v, want %s", item.Err, dmarc.ReasonUntrusted)
		}
	}
	if n := ingesttest.Sum(store, tally.Authenticated, "pass"); n != 4 {
		t.Errorf("%d reports authenticated, want 4", n)
	}
	if _, err := deliver(ingesttest.Report("bare", 1)); err != nil {
		t.Fatal(err)
	}
	if n := ingesttest.Sum(store, tally.Authenticated, "none"); n != 1 {
		t.Errorf("%d reports without a mail, want 1", n)
	}
	before := ingesttest.Sum(store, tally.Reports)
	var input *ingest.InputError
	if _, err := deliver(mailFrom("away.example", "away")); !errors.As(err, &input) || !errors.Is(err, ingest.ErrNotNow) {
		t.Errorf("error %v, want an InputError with ErrNotNow", err)
	}
	if n := ingesttest.Sum(store, tally.Reports); n != before {
		t.Errorf("%d outcomes, want the %d from before", n, before)
	}
	down = true
	if _, err := deliver(mailFrom("away.example", "away")); errors.As(err, &input) || !errors.Is(err, ingest.ErrNotNow) {
		t.Errorf("error %v, want one with ErrNotNow that blames no input", err)
	}
	if n := ingesttest.Sum(store, tally.Reports); n != before {
		t.Errorf("%d outcomes, want the %d from before", n, before)
	}
	away = false
	if result, err := deliver(mailFrom("away.example", "away")); err != nil || result.Counted != 2 {
		t.Errorf("%d counted, error %v, want 2", result.Counted, err)
	}
}

// TestSpeaks counts reports of somebody who does not speak for the reporter
// apart, or refuses them.
func TestSpeaks(t *testing.T) {
	for _, strict := range []bool{false, true} {
		judge := func(_ context.Context, mail *unpack.Mail, _ unpack.Kind) ingest.Authentication {
			return ingest.Authentication{Result: "pass", Strict: strict, Speaks: func(org, email string) error {
				if org != "Example Mail Corp" || email != "dmarc@mail.example" {
					t.Errorf("asked about %q, %q", org, email)
				}
				if strings.HasSuffix(mail.Field("From"), "@mail.example") {
					return nil
				}
				return errors.New("does not speak for it")
			}}
		}
		store := ingesttest.Store(t)
		pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{Authenticate: judge})
		for _, sender := range []string{"mail.example", "attacker.example"} {
			result, err := ingest.Deliver(pipeline.Deliver).One(t.Context(), &ingest.Delivery{Source: "test", Body: bytes.NewReader(mailFrom(sender, sender))})
			if refused := strict && sender != "mail.example"; err != nil || (result.Refused == 2) != refused || (result.Counted == 2) == refused {
				t.Errorf("strict %t, %s: %d counted, %d refused, error %v", strict, sender, result.Counted, result.Refused, err)
			}
		}
		for auth, want := range map[string]int64{"pass": 2, ingest.Mismatch: 2} {
			if n := ingesttest.Sum(store, tally.Authenticated, auth); n != want {
				t.Errorf("strict %t: %d with %s, want %d", strict, n, auth, want)
			}
		}
		if n := ingesttest.Sum(store, tally.AuthenticMessages); n != 2 {
			t.Errorf("strict %t: %d authentic messages, want 2", strict, n)
		}
	}
}

// TestOneMail believes the header of a mail that came as one, and nothing else
// in it: not the second mail of what looks like an mbox, nor a report without a
// mail.
func TestOneMail(t *testing.T) {
	judge := func(_ context.Context, mail *unpack.Mail, _ unpack.Kind) ingest.Authentication {
		if mail != nil && mail.Field("Authentication-Results") == "mx.shop.example; dkim=pass" {
			return ingest.Authentication{Result: "pass"}
		}
		return ingest.Authentication{Result: "fail", Refused: errors.New("not authentic")}
	}
	const from = "From a@b Tue Nov 24 00:00:00 2026\n"
	mail := func(id, head string) string { return head + string(mailFrom("mail.example", id)) }
	trusted := "Authentication-Results: mx.shop.example; dkim=pass\n"
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	for _, tt := range []struct {
		name             string
		body             func(id string) string
		counted, refused int
	}{
		{"a mail", func(id string) string { return mail(id, trusted) }, 2, 0},
		{"with CRLF", func(id string) string { return crlf(mail(id, trusted)) }, 2, 0},
		{"behind empty lines", func(id string) string { return "\r\n\r\n" + crlf(mail(id, trusted)) }, 2, 0},
		{"behind a byte order mark", func(id string) string { return "\ufeff" + mail(id, trusted) }, 2, 0},
		{"with a long header", func(id string) string {
			return mail(id, trusted+strings.Repeat("X-A: "+strings.Repeat("b", 100)+"\n", 200))
		}, 2, 0},
		{"behind the line of an mbox", func(id string) string { return from + mail(id, trusted) }, 2, 0},
		{"behind that line with CRLF", func(id string) string { return crlf(from + mail(id, trusted)) }, 2, 0},
		{"the second of an mbox", func(id string) string { return from + mail(id, "") + "\n" + from + mail(id+"b", trusted) }, 0, 4},
		{"the second behind a good one", func(id string) string { return from + mail(id, trusted) + "\n" + from + mail(id+"b", trusted+"X: y\n") }, 2, 2},
		{"a report alone", func(id string) string { return string(ingesttest.Report(id, 1)) }, 0, 1},
		{"a mail in a mail", func(id string) string {
			return "From: a@b.example\nContent-Type: message/rfc822\n\n" + mail(id, trusted)
		}, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pipeline := ingest.NewPipeline(ingesttest.Store(t), ingest.PipelineConfig{Authenticate: judge})
			result, err := ingest.Deliver(pipeline.Deliver).One(t.Context(), &ingest.Delivery{
				Source: "test", Body: strings.NewReader(tt.body(strings.ReplaceAll(tt.name, " ", "-"))), Mail: true,
			})
			if err != nil || result.Counted != tt.counted || result.Refused != tt.refused {
				t.Errorf("%d counted, %d refused, error %v, want %d and %d", result.Counted, result.Refused, err, tt.counted, tt.refused)
			}
		})
	}
}
