package unpack_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// TestLimits tests each limit at one below, at and one above the value that an
// input needs: only the first is refused.
func TestLimits(t *testing.T) {
	a := gz(report("A"))
	mail := mixed(attachment("application/gzip", a))
	zipA := zipped(file{"a.xml", report("A"), false})
	head, _, _ := bytes.Cut(mail, []byte("\r\n\r\n"))
	memory := func(n int) unpack.Limits { return unpack.Limits{Memory: int64(n)} }
	unpacked := func(n int) unpack.Limits { return unpack.Limits{Unpacked: int64(n)} }
	depth := func(n int) unpack.Limits { return unpack.Limits{Depth: n} }
	parts := func(n int) unpack.Limits { return unpack.Limits{Parts: n} }
	members := func(n int) unpack.Limits { return unpack.Limits{Members: n} }
	header := func(n int) unpack.Limits { return unpack.Limits{Header: n} }
	mbox := []byte("From x\n" + string(mail) + "\nFrom x\n" + string(mail))
	gzDeep := a
	for range 8 {
		gzDeep = gz(gzDeep)
	}
	mails := mail
	for range 3 {
		mails = mixed(attachment("message/rfc822", mails))
	}
	files := func(n int) (f []file) {
		for range n {
			f = append(f, file{"x", report("A"), false})
		}
		return f
	}
	for _, tc := range []struct {
		name  string
		limit func(int) unpack.Limits
		needs int
		input []byte
		docs  int
		want  dmarc.Reason
	}{
		{"memory, mail", memory, len(mail), mail, 1, dmarc.ReasonTooLarge},
		{"memory, zip", memory, len(zipA), zipA, 1, dmarc.ReasonTooLarge},
		{"memory, zip in gzip", memory, len(zipA), gz(zipA), 1, dmarc.ReasonTooLarge},
		{"memory, zip in zip", memory, len(zipA) + len(zipped(file{"z", zipA, false})), zipped(file{"z", zipA, false}), 1, dmarc.ReasonTooLarge},
		{"memory, mbox", memory, len(mail) + 1 /* the empty line behind */, mbox, 2, dmarc.ReasonTooLarge},
		{"memory, mail in mail", memory, len(mixed(attachment("message/rfc822", mail))) + len(mail), mixed(attachment("message/rfc822", mail)), 1, dmarc.ReasonTooLarge},
		{"unpacked, plain", unpacked, len(report("A")), report("A"), 1, dmarc.ReasonTooLarge},
		{"unpacked, gzip", unpacked, len(report("A")), a, 1, dmarc.ReasonTooLarge},
		{"unpacked, gzip in gzip", unpacked, len(report("A")) + len(a), gz(a), 1, dmarc.ReasonTooLarge},
		{"unpacked, zip", unpacked, len(report("A")), zipA, 1, dmarc.ReasonTooLarge},
		{"unpacked, attachment", unpacked, len(mail), mail, 1, dmarc.ReasonTooLarge},
		{"header", header, len(head) + 2, mail, 1, dmarc.ReasonTooLarge},
		{"depth, gzip", depth, 9, gzDeep, 1, dmarc.ReasonTooDeep},
		{"depth, mail, multipart, gzip", depth, 3, mail, 1, dmarc.ReasonTooDeep},
		{"depth, multipart", depth, 4, []byte(mailHeader + multipart("multipart/mixed", "a", multipart("multipart/mixed", "b", multipart("multipart/mixed", "c", "\r\n"+string(report("A")))))), 1, dmarc.ReasonTooDeep},
		{"depth, mails", depth, 9, mails, 1, dmarc.ReasonTooDeep},
		{"depth, mbox", depth, 4, mbox, 2, dmarc.ReasonTooDeep},
		{"parts", parts, 4, mixed(textPart, textPart, attachment("application/gzip", a)), 1, dmarc.ReasonTooMany},
		{"parts, mail in mail", parts, 4, mixed(attachment("message/rfc822", mail)), 1, dmarc.ReasonTooMany},
		{"members, zip", members, 5, zipped(files(5)...), 5, dmarc.ReasonTooMany},
		{"members, tar", members, 5, tarred(files(5)...), 5, dmarc.ReasonTooMany},
		{"members, zip without directory", members, 5, dropDirectory(zipped(files(5)...)), 5, dmarc.ReasonTooMany},
		{"attachments", members, 2, mixed(attachment("application/gzip", a), textPart, attachment("application/gzip", a)), 2, dmarc.ReasonTooMany},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, limit := range []int{tc.needs, tc.needs + 1} {
				got := walkAll(bytes.NewReader(tc.input), tc.limit(limit))
				if got.err != nil || len(got.refused) > 0 || got.kinds[unpack.KindAggregate] != tc.docs {
					t.Errorf("limit %d: got %+v, want %d documents", limit, got, tc.docs)
				}
			}
			got := walkAll(bytes.NewReader(tc.input), tc.limit(tc.needs-1))
			if len(got.refused) == 0 || got.refused[0] != tc.want {
				t.Errorf("limit %d: got %+v, want %s", tc.needs-1, got, tc.want)
			}
		})
	}
}

