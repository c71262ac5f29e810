// Package parsetest has what the tests of the parsers of TLS reports and of
// failure reports prove in the same way.
package parsetest

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Parse reads a report of a kind.
type Parse[R any] func(io.Reader) (*R, error)

// Addrs compares addresses.
var Addrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// Read returns a file of testdata.
func Read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Reason returns why a report was refused, or "".
func Reason(err error) dmarc.Reason {
	if e, ok := errors.AsType[*dmarc.Error](err); ok {
		return e.Reason
	}
	return ""
}

// Codes returns the codes of warnings, each once, sorted.
func Codes(warnings []dmarc.Warning) []dmarc.Code {
	var list []dmarc.Code
	for _, w := range warnings {
		list = append(list, w.Code)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Documented holds that every warning has a row in docs/reports.md.
func Documented(t *testing.T, codes []dmarc.Code) {
	t.Helper()
	docs, err := os.ReadFile("../../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range codes {
		if !strings.Contains(string(docs), "| `"+string(code)+"` |") {
			t.Errorf("docs/reports.md has no row for %s", code)
		}
	}
}

// Refuses holds that a text is refused for a reason.
func (parse Parse[R]) Refuses(t *testing.T, name, in string, reason dmarc.Reason) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		r, err := parse(strings.NewReader(in))
		if r != nil || Reason(err) != reason {
			t.Errorf("Parse = %v, %v, want the reason %s", r, err, reason)
		}
	})
}

// Limit holds that least is the least bound of a parser within which in is read,
// and that a smaller one refuses it for a reason.
func Limit[R any](t *testing.T, name, in string, bounded func(n int64) Parse[R], least int64, reason dmarc.Reason) {
	t.Helper()
	for _, n := range []int64{least + 1, least} {
		if _, err := bounded(n)(strings.NewReader(in)); err != nil {
			t.Errorf("%s: bound %d: %v", name, n, err)
		}
	}
	r, err := bounded(least - 1)(strings.NewReader(in))
	if r != nil || Reason(err) != reason {
		t.Errorf("%s: bound %d: %v, want %s", name, least-1, err, reason)
	}
}

// ShortReads holds that a report is the same however the bytes arrive.
func (parse Parse[R]) ShortReads(t *testing.T, name, in string) {
	t.Helper()
	want, err := parse(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	for how, r := range map[string]io.Reader{
		"one byte":                  iotest.OneByteReader(strings.NewReader(in)),
		"data with the end of file": iotest.DataErrReader(strings.NewReader(in)),
	} {
		got, err := parse(r)
		if err != nil {
			t.Errorf("%s, %s: %v", name, how, err)
			continue
		}
		if diff := cmp.Diff(want, got, Addrs); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", name, how, diff)
		}
	}
}

// ReaderErrors holds that an error of the reader behind in, such as a wrong
// checksum, refuses the report.
func (parse Parse[R]) ReaderErrors(t *testing.T, in string) {
	t.Helper()
	for _, test := range []struct {
		err    error
		reason dmarc.Reason
	}{
		{&dmarc.Error{Reason: dmarc.ReasonCorrupt, Offset: -1, Err: errors.New("checksum")}, dmarc.ReasonCorrupt},
		{errors.New("cable cut"), dmarc.ReasonIO},
		{io.ErrUnexpectedEOF, dmarc.ReasonTruncated},
	} {
		r, err := parse(io.MultiReader(strings.NewReader(in), iotest.ErrReader(test.err)))
		if r != nil || Reason(err) != test.reason {
			t.Errorf("after %d bytes: %v, want %s", len(in), err, test.reason)
		}
		if test.reason != dmarc.ReasonTruncated && !errors.Is(err, test.err) {
			t.Errorf("after %d bytes: %v does not wrap %v", len(in), err, test.err)
		}
	}
}

// Fuzz holds that a report is either refused with a documented reason or within
// its bounds, and that reading is repeatable. check looks at a report and returns
// its warnings, which have codes. Seeds are the files of testdata that match.
func (parse Parse[R]) Fuzz(f *testing.F, pattern string, codes []dmarc.Code, check func(t *testing.T, r *R) []dmarc.Warning) {
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add([]byte(Read(f, filepath.Base(file))))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := parse(bytes.NewReader(in))
		if err != nil {
			if r != nil || !slices.Contains(dmarc.Reasons(), Reason(err)) {
				t.Fatalf("Parse = %v, %v", r, err)
			}
			return
		}
		warnings := check(t, r)
		if len(warnings) > dmarc.MaxWarnings {
			t.Errorf("%d warnings", len(warnings))
		}
		for _, w := range warnings {
			if !slices.Contains(codes, w.Code) {
				t.Errorf("warning %+v", w)
			}
			Text(t, 64, w.Value)
		}
		again, err := parse(bytes.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again, Addrs); diff != "" {
			t.Errorf("the second time (-first +second):\n%s", diff)
		}
	})
}

// Text holds that texts are valid and not longer than most bytes.
func Text(t *testing.T, most int, list ...string) {
	t.Helper()
	for _, s := range list {
		if !utf8.ValidString(s) || len(s) > most {
			t.Errorf("%q is too long or no UTF-8", s)
		}
	}
}

// Corpus hands the reports of other people to check, with a function for the
// columns of what the index wants, where they lie beside the repository.
func Corpus(t *testing.T, ours func(path, kind string) bool, check func(t *testing.T, f io.Reader, column func(name string) string)) {
	t.Helper()
	const root = "../../../shared/corpus"
	f, err := os.Open(filepath.Join(root, "INDEX.tsv"))
	if err != nil {
		t.Skip("no shared corpus")
	}
	defer f.Close()
	c := csv.NewReader(f)
	c.Comma, c.LazyQuotes = '\t', true
	rows, err := c.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range rows[1:] {
		column := func(name string) string { return row[slices.Index(rows[0], name)] }
		if !ours(column("path"), column("kind")) {
			continue
		}
		n++
		t.Run(column("path"), func(t *testing.T) {
			f, err := os.Open(filepath.Join(root, column("path")))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			check(t, f, column)
		})
	}
	if n == 0 {
		t.Error("the index names no report")
	}
}
