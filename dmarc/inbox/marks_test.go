package inbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// reopen closes marks and opens their file again.
func reopen(t *testing.T, m *Marks, path string) *Marks {
	t.Helper()
	if m != nil {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	m, err := OpenMarks(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func value(t *testing.T, m *Marks, source, key string) string {
	t.Helper()
	c, _, err := remembered{m}.Lookup(t.Context(), source, key)
	if err != nil {
		t.Fatal(err)
	}
	return c.Value
}

func keepOne(t *testing.T, m *Marks, source, key, value string) {
	t.Helper()
	if err := m.put(map[string]map[string]string{source: {key: ingest.Committed{Value: value}.Encode()}}); err != nil {
		t.Fatal(err)
	}
}

// TestMarksFile cuts the file of marks at every byte: what was whole stays.
func TestMarksFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "marks")
	m := reopen(t, nil, path)
	keepOne(t, m, "dir:/a", "one\n", "1")
	keepOne(t, m, "dir:/a", "two", "1")
	keepOne(t, m, "dir:/b", "one\n", "2")
	keepOne(t, m, "dir:/a", "two", "3")
	if err := (remembered{m}).Forget(t.Context(), "dir:/b", func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	m = reopen(t, m, path)
	if got := value(t, m, "dir:/a", "one\n") + value(t, m, "dir:/a", "two") + value(t, m, "dir:/b", "one\n"); got != "13" {
		t.Errorf("marks %q, want 1, 3 and none", got)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for end := range len(whole) {
		cut := filepath.Join(t.TempDir(), "cut")
		if err := os.WriteFile(cut, whole[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		m := reopen(t, nil, cut)
		if got := m.lines; got != bytes.Count(whole[:end], []byte("\n")) {
			t.Fatalf("cut at %d: %d lines", end, got)
		}
		keepOne(t, m, "x", "y", "z")
		m = reopen(t, m, cut)
		if value(t, m, "x", "y") != "z" {
			t.Fatalf("cut at %d: what was kept afterwards is gone", end)
		}
		_ = m.Close()
	}
	damaged := bytes.Replace(whole, []byte("{"), []byte("["), 1)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenMarks(path); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a damaged file: error %v, want one that names the line", err)
	}
}

// TestMarksCompact wants the file to stay small where inputs come and go.
func TestMarksCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "marks")
	m := reopen(t, nil, path)
	var all []mark
	for n := range 3000 {
		v := fmt.Sprint(n)
		all = append(all, mark{"mbox:/x", "offset", &v})
	}
	if err := m.keep(all); err != nil {
		t.Fatal(err)
	}
	m = reopen(t, m, path)
	keepOne(t, m, "mbox:/x", "other", "1")
	m = reopen(t, m, path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n != 2 || value(t, m, "mbox:/x", "offset") != "2999" || value(t, m, "mbox:/x", "other") != "1" {
		t.Errorf("%d lines: %s", n, text)
	}
}

// TestMarksFail wants nothing acknowledged that could not be remembered.
func TestMarksFail(t *testing.T) {
	m := reopen(t, nil, filepath.Join(t.TempDir(), "marks"))
	keepOne(t, m, "a", "b", "c")
	_ = m.file.Close()
	w := newWatch(func(_ context.Context, m *Message) error { return nil }, Options{Marks: m})
	if _, err := w.deliver(t.Context(), &ingest.Delivery{Source: "a", Key: "k", Mark: "v", Body: strings.NewReader("x")}); err == nil {
		t.Error("an input was acknowledged although its mark could not be kept")
	}
	if value(t, m, "a", "k") != "" {
		t.Error("a mark that was not kept is remembered")
	}
}

// TestOutcome tells apart whose fault an error is.
func TestOutcome(t *testing.T) {
	bad := &dmarc.Error{Reason: dmarc.ReasonSyntax, Offset: -1, Err: errors.New("bad")}
	network := errors.New("reset by peer")
	for _, test := range []struct {
		name      string
		body      func() *ingest.Delivery
		err       error
		class     ingest.Class
		input     bool // the error of the input
		notNow    bool
		unsettled bool
	}{
		{name: "done", body: text("x"), class: ingest.ClassCounted},
		{name: "refused", body: text("x"), err: fmt.Errorf("report: %w", bad), class: ingest.ClassRefused},
		{name: "the database is away", body: text("x"), err: errors.New("away"), notNow: true},
		{name: "cut, and so bad", body: broken(network), err: bad, input: true},
		{name: "cut, and done all the same", body: broken(network), input: true},
		{name: "bad while it is written", body: growing("x"), err: bad, unsettled: true},
	} {
		w := newWatch(func(_ context.Context, m *Message) error {
			if test.err != nil {
				_, _ = m.Body.Read(make([]byte, 10))
			}
			return test.err
		}, Options{})
		results, err := w.deliver(t.Context(), test.body())
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		r := results[0]
		var input *ingest.InputError
		if errors.As(r.Err, &input) != test.input || errors.Is(r.Err, ingest.ErrNotNow) != test.notNow || errors.Is(r.Err, ingest.ErrUnsettled) != test.unsettled {
			t.Errorf("%s: error %v", test.name, r.Err)
		}
		if r.Err == nil && r.Class() != test.class {
			t.Errorf("%s: class %s, want %s", test.name, r.Class(), test.class)
		}
	}
}

func text(s string) func() *ingest.Delivery {
	return func() *ingest.Delivery { return &ingest.Delivery{Source: "s", Body: strings.NewReader(s)} }
}

func growing(s string) func() *ingest.Delivery {
	return func() *ingest.Delivery {
		return &ingest.Delivery{Source: "s", Body: strings.NewReader(s), Unsettled: true}
	}
}

func broken(err error) func() *ingest.Delivery {
	return func() *ingest.Delivery { return &ingest.Delivery{Source: "s", Body: iotest.ErrReader(err)} }
}
