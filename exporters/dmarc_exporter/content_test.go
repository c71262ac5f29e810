package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
)

// content writes a file piece by piece: the race detector touches several times
// the memory of a buffer that holds all of it. The writer keeps its first error.
type content func(w *bufio.Writer)

// writeFile writes content to a file.
func writeFile(t testing.TB, path string, c content) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := c.to(f); err != nil {
		t.Fatal(err)
	}
}

func (c content) to(w io.Writer) error {
	b := bufio.NewWriterSize(w, 48<<10) // a multiple of three, for base64
	c(b)
	return b.Flush()
}

func (c content) bytes() []byte {
	var b bytes.Buffer
	_ = c.to(&b) // never fails
	return b.Bytes()
}

func text(s string) content {
	return func(w *bufio.Writer) { _, _ = w.WriteString(s) }
}

// repeated repeats a text up to a size.
func repeated(s string, size int) content {
	return func(w *bufio.Writer) {
		piece := strings.Repeat(s, 1+4096/len(s))
		for left := size; left > 0; left -= len(piece) {
			_, _ = w.WriteString(piece[:min(left, len(piece))])
		}
	}
}

func joined(all ...content) content {
	return func(w *bufio.Writer) {
		for _, c := range all {
			c(w)
		}
	}
}

// noise is what cannot be packed.
func noise(size int) content {
	return func(w *bufio.Writer) {
		_, _ = io.CopyN(w, rand.NewChaCha8([32]byte{}), int64(size))
	}
}

func gzipped(c content) content {
	return func(w *bufio.Writer) {
		packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // The level is one.
		_ = c.to(packed)
		_ = packed.Close()
	}
}

func mailed(c content) content { return mailedIn(base64.StdEncoding, c) }

func mailedIn(alphabet *base64.Encoding, c content) content {
	return func(w *bufio.Writer) {
		_, _ = w.WriteString("From: a@b.example\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n")
		_ = c.to(base64Lines{w, alphabet})
	}
}

// base64Lines writes what it is given as long lines.
type base64Lines struct {
	w        *bufio.Writer
	alphabet *base64.Encoding
}

func (l base64Lines) Write(p []byte) (int, error) {
	for chunk := range slices.Chunk(p, 48<<10) {
		_, _ = l.w.WriteString(l.alphabet.EncodeToString(chunk) + "\r\n")
	}
	return len(p), nil
}

func quoted(c content) content {
	return joined(text("From: a@b.example\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"), c)
}

// uuencoded is a mail with lines that claim to hold 45 bytes each.
func uuencoded(lines int) content {
	return joined(text("From: a@b.example\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a.xml\r\n"+
		"*/&9E961B86-K/@  \n"), // <feedback>
		repeated("M\n", 2*lines))
}

func zipped(members int) content {
	return func(w *bufio.Writer) {
		z := zip.NewWriter(w)
		for i := range members {
			_, _ = z.Create(fmt.Sprintf("%d.xml", i))
		}
		_ = z.Close()
	}
}

// hostile are files that ask for too much.
func hostile() map[string]content {
	one := string(ingesttest.Report("x", 1))
	head, record, _ := strings.Cut(one, "<record>")
	record, foot, _ := strings.Cut(record, "</record>")
	record = "<record>" + record + "</record>"
	records := func(size int) content { return joined(text(head), repeated(record, size)) }
	many := joined(records(20_000*len(record)), text(foot))
	bomb := gzipped(repeated("\x00", 8<<20))
	largeMail := mailed(joined(many, records(6<<20)))
	mail := "From a@b.example Tue Nov 24 00:00:00 2026\nFrom: a@b.example\n\n" + one + "\n\n"
	return map[string]content{
		"many-records.xml":    many,
		"many-records.xml.gz": gzipped(many),
		"many-records.eml":    mailed(gzipped(many)),
		"bomb.gz":             bomb,
		"bomb.gz.gz":          gzipped(bomb),
		"bomb.eml":            mailed(bomb),
		"noise.eml":           mailed(noise(16 << 20)),
		"large-1.eml.gz":      gzipped(largeMail),
		"large-2.eml.gz":      gzipped(largeMail),
		"url-alphabet.eml":    mailedIn(base64.URLEncoding, joined(text(head+"<!-- ??? ~~~ -->\n"), repeated(record, 17<<20))),
		"quoted.eml":          quoted(joined(many, many, records(1<<20))),
		"equals.eml":          quoted(repeated("=", 23<<20)),
		"uuencoded.eml":       uuencoded(11 << 20),
		"noise.bin":           noise(2 << 20),
		"text.eml":            mailed(joined(many, records(5<<20))),
		"many-domains.xml":    joined(text(head), manyDomains(record, 8_000), text(foot)),
		"long-value.xml":      text(strings.Replace(one, "Example Mail Corp", strings.Repeat("E", 6<<20), 1)),
		"warnings.xml":        joined(text(head), repeated(strings.Replace(record, "<count>1", "<count>x", 1), 8_000*len(record)), text(foot)),
		"deep.xml":            repeated("<feedback>", 1<<16*len("<feedback>")),
		"many-members.zip":    zipped(2_000),
		"mbox":                repeated(mail, 4_000*len(mail)),
	}
}

func manyDomains(record string, n int) content {
	return func(w *bufio.Writer) {
		for i := range n {
			_, _ = w.WriteString(strings.Replace(record, "<header_from>example.com", fmt.Sprintf("<header_from>h%d.example", i), 1))
		}
	}
}
