package ingest_test

import (
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
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
