package dmarc

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
)

// style is how a reporter writes XML.
type style struct {
	indent  bool // pretty-printed, as most do
	rfc9990 bool
}

var (
	prettyStyle  = style{indent: true}
	compactStyle = style{rfc9990: true}
)

// largeReport writes a report with n records as an honest reporter would see
// them: a few own senders, forwarders, and spoofers who come once.
func largeReport(n int, s style) []byte {
	w := &reportWriter{style: s, rand: rand.New(rand.NewPCG(7, uint64(n)))}
	w.header()
	for range n {
		w.record()
	}
	w.depth = 0
	w.line("</feedback>")
	return w.Bytes()
}

type reportWriter struct {
	bytes.Buffer
	style
	rand  *rand.Rand
	depth int
}

func (w *reportWriter) line(format string, args ...any) {
	if w.indent {
		for range w.depth {
			w.WriteString("  ")
		}
	}
	fmt.Fprintf(w, format, args...)
	if w.indent {
		w.WriteByte('\n')
	}
}

func (w *reportWriter) open(name string)       { w.line("<%s>", name); w.depth++ }
func (w *reportWriter) close(name string)      { w.depth--; w.line("</%s>", name) }
func (w *reportWriter) leaf(name, text string) { w.line("<%s>%s</%s>", name, text, name) }

func (w *reportWriter) header() {
	w.line(`<?xml version="1.0" encoding="UTF-8" ?>`)
	if w.rfc9990 {
		w.line(`<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">`)
		w.leaf("version", "1.0")
	} else {
		w.line("<feedback>")
	}
	w.depth++
	w.open("report_metadata")
	w.leaf("org_name", "Large Mail Example")
	w.leaf("email", "noreply-dmarc@large.example")
	w.leaf("extra_contact_info", "https://large.example/dmarc?a=1&amp;b=2")
	w.leaf("report_id", "8204629581734")
	w.open("date_range")
	w.leaf("begin", "1795305600")
	w.leaf("end", "1795391999")
	w.close("date_range")
	w.close("report_metadata")
	w.open("policy_published")
	w.leaf("domain", "shop.example")
	w.leaf("adkim", "r")
	w.leaf("aspf", "r")
	w.leaf("p", "reject")
	w.leaf("sp", "reject")
	if w.rfc9990 {
		w.leaf("testing", "n")
		w.leaf("discovery_method", "treewalk")
	} else {
		w.leaf("pct", "100")
	}
	w.leaf("np", "reject")
	w.close("policy_published")
}

func (w *reportWriter) address() string {
	r := w.rand
	switch k := r.IntN(100); {
	case k < 55:
		return fmt.Sprintf("192.0.2.%d", r.IntN(8))
	case k < 70:
		return fmt.Sprintf("2001:db8:25::%x", r.IntN(8))
	case k < 73:
		return fmt.Sprintf("2001:db8:%x:%x::%x", r.IntN(65536), r.IntN(65536), r.IntN(65536))
	case k < 88:
		return fmt.Sprintf("198.51.100.%d", r.IntN(256))
	}
	return fmt.Sprintf("203.%d.%d.%d", r.IntN(128), r.IntN(16), r.IntN(256))
}

