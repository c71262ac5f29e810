package unpack_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// TestSequences puts documents behind each other.
func TestSequences(t *testing.T) {
	a, b, tls := bytes.TrimSpace(report("A")), bytes.TrimSpace(report("B")), []byte(tlsReport)
	prefixed := bytes.ReplaceAll(bytes.ReplaceAll(a, []byte("<feedback>"), []byte("<d:feedback>")), []byte("</feedback>"), []byte("</d:feedback>"))
	spaced, footer, comment := cat(a, []byte("\r\n \n")), cat(a, []byte("-- \nfooter {")), cat(a, []byte("<!-- feedback>-->"))
	lines := cat(tls, []byte("\n"))
	html := cat(a, []byte(`<?xml version="1.0"?><html>feedback></html>`))
	var many []byte
	for range 1002 {
		many = append(many, lines...)
	}
	damagedCRC := gz(cat(a, b))
	damagedCRC[len(damagedCRC)-8] ^= 1
	runQuirks(t, []quirk{
		{"documents-in-a-row", cat(gz(a), gz(b)), "aggregate A\naggregate B"},
		{"in one gzip", gz(cat(spaced, b)), "aggregate A\naggregate B"},
		{"in an attachment", mixed(attachment("text/xml", cat(a, b, a))), "aggregate A\naggregate B\naggregate A"},
		{"with a prefix", cat(prefixed, b), "aggregate D\naggregate B"},
		{"JSON lines", cat(lines, lines, tls), "tls T\ntls T\ntls T"},
		{"JSON text sequence", cat([]byte("\x1e"), tls), "error not_a_report"},
		{"JSON with braces in strings", []byte(`{"report-id": "}{\"}", "x": [{}]}{"report-id": 2}`), "tls S\ntls 2"},
		{"footer", footer, "aggregate F"},
		{"comment", comment, "aggregate C"},
		{"markup that is no report", html, "aggregate H"},
		{"JSON that is no report", cat(tls, []byte(`{"x": 1}`)), "tls X"},
		{"wrong checksum behind both", damagedCRC, "aggregate A\naggregate fails corrupt"},
	}, map[string][]byte{
		"A": a, "B": b, "D": prefixed,
		"S": []byte(`{"report-id": "}{\"}", "x": [{}]}`), "2": []byte(`{"report-id": 2}`),
		"F": footer, "C": comment, "H": html, "X": cat(tls, []byte(`{"x": 1}`)),
	})
	if got := transcript(t, bytes.NewReader(cat(a, bytes.Repeat([]byte("\n"), 70000), b)), unpack.Limits{}, map[string][]byte{"B": b}); !strings.HasSuffix(got, "\naggregate B") {
		t.Errorf("much white space: got %s", got)
	}
	got := transcript(t, bytes.NewReader(many), unpack.Limits{}, documents)
	if !strings.HasSuffix(got, "\nrefused too_many") || strings.Count(got, "\n") != 1001 {
		t.Errorf("1002 documents in a row: got %d lines that end in %.40q", strings.Count(got, "\n"), got[len(got)-40:])
	}
}

// TestSequenceBehindDamage stops reading a document before its end: the next one is
// given out all the same.
func TestSequenceBehindDamage(t *testing.T) {
	seen, want := 0, errors.New("enough")
	err := unpack.Walk(bytes.NewReader(cat(report("A"), report("B"), report("C"))), unpack.Limits{}, func(d *unpack.Document) error {
		if seen++; seen == 3 {
			return want
		}
		_, err := io.ReadFull(d.Reader, make([]byte, 5))
		return err
	})
	if seen != 3 || !errors.Is(err, want) {
		t.Errorf("got %d documents, %v, want 3, %v", seen, err, want)
	}
}
