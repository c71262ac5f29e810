package dmarc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestLimits reads reports that are just within each limit and just beyond.
func TestLimits(t *testing.T) {
	doc := fixtureFiles(t)["plain"]
	record := doc[bytes.Index(doc, []byte("<record>")) : bytes.Index(doc, []byte("</record>"))+len("</record>")]
	two := bytes.Replace(doc, doc[bytes.LastIndex(doc, []byte("<record>")):bytes.LastIndex(doc, []byte("</record>"))+len("</record>")], record, 1)
	deep := func(n int) []byte {
		return bytes.Replace(doc, []byte("<record>"), []byte(strings.Repeat("<x>", n-1)+strings.Repeat("</x>", n-1)+"<record>"), 1)
	}
	tests := []struct {
		name   string
		doc    []byte
		limits Limits
		want   Reason
	}{
		{"bytes", doc, Limits{Bytes: int64(len(doc))}, ""},
		{"bytes below", doc, Limits{Bytes: int64(len(doc)) + 1}, ""},
		{"bytes above", doc, Limits{Bytes: int64(len(doc)) - 1}, ReasonTooLarge},
		{"records", two, Limits{Records: 2}, ""},
		{"records below", two, Limits{Records: 3}, ""},
		{"records above", two, Limits{Records: 1}, ReasonTooMany},
		{"record bytes", two, Limits{RecordBytes: len(record)}, ""},
		{"record bytes below", two, Limits{RecordBytes: len(record) + 1}, ""},
		{"record bytes above", two, Limits{RecordBytes: len(record) - 1}, ReasonTooLarge},
		{"depth", deep(20), Limits{Depth: 20}, ""},
		{"depth below", deep(20), Limits{Depth: 21}, ""},
		{"depth above", deep(20), Limits{Depth: 19}, ReasonTooDeep},
		{"default depth", deep(64), Limits{}, ""},
		{"default depth above", deep(65), Limits{}, ReasonTooDeep},
		{"depth beyond the maximum", deep(65), Limits{Depth: 100}, ReasonTooDeep},
	}
	for _, tt := range tests {
		for _, window := range []int{0, 4, 100} {
			d := windowed(window)
			d.Limits = tt.limits
			_, err := decodeAll(d, bytes.NewReader(tt.doc))
			var refused *Error
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%s, window %d: %v", tt.name, window, err)
			case tt.want != "" && (!errors.As(err, &refused) || refused.Reason != tt.want):
				t.Errorf("%s, window %d: got %v, want reason %s", tt.name, window, err, tt.want)
			}
		}
	}
}

// TestLongComment puts a comment that is larger than any window outside of
// the records, where it needs no memory, and inside of one.
func TestLongComment(t *testing.T) {
	doc := fixtureFiles(t)["plain"]
	comment := "<!--" + strings.Repeat("- ->", 1500) + "-->"
	for _, tt := range []struct {
		before string
		want   Reason
	}{
		{"<feedback>", ""},
		{"</report_metadata>", ""},
		{"</feedback>", ""},
		{"<row>", ReasonTooLarge},
		{"<adkim>", ReasonTooLarge},
	} {
		d := windowed(500)
		d.Limits.RecordBytes = 5000
		long := bytes.Replace(doc, []byte(tt.before), []byte(tt.before+comment), 1)
		if tt.before == "</feedback>" {
			long = bytes.Replace(doc, []byte(tt.before), []byte("<x>"+comment+"</x>"+tt.before), 1)
		}
		r, err := decodeAll(d, bytes.NewReader(long))
		var refused *Error
		switch {
		case tt.want == "" && (err != nil || len(r.Records) != 2):
			t.Errorf("behind %s: %v", tt.before, err)
		case tt.want != "" && (!errors.As(err, &refused) || refused.Reason != tt.want):
			t.Errorf("behind %s: got %v, want reason %s", tt.before, err, tt.want)
		}
	}
}