// TestRatio finds that an input may expand to exactly Ratio times its size.
func TestRatio(t *testing.T) {
	const ratio = 4
	// An incompressible file of n bytes, padded with junk to n/ratio bytes and one more or less.
	var noise []byte
	for i := range 2 << 20 {
		noise = append(noise, "<feedback>"[i%10])
	}
	z := gz(noise)
	for _, tc := range []struct {
		pad  int
		want string
	}{{-1, "ratio"}, {0, ""}, {1, ""}} {
		junk := bytes.Repeat([]byte{'\n'}, len(noise)/ratio-len(z)+tc.pad)
		// The whole input must be known before anything is unpacked, as it is in a mail.
		var names []string
		err := unpack.Walk(bytes.NewReader(zipWithComment(z, junk)), unpack.Limits{Ratio: ratio}, func(d *unpack.Document) error {
			_, err := io.Copy(io.Discard, d.Reader)
			names = append(names, reasonOrNone(err))
			return nil
		})
		if err != nil || len(names) != 1 || names[0] != tc.want {
			t.Errorf("padding %+d: got %q, error %v, want %q", tc.pad, names, err, tc.want)
		}
	}
}

// zipWithComment makes a mail of len(z)+len(junk) bytes that holds z.
func zipWithComment(z, junk []byte) []byte {
	head := "From: a@x.example\nContent-Transfer-Encoding: binary\n\n"
	mail := append([]byte(head), z...)
	return append(mail, junk[:len(junk)-len(head)]...)
}

func reasonOrNone(err error) string {
	if err == nil {
		return ""
	}
	return reason(err)
}

// TestBombs walks inputs that expand a thousand times.
func TestBombs(t *testing.T) {
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	_, _ = io.WriteString(z, "<feedback>")
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	for range 8 {
		_, _ = z.Write(chunk)
	}
	_ = z.Close()
	deep := bomb.Bytes()
	for name, input := range map[string][]byte{
		"gzip":           bomb.Bytes(),
		"gzip in gzip":   gz(deep),
		"gzip in a mail": mixed(attachment("application/gzip", deep)),
		"gzip in a zip":  zipped(file{"x", deep, false}),
		"many in a zip":  zipped(file{"x", deep, true}, file{"y", deep, true}, file{"z", deep, true}),
	} {
		got := walkAll(bytes.NewReader(input), unpack.Limits{})
		if len(got.kinds) > 0 || len(got.refused) == 0 || got.refused[0] != dmarc.ReasonRatio {
			t.Errorf("%s: got %+v, want %s", name, got, dmarc.ReasonRatio)
		}
		if limit := int64(1<<20 + 200*len(input)); got.bytes > limit {
			t.Errorf("%s: %d bytes were given out of %d allowed", name, got.bytes, limit)
		}
	}
}

