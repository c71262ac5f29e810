package unpack_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// seeds are inputs of every format.
func seeds() [][]byte {
	a := gz(report("A"))
	gzPart := attachment("application/gzip", a)
	feedback := entity("Content-Type: message/feedback-report", feedbackReport)
	return [][]byte{
		report("A"), []byte(tlsReport), utf16le(report("A")), a, gz(a), cat(a, []byte("\r\n")), cat(a, gz(nil)), a[:len(a)-8],
		zlibbed(report("A")), zipped(file{"a.xml", report("A"), false}, file{"b/", nil, true}, file{"c.gz", a, true}),
		dropDirectory(zipped(file{"a.xml", report("A"), true}, file{"b.xml", report("B"), false})),
		tarred(file{"a.xml", report("A"), false}, file{"b", a, false}),
		mixed(gzPart), mixed(entity("Content-Type: message/rfc822", string(mixed(gzPart))), attachment("message/rfc822", mixed(gzPart))),
		mixed(entity("Content-Type: text/xml\r\nContent-Transfer-Encoding: quoted-printable", quoted(report("A")))),
		[]byte(mailHeader + multipart("multipart/report; report-type=feedback-report", "f", textPart, feedback, entity("Content-Type: message/rfc822", string(mixed(gzPart))))),
		[]byte("From x 00:00:00\n" + string(mixed(gzPart)) + "\n\nFrom x\n" + mailHeader + "\n>From y\n"),
	}
}

func FuzzWalk(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	limits := unpack.Limits{Memory: 1 << 20, Unpacked: 1 << 20, Header: 1 << 12, Depth: 6, Parts: 50, Members: 10}
	w := unpack.NewWalker(limits)
	f.Fuzz(func(t *testing.T, b []byte) {
		first := record(t, w, bytes.NewReader(b), limits)
		if !w.Balanced() {
			t.Fatal("the walker is not as it was before")
		}
		if second := record(t, w, iotest.OneByteReader(bytes.NewReader(b)), limits); first != second {
			t.Errorf("by slice:\n%s\nby bytes:\n%s", first, second)
		}
	})
}

// record checks the promises of Walk and returns what came out.
func record(t *testing.T, w *unpack.Walker, r io.Reader, limits unpack.Limits) string {
	var out strings.Builder
	visits := 0
	err := w.Walk(r, func(d *unpack.Document) error {
		visits++
		if !printable(d.Name) || len(d.Name) > 512 {
			t.Errorf("name %q", d.Name)
		}
		out.WriteString(d.Name + " " + string(d.Kind))
		defer func() {
			for _, w := range d.Warnings {
				out.WriteString(" !" + string(w.Code) + " " + w.Value)
				if !slices.Contains(unpack.Codes(), w.Code) || !printable(w.Value) || len(w.Value) > 64 {
					t.Errorf("warning %+v", w)
				}
			}
			out.WriteString("\n")
		}()
		if d.Err != nil {
			checkError(t, d.Err)
			if d.Kind != unpack.KindUnknown || d.Reader != nil || reason(d.Err) == string(dmarc.ReasonNotAReport) {
				t.Errorf("%q with error %v", d.Kind, d.Err)
			}
			out.WriteString(reason(d.Err))
			return nil
		}
		b, err := io.ReadAll(d.Reader)
		if int64(len(b)) > limits.Unpacked {
			t.Errorf("%d bytes unpacked", len(b))
		}
		if d.Kind == unpack.KindFailure && (d.Mail == nil || !bytes.Equal(b, d.Mail.Raw)) {
			t.Error("a failure report is not its mail")
		}
		if err != nil {
			checkError(t, err)
			out.WriteString(" " + reason(err))
			return nil
		}
		if n, again := d.Reader.Read(make([]byte, 1)); n != 0 || !errors.Is(again, io.EOF) {
			t.Errorf("behind the end: %d bytes, error %v", n, again)
		}
		out.Write(b)
		return nil
	})
	if (err == nil) != (visits > 0) {
		t.Errorf("%d visits, error %v", visits, err)
	}
	if err != nil {
		checkError(t, err)
		out.WriteString(reason(err))
	}
	return out.String()
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != utf8.RuneError }) < 0
}

