package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestRefusals describes what was refused by the mail that carried it.
func TestRefusals(t *testing.T) {
	s := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(s, ingest.PipelineConfig{})
	const head = "From: =?utf-8?q?J=C3=BCrgen?= <j@mail.example>\r\nSubject: Holiday\r\nMessage-ID: <1@mail.example>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n"
	for name, body := range map[string]string{
		"a note":         head + "\r\nSubject: not this one\r\n",
		"half a report":  head + "Content-Type: text/xml\r\n\r\n" + string(ingesttest.Report("cut", 1)[:300]) + "\r\n",
		"no mail at all": "just a text\n",
	} {
		if _, err := pipeline.Deliver(t.Context(), &ingest.Delivery{Source: "dir:a", Name: name, Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := s.SQL().QueryContext(t.Context(), `SELECT input, reason, coalesce(mail_from, ''), coalesce(mail_subject, ''), coalesce(mail_message_id, ''),
		coalesce(mail_date, ''), message FROM dmarc_refusals`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := 0
	for rows.Next() {
		var input, reason, from, subject, id, date, message string
		if err := rows.Scan(&input, &reason, &from, &subject, &id, &date, &message); err != nil {
			t.Fatal(err)
		}
		seen++
		got := strings.Join([]string{from, subject, id, date}, "|")
		want := "Jürgen <j@mail.example>|Holiday|<1@mail.example>|2026-11-23 09:00:00"
		if strings.HasPrefix(input, "no mail") {
			want = "|||"
		}
		if got != want || reason == "" || message == "" {
			t.Errorf("%s (%s, %s): mail %s, want %s", input, reason, message, got, want)
		}
	}
	if err := rows.Err(); err != nil || seen != 3 {
		t.Errorf("%d refusals, want 3; %v", seen, err)
	}
}

// countingStore counts the transactions of a store.
type countingStore struct {
	*store.Store
	transactions atomic.Int64
}

func (s *countingStore) CommitAll(ctx context.Context, deliveries ...*store.Delivery) ([][]tally.Result, error) {
	s.transactions.Add(1)
	return s.Store.CommitAll(ctx, deliveries...)
}

// TestTogether records inputs in one transaction, but for those that cannot be
// read and those that must not be recorded without them.
func TestTogether(t *testing.T) {
	for _, inOrder := range []bool{false, true} {
		s := &countingStore{Store: ingesttest.Store(t)}
		pipeline := ingest.NewPipeline(s, ingest.PipelineConfig{})
		var deliveries []*ingest.Delivery
		for i := range 6 {
			d := &ingest.Delivery{Source: "dir:a", Key: fmt.Sprint(i), Mark: "m", InOrder: inOrder, Body: bytes.NewReader(ingesttest.Report(fmt.Sprint("r", i), 1))}
			switch i {
			case 1:
				d.Body = strings.NewReader("no report")
			case 3:
				d.Body = iotest.ErrReader(errors.New("a bad disk"))
			}
			deliveries = append(deliveries, d)
		}
		results, err := pipeline.Deliver(t.Context(), deliveries...)
		if err != nil {
			t.Fatal(err)
		}
		want, classes := 4, []ingest.Class{ingest.ClassCounted, ingest.ClassRefused, ingest.ClassCounted}
		if inOrder {
			want = 2
		}
		for i, class := range classes {
			if got := results[i].Class(); got != class || results[i].Err != nil {
				t.Errorf("input %d is %s, %v, want %s", i, got, results[i].Err, class)
			}
		}
		var input *ingest.InputError
		if !errors.As(results[3].Err, &input) || errors.Is(results[4].Err, ingest.ErrBehind) != inOrder {
			t.Errorf("errors %v and %v", results[3].Err, results[4].Err)
		}
		if got := ingesttest.Sum(s.Store, tally.Messages); got != int64(want) {
			t.Errorf("%d messages, want %d", got, want)
		}
		if got := s.transactions.Load(); got != 1 {
			t.Errorf("%d transactions, want 1", got)
		}
	}
}

// TestBacklog takes few transactions for many files, and for many mails of an mbox.
func TestBacklog(t *testing.T) {
	const inputs, most = 600, 20
	dir := t.TempDir()
	mbox := filepath.Join(dir, "mbox")
	var mails bytes.Buffer
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range inputs {
		write(t, filepath.Join(dir, "in", fmt.Sprint(i)), ingesttest.Report(fmt.Sprint("f", i), 1))
		fmt.Fprintf(&mails, "From x Tue Nov 24 00:00:00 2026\n%s\n\n", bytes.ReplaceAll(mail(ingesttest.Report(fmt.Sprint("m", i), 1)), []byte("\r"), nil))
	}
	write(t, mbox, mails.Bytes())
	for name, source := range map[string]func(ingest.FileConfig) (ingest.Source, error){
		"directory": func(c ingest.FileConfig) (ingest.Source, error) {
			return ingest.NewDir(filepath.Join(dir, "in"), c), nil
		},
		"mbox": func(c ingest.FileConfig) (ingest.Source, error) { return ingest.NewMbox(mbox, c) },
	} {
		s := &countingStore{Store: ingesttest.Store(t)}
		pipeline := ingest.NewPipeline(s, ingest.PipelineConfig{})
		c := quick(pipeline)
		c.Patience = time.Nanosecond
		one, err := source(c)
		if err != nil {
			t.Fatal(err)
		}
		stop := runUntilStopped(t, &ingest.Supervisor{}, pipeline, one)
		realtest.Eventually(t, "all counted", func() bool { return ingesttest.Sum(s.Store, tally.Messages) == inputs })
		stop()
		if got := s.transactions.Load(); got > most {
			t.Errorf("%s: %d transactions for %d inputs, want at most %d", name, got, inputs, most)
		}
	}
}