func TestReaderFails(t *testing.T) {
	broken := errors.New("connection reset")
	for name, input := range map[string][]byte{
		"nothing": nil, "xml": report("A"), "gzip": gz(report("A")), "mail": mixed(attachment("application/gzip", gz(report("A")))),
		"zip": zipped(file{"a", report("A"), false}), "mbox": []byte("From x\n" + mailHeader + "\n"),
	} {
		r := io.MultiReader(bytes.NewReader(input), iotest.ErrReader(broken))
		got := walkAll(r, unpack.Limits{})
		if !errors.Is(got.err, broken) || reason(got.err) != string(dmarc.ReasonIO) || len(got.kinds) > 0 {
			t.Errorf("%s: got %+v, want no document and an error that wraps %q", name, got, broken)
		}
	}
	if got := walkAll(stuck{}, unpack.Limits{}); reason(got.err) != string(dmarc.ReasonIO) {
		t.Errorf("reader that never gets on: got %+v", got)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestVisitStopsTheWalk(t *testing.T) {
	stop := errors.New("stop")
	for name, input := range map[string][]byte{
		"zip":     zipped(file{"a", report("A"), false}, file{"b", report("B"), false}),
		"mail":    mixed(attachment("application/gzip", gz(report("A"))), attachment("application/gzip", gz(report("B")))),
		"refused": zipped(file{"a", []byte("BZh9"), false}, file{"b", report("B"), false}),
	} {
		n := 0
		err := unpack.Walk(bytes.NewReader(input), unpack.Limits{}, func(*unpack.Document) error { n++; return stop })
		if !errors.Is(err, stop) || n != 1 {
			t.Errorf("%s: %d visits, error %v; want 1 and %v", name, n, err, stop)
		}
	}
}

// TestWalkerIsReused gives one Walker inputs of all kinds, twice, and visits
// that do not read what they get.
func TestWalkerIsReused(t *testing.T) {
	w := unpack.NewWalker(unpack.Limits{})
	inputs := [][]byte{
		report("A"), gz(report("A")), mixed(attachment("application/gzip", gz(report("A")))),
		zipped(file{"a", report("A"), false}), gz(report("A"))[:30], []byte("unused"),
		[]byte("From x\n" + string(mixed(attachment("application/zip", zipped(file{"a", report("A"), false}))))),
	}
	want := []string{"1 <nil>", "1 <nil>", "1 <nil>", "1 <nil>", "1 <nil>", "0 not_a_report: neither a report nor a container of one", "1 <nil>"}
	for round := range 2 {
		for i, input := range inputs {
			n := 0
			err := w.Walk(bytes.NewReader(input), func(d *unpack.Document) error {
				n++
				if round == 0 && d.Err == nil {
					_, _ = io.Copy(io.Discard, d.Reader)
				}
				return nil
			})
			if got := fmt.Sprint(n, " ", err); got != want[i] {
				t.Errorf("round %d, input %d: got %q, want %q", round, i, got, want[i])
			}
		}
	}
}

func TestWarningsAreBounded(t *testing.T) {
	var files []file
	for i := range 150 {
		files = append(files, file{strings.Repeat("x\x00\xff", 50) + fmt.Sprint(i), []byte("no report"), false})
	}
	files = append(files, file{"a", cat(gz(report("A")), []byte("\r\n")), false})
	err := unpack.Walk(bytes.NewReader(zipped(files...)), unpack.Limits{Members: 200}, func(d *unpack.Document) error {
		_, _ = io.Copy(io.Discard, d.Reader)
		if len(d.Warnings) != dmarc.MaxWarnings || d.Warnings[dmarc.MaxWarnings-1].Code != unpack.CodeGzipTrailingJunk || d.WarningsDropped != 151-dmarc.MaxWarnings {
			t.Errorf("%d warnings, %d dropped", len(d.Warnings), d.WarningsDropped)
		}
		for _, w := range d.Warnings {
			if len(w.Value) > 64 || !utf8.ValidString(w.Value) || strings.Contains(w.Value, "\x00") {
				t.Errorf("value %q", w.Value)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