func (w *reportWriter) record() {
	r := w.rand
	pass := r.IntN(100) < 90
	verdict := func(ok bool) string {
		if ok {
			return "pass"
		}
		return "fail"
	}
	disposition := "none"
	switch {
	case !pass:
		disposition = "reject"
	case w.rfc9990:
		disposition = "pass"
	}
	w.open("record")
	w.open("row")
	w.leaf("source_ip", w.address())
	w.leaf("count", fmt.Sprint(1+int(r.ExpFloat64()*r.ExpFloat64()*5)))
	w.open("policy_evaluated")
	w.leaf("disposition", disposition)
	w.leaf("dkim", verdict(pass))
	w.leaf("spf", verdict(pass && r.IntN(8) > 0))
	if r.IntN(40) == 0 {
		w.open("reason")
		w.leaf("type", "local_policy")
		w.leaf("comment", fmt.Sprintf("arc=pass as.1.list%d.example=pass &lt;x&gt;", r.IntN(20)))
		w.close("reason")
	}
	w.close("policy_evaluated")
	w.close("row")
	w.open("identifiers")
	from := "shop.example"
	if r.IntN(10) == 0 {
		from = "news.shop.example"
	}
	w.leaf("header_from", from)
	if w.rfc9990 {
		w.leaf("envelope_from", "bounce.shop.example")
		w.leaf("envelope_to", "large.example")
	}
	w.close("identifiers")
	w.auth(pass, from)
	w.close("record")
}

func (w *reportWriter) auth(pass bool, from string) {
	r := w.rand
	w.open("auth_results")
	for i := range 1 + r.IntN(5)/4 {
		w.open("dkim")
		if i == 0 {
			w.leaf("domain", from)
		} else {
			w.leaf("domain", fmt.Sprintf("esp%d.example", r.IntN(8)))
		}
		w.leaf("selector", fmt.Sprintf("s%d", 1+r.IntN(3)))
		if pass {
			w.leaf("result", "pass")
		} else {
			w.leaf("result", "fail")
		}
		if w.rfc9990 && r.IntN(10) == 0 {
			w.leaf("human_result", "signature ok &amp; key found")
		}
		w.close("dkim")
	}
	w.open("spf")
	if pass {
		w.leaf("domain", "bounce.shop.example")
	} else {
		w.leaf("domain", fmt.Sprintf("host%d.forward.example", r.IntN(2000)))
	}
	if w.rfc9990 {
		w.leaf("scope", "mfrom")
	}
	if pass {
		w.leaf("result", "pass")
	} else {
		w.leaf("result", "softfail")
	}
	w.close("spf")
	w.close("auth_results")
}

// TestLargeReport compares a long report with encoding/xml, record by record.
func TestLargeReport(t *testing.T) {
	for _, s := range []style{prettyStyle, compactStyle} {
		doc := bytes.Replace(largeReport(300, s), []byte(` encoding="UTF-8"`), nil, 1)
		if problem := compareWithReference(doc); problem != "" {
			t.Errorf("%+v: %s", s, problem)
		}
		report, err := Parse(bytes.NewReader(doc))
		if err != nil || len(report.Records) != 300 || len(report.Warnings) != 0 {
			t.Errorf("%+v: got %v", s, err)
		}
	}
}

// repeatReader writes a report whose records come again and again, without
// holding more of it than one round.
type repeatReader struct {
	head, round, tail []byte
	rounds            int
	rest              []byte
	stage             int
}

func newRepeatReader(records, rounds int) *repeatReader {
	doc := largeReport(records, prettyStyle)
	from, to := bytes.Index(doc, []byte("  <record>")), bytes.LastIndex(doc, []byte("</feedback>"))
	return &repeatReader{head: doc[:from], round: doc[from:to], tail: doc[to:], rounds: rounds, rest: doc[:from]}
}

func (r *repeatReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		switch r.stage++; {
		case r.stage <= r.rounds:
			r.rest = r.round
		case r.stage == r.rounds+1:
			r.rest = r.tail
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestConstantMemory reads 50,000 records: what is allocated on the way is
// little more than the window and the tables.
func TestConstantMemory(t *testing.T) {
	r := newRepeatReader(5000, 10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d, n := NewDecoder(r), 0
	for _, err := range d.Records() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	runtime.ReadMemStats(&after)
	if n != 50_000 {
		t.Errorf("got %d records", n)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 3<<20 {
		t.Errorf("%d KiB were allocated", got>>10)
	}
	if len(d.buf) > windowBytes+slack {
		t.Errorf("the window has %d bytes", len(d.buf))
	}
}
