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
	work := func(doc []byte) int64 {
		d := NewDecoder(bytes.NewReader(doc))
		if _, err := decodeAll(d, bytes.NewReader(doc)); err != nil {
			t.Fatal(err)
		}
		return d.Work()
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
		{"work", two, Limits{Work: work(two)}, ""},
		{"work above", two, Limits{Work: work(two) / 2}, ReasonTooCostly},
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

// TestWork refuses dense documents long before their other limits do, whatever
// they are dense of, and reads as much that is not dense.
func TestWork(t *testing.T) {
	const size = 1 << 19
	head, tail := `<feedback><report_metadata><org_name>a</org_name><report_id>b</report_id><date_range><begin>1</begin><end>2</end></date_range></report_metadata>`+
		`<policy_published><domain>a.example</domain></policy_published>`, `</feedback>`
	record := `<record><row><source_ip>192.0.2.1</source_ip><count>1</count>%s</row>%s</record>`
	for _, tt := range []struct {
		name, record string
		most         float64 // units for a byte, at least a quarter of it
	}{
		{"records", fmt.Sprintf(record, "", ""), 2},
		{"signatures", fmt.Sprintf(record, "", "<auth_results>"+strings.Repeat("<dkim><result>pass</result></dkim>", 999)+"</auth_results>"), 0.3},
		{"odd signatures", fmt.Sprintf(record, "", "<auth_results>"+strings.Repeat("<dkim><result>PASS</result></dkim>", 999)+"</auth_results>"), 1},
		{"signatures that are dropped", fmt.Sprintf(record, "", "<auth_results>"+strings.Repeat("<dkim><result>PASS</result></dkim>", 3_000)+"</auth_results>"), 0.3},
		{"unknown elements", fmt.Sprintf(record, "", strings.Repeat("<x/>", 20_000)), 2},
		{"unknown elements in one", fmt.Sprintf(record, "", "<y>"+strings.Repeat("<x/>", 20_000)+"</y>"), 2},
		{"references", fmt.Sprintf(record, "<x/>", "<identifiers><header_from>"+strings.Repeat("&amp;", 20_000)+"</header_from></identifiers>"), 2},
		{"odd characters", fmt.Sprintf(record, "", "<identifiers><header_from>"+strings.Repeat("é", 20_000)+"</header_from></identifiers>"), 4},
		{"sections", fmt.Sprintf(record, "", "<identifiers><header_from><![CDATA["+strings.Repeat("a", 50_000)+"]]></header_from></identifiers>"), 1},
		{"comments", fmt.Sprintf(record, "", "<!--"+strings.Repeat("a", 50_000)+"-->"), 0.1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := head + strings.Repeat(tt.record, size/len(tt.record)) + tail
			d := NewDecoder(nil)
			_, err := decodeAll(d, strings.NewReader(doc))
			if err != nil {
				t.Fatal(err)
			}
			got := d.Work()
			if most := int64(tt.most * size); got > most || got < most/4 {
				t.Errorf("%d units for %d bytes, want %d at most", got, size, most)
			}
			d.Limits.Work = got / 2
			var refused *Error
			if _, err := decodeAll(d, strings.NewReader(doc)); !errors.As(err, &refused) || refused.Reason != ReasonTooCostly || d.Work() > got/2+got/10 {
				t.Errorf("got %v after %d units, want %s after %d", err, d.Work(), ReasonTooCostly, got/2)
			}
		})
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