func checkError(t *testing.T, err error) {
	var e *dmarc.Error
	if !errors.As(err, &e) || !slices.Contains(dmarc.Reasons(), e.Reason) || e.Err == nil {
		t.Errorf("error %v (%T)", err, err)
	}
}

// FuzzBase64 compares the decoder with the one of the standard library where
// that accepts the input, and with itself where white space is put in.
func FuzzBase64(f *testing.F) {
	for _, s := range []string{"", "QQ==", "QUJD\r\nQUJD\r\n", "QUI", "QUI=QUI=", "!!!!", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w!cXJz"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, junk := unpack.Base64(b)
		if len(got) > len(b)*3/4+1 {
			t.Errorf("%d bytes from %d", len(got), len(b))
		}
		want, err := base64.StdEncoding.DecodeString(string(b))
		if err == nil && !bytes.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if err == nil && junk != nil {
			t.Errorf("junk %q in valid base64", junk)
		}
		if again, _ := unpack.Base64([]byte(b64(got))); !bytes.Equal(again, got) {
			t.Errorf("encoded and decoded: got %q, want %q", again, got)
		}
	})
}

// TestCutNowhereShortens cuts inputs at every byte: what ends with io.EOF is whole.
func TestCutNowhereShortens(t *testing.T) {
	w := unpack.NewWalker(unpack.Limits{})
	a, b := file{"a.xml", report("A"), false}, file{"b.xml", report("B"), false}
	for name, input := range map[string][]byte{
		"gzip": gz(report("A")), "gzip in gzip": gz(gz(report("A"))), "zlib": zlibbed(report("A")),
		"zip": zipped(a, b), "stored zip": zipped(file{"a", report("A"), true}, file{"b", report("B"), true}),
		"tar.gz": gz(tarred(a, b)), "tar": tarred(a, b), "zip in zip": zipped(file{"z", zipped(a), true}),
		"mail": mixed(attachment("application/gzip", gz(report("A")))), "mail in gzip": gz(mixed(attachment("application/zip", zipped(b)))),
		"mail in mail": mixed(attachment("message/rfc822", mixed(attachment("application/zip", zipped(a, b))))),
	} {
		for cut := 0; cut < len(input); cut += 1 + cut%3 {
			err := w.Walk(bytes.NewReader(input[:cut]), func(d *unpack.Document) error {
				if d.Err != nil {
					return nil
				}
				if got, err := io.ReadAll(d.Reader); err == nil && nameOf(got, documents) == "" {
					t.Errorf("%s cut at %d gives %d bytes without an error: %.60q", name, cut, len(got), got)
				}
				return nil
			})
			if err != nil {
				checkError(t, err)
			}
		}
	}
}

// TestDamageNowhereLies changes every byte: what ends with io.EOF has passed a checksum.
func TestDamageNowhereLies(t *testing.T) {
	w := unpack.NewWalker(unpack.Limits{})
	for name, input := range map[string][]byte{"gzip": gz(report("A")), "zip": zipped(file{"a", report("A"), false}), "stored zip": zipped(file{"a", report("A"), true}), "zlib": zlibbed(report("A"))} {
		for at := range input {
			for _, flip := range []byte{0x01, 0x80} {
				damaged := bytes.Clone(input)
				damaged[at] ^= flip
				_ = w.Walk(bytes.NewReader(damaged), func(d *unpack.Document) error {
					if d.Err != nil {
						return nil
					}
					if got, err := io.ReadAll(d.Reader); err == nil && nameOf(got, documents) == "" {
						t.Errorf("%s damaged at %d: %d bytes without an error: %.60q", name, at, len(got), got)
					}
					return nil
				})
			}
		}
	}
}

// TestCorpusInPieces feeds the shared corpus byte by byte.
func TestCorpusInPieces(t *testing.T) {
	dir, rows := readCorpus(t)
	limits := unpack.Limits{}
	w := unpack.NewWalker(limits)
	for _, row := range rows {
		b, err := os.ReadFile(filepath.Join(dir, row.path))
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 1<<16 {
			continue
		}
		whole := record(t, w, bytes.NewReader(b), unpack.Limits{Unpacked: 1 << 30})
		if pieces := record(t, w, iotest.OneByteReader(bytes.NewReader(b)), unpack.Limits{Unpacked: 1 << 30}); whole != pieces {
			t.Errorf("%s: %d bytes of transcript whole, %d in pieces", row.path, len(whole), len(pieces))
		}
	}
}