func TestTextLimit(t *testing.T) {
	pad := strings.Repeat("x", 200)
	for _, tt := range []struct {
		name  string
		limit int
		want  string
	}{
		{"Pöst&amp;al", 199, pad[:199]},
		{"Pöst&amp;al", 201, pad + "P"},
		{"Pöst&amp;al", 202, pad + "P"},
		{"Pöst&amp;al", 203, pad + "Pö"},
		{"Pöst&amp;al", 206, pad + "Pöst&"},
		{"Pöst&amp;al", 207, pad + "Pöst&a"},
		{"Pöst&amp;al", 208, pad + "Pöst&al"},
		{"Pöst&amp;al", 209, pad + "Pöst&al"},
		{"<![CDATA[Pöst]]>al", 202, pad + "P"},
		{"<![CDATA[Pöst]]>al", 206, pad + "Pösta"},
		{"Postal", 203, pad + "Pos"},
		{"Postal", 206, pad + "Postal"},
		{"Postal", 5, pad[:internMax]},
		{"Postal", 0, pad + "Postal"},
	} {
		d := new(Decoder)
		d.Limits.TextBytes = tt.limit
		doc := bytes.Replace(fixtureFiles(t)["plain"], []byte("Postal Example"), []byte(pad+tt.name), 1)
		doc = bytes.Replace(doc, []byte(">key1<"), []byte(">"+pad+tt.name+"<"), 1)
		r, err := decodeAll(d, bytes.NewReader(doc))
		if err != nil {
			t.Fatal(err)
		}
		if r.Metadata.OrgName != tt.want || r.Records[0].AuthDKIM[0].Selector != tt.want {
			t.Errorf("%s, limit %d: got %q and %q, want %q", tt.name, tt.limit, r.Metadata.OrgName, r.Records[0].AuthDKIM[0].Selector, tt.want)
		}
		var cut []string
		for _, w := range r.Warnings {
			cut = append(cut, string(w.Code)+" "+w.Value)
		}
		want := "value_cut org_name,value_cut selector"
		if strings.HasSuffix(tt.want, "al") {
			want = ""
		}
		if got := strings.Join(cut, ","); got != want {
			t.Errorf("%s, limit %d: got warnings %q, want %q", tt.name, tt.limit, got, want)
		}
	}
}

func TestEntryLimit(t *testing.T) {
	doc := fixtureFiles(t)["plain"]
	for _, n := range []int{maxEntries - 1, maxEntries, maxEntries + 1, 2 * maxEntries} {
		many := strings.Repeat("<dkim><domain>a.example</domain><result>pass</result></dkim>", n-1)
		r, err := Parse(bytes.NewReader(bytes.Replace(doc, []byte("<dkim><domain>"), []byte(many+"<dkim><domain>"), 1)))
		if err != nil {
			t.Fatal(err)
		}
		got, warned := len(r.Records[0].AuthDKIM), len(r.Warnings)
		if got != min(n, maxEntries) || (warned == 1) != (n > maxEntries) || warned > 1 {
			t.Errorf("%d signatures: got %d and %v", n, got, r.Warnings)
		}
	}
}

func TestWarningLimit(t *testing.T) {
	for _, n := range []int{MaxWarnings - 1, MaxWarnings, MaxWarnings + 1, 1000} {
		doc := bytes.Replace(fixtureFiles(t)["plain"], []byte("</record>"), []byte("</record>"+strings.Repeat("<record/>", n)), 1)
		doc = bytes.Replace(doc, []byte("</feedback>"), []byte("</feedback>junk"), 1)
		r, err := Parse(bytes.NewReader(doc))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(r.Warnings) + r.WarningsDropped; got != n+1 {
			t.Errorf("%d warnings: got %d", n+1, got)
		}
		if last := r.Warnings[len(r.Warnings)-1]; last.Code != CodeTrailingData || len(r.Warnings) > MaxWarnings {
			t.Errorf("%d warnings: kept %d, the last is %v", n+1, len(r.Warnings), last)
		}
	}
}

