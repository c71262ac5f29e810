package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// FuzzTexts brings what untrusted input may hold into SQL and out again: all of
// it comes back, but for what no database takes, and the state is whole.
func FuzzTexts(f *testing.F) {
	for _, text := range []string{"mail.example", "'); DROP TABLE reports; --", `{"a":"\u0000"}`, "\x00\xff\xfe", "%s?1:x@y$z", strings.Repeat("ü", 3000), "\u2028\u202e"} {
		f.Add(text)
	}
	file := File{Path: filepath.Join(f.TempDir(), "state.db")}
	// Each process of the fuzzer has one store, and each round a second of its own.
	s, err := store.Open(context.Background(), file, store.Config{Counts: tally.Config{
		Horizon: 1 << 62, Now: func() time.Time { return storetest.Now },
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	rounds := 0
	f.Fuzz(func(t *testing.T, text string) {
		rounds++
		e := storetest.Unique(rounds)
		e.Org, e.Email, e.ReportID = text, text, fmt.Sprint(text, rounds)
		e.Begin = storetest.Now.Add(-time.Duration(rounds) * time.Second)
		e.End = e.Begin
		reader := &tally.Reader{}
		draft := store.NewDraft(reader, store.DraftConfig{})
		record := &dmarc.Record{
			Source: text, Count: 10, HeaderFrom: text, EnvelopeFrom: text, EnvelopeTo: text, RawDKIM: text,
			Reasons: []dmarc.OverrideReason{{Type: text, Comment: text}}, AuthDKIM: []dmarc.DKIMAuth{{Domain: text, Selector: text, HumanResult: text}},
		}
		report := &dmarc.Report{Version: text, Metadata: dmarc.Metadata{Errors: []string{text}, Generator: text}, Policy: dmarc.Policy{Fo: text}}
		reader.Record(report, record)
		reader.Report(report)
		details, err := draft.Take()
		if err != nil {
			t.Fatal(err)
		}
		defer details.Close()
		d := &store.Delivery{Source: text, Key: text, Mark: text, Entries: []*tally.Entry{e}, Details: []*store.Details{details}}
		d.Refused = []store.Refusal{{Reason: dmarc.ReasonSyntax, Input: text, Message: text, From: text, Subject: text, MessageID: text}}
		storetest.Commit(t, s, d)
		if mark, ok := storetest.Mark(t, s, text, text); text != "" && (mark != text || !ok) {
			t.Fatalf("mark %q, want %q", mark, text)
		}
		want := text
		if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			want = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
		}
		v, err := file.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		found := 0
		err = store.Export(t.Context(), v, store.Filter{Since: e.End, Until: e.End.Add(time.Second)}, func(line reportjson.Line) error {
			found++
			r, _ := line.(*reportjson.Record)
			for i, got := range []string{r.Path, r.Org, r.Email, r.HeaderFrom, r.EnvelopeFrom, r.EnvelopeTo, r.SourceIP, r.RawDKIM, r.Version, r.Generator, r.Policy.Fo} {
				if got != want {
					t.Errorf("text %d is %q, want %q", i, got, want)
				}
			}
			for i, got := range []string{r.Reasons[0].Type, r.Reasons[0].Comment, r.AuthDKIM[0].Domain, r.AuthDKIM[0].Selector, r.AuthDKIM[0].HumanResult, r.Errors[0]} {
				if got != want {
					t.Errorf("text %d in JSON is %q, want %q", i, got, want)
				}
			}
			return nil
		})
		if err != nil || found != 1 {
			t.Fatalf("%d lines, %v", found, err)
		}
	})
}