// failingReader returns data and then err.
func failingReader(data []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(data), errReader{err})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// TestReaderErrors puts each error behind a whole report and inside of one:
// what a container finds wrong at its end refuses the report.
func TestReaderErrors(t *testing.T) {
	doc := fixtureFiles(t)["plain"]
	crc := &Error{Reason: ReasonCorrupt, Offset: -1, Err: errors.New("checksum")}
	tests := []struct {
		name string
		err  error
		want Reason
	}{
		{"other", errors.New("disk on fire"), ReasonIO},
		{"unexpected end", io.ErrUnexpectedEOF, ReasonTruncated},
		{"container", crc, ReasonCorrupt},
		{"wrapped container", fmt.Errorf("unzip: %w", crc), ReasonCorrupt},
		{"wrapped end", fmt.Errorf("read: %w", io.EOF), ReasonIO},
		{"container with end", &Error{Reason: ReasonRatio, Err: io.EOF}, ReasonRatio},
	}
	for _, tt := range tests {
		for _, n := range []int{0, 2, len(doc) / 2, len(doc) - 5, len(doc)} {
			d := NewDecoder(failingReader(doc[:n], tt.err))
			var rec Record
			var err error
			for err == nil {
				err = d.Next(&rec)
			}
			var refused *Error
			if !errors.As(err, &refused) || refused.Reason != tt.want || errors.Is(err, io.EOF) {
				t.Errorf("%s behind %d bytes: got %v, want reason %s", tt.name, n, err, tt.want)
			}
			if again := d.Next(&rec); !errors.Is(again, err) {
				t.Errorf("%s: the next call returns %v", tt.name, again)
			}
		}
	}
	r, err := decodeAll(new(Decoder), failingReader(doc, io.EOF))
	if err != nil || len(r.Records) != 2 {
		t.Errorf("regular end: got %v", err)
	}
	if _, err := decodeAll(new(Decoder), idleReader{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("idle reader: got %v", err)
	}
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

// TestReset reads on with a Decoder that stopped in the middle of something.
func TestReset(t *testing.T) {
	files := fixtureFiles(t)
	d := new(Decoder)
	for name, doc := range files {
		for _, n := range []int{len(doc) / 3, len(doc) / 2} {
			_, _ = decodeAll(d, bytes.NewReader(doc[:n]))
			var rec Record
			d.Reset(bytes.NewReader(doc))
			_ = d.Next(&rec) // and leave it there
			got, err := decodeAll(d, bytes.NewReader(files["rfc9990"]))
			want, wantErr := Parse(bytes.NewReader(files["rfc9990"]))
			if diff := equalResult(want, wantErr, got, err); diff != "" {
				t.Fatalf("after %s: -want +got:\n%s", name, diff)
			}
		}
	}
}

func TestRecordsStops(t *testing.T) {
	d := NewDecoder(bytes.NewReader(fixtureFiles(t)["plain"]))
	var sources []string
	for range 2 {
		for rec, err := range d.Records() {
			if err != nil {
				t.Fatal(err)
			}
			sources = append(sources, rec.Source)
			break
		}
	}
	if got := strings.Join(sources, " "); got != "192.0.2.25 2001:db8::19" {
		t.Errorf("got %s", got)
	}
}

// TestAllocations reads a report again: what was seen before costs nothing.
func TestAllocations(t *testing.T) {
	for _, s := range []style{prettyStyle, compactStyle} {
		doc := largeReport(200, s)
		d, rec := new(Decoder), new(Record)
		read := func() {
			if _, err := readDecoder(d, rec, doc); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			read()
		}
		if got := testing.AllocsPerRun(10, read); got > 10 {
			t.Errorf("%+v: %.0f allocations for 200 records", s, got)
		}
	}
}
