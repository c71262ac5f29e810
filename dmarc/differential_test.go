package dmarc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var sameAddr = cmpopts.EquateComparable(netip.Addr{})

// chunkReader returns at most n bytes a time.
type chunkReader struct {
	r io.Reader
	n int
}

func (c chunkReader) Read(p []byte) (int, error) { return c.r.Read(p[:min(len(p), c.n)]) }

// windowed returns a Decoder whose window holds n bytes at first and grows
// only for a record that does not fit.
func windowed(n int) *Decoder {
	d := new(Decoder)
	d.first = n
	return d
}

// equalResult compares two results of decodeAll, errors included.
func equalResult(a *Report, aErr error, b *Report, bErr error) string {
	if describe(aErr) == describe(bErr) && reflect.DeepEqual(a, b) {
		return ""
	}
	return cmp.Diff(describe(aErr), describe(bErr)) + cmp.Diff(a, b, sameAddr)
}

func describe(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestWindows reads each fixture through small windows of many sizes: the
// result is the same. Four bytes are needed to see the charset.
func TestWindows(t *testing.T) {
	for name, doc := range sortedFixtures(t) {
		want, wantErr := decodeAll(new(Decoder), bytes.NewReader(doc))
		for n := 4; n <= 96; n += 1 + n/8 {
			got, err := decodeAll(windowed(n), bytes.NewReader(doc))
			if diff := equalResult(want, wantErr, got, err); diff != "" {
				t.Fatalf("%s, window of %d bytes: -want +got:\n%s", name, n, diff)
			}
		}
		for _, n := range []int{1, 2, 3, 7} {
			got, err := decodeAll(new(Decoder), chunkReader{bytes.NewReader(doc), n})
			if diff := equalResult(want, wantErr, got, err); diff != "" {
				t.Fatalf("%s, reads of %d bytes: -want +got:\n%s", name, n, diff)
			}
		}
		got, err := decodeAll(windowed(64), iotest.DataErrReader(bytes.NewReader(doc)))
		if diff := equalResult(want, wantErr, got, err); diff != "" {
			t.Fatalf("%s, data with the end: -want +got:\n%s", name, diff)
		}
	}
}

// TestEveryOffset lets the first window end at each byte of one report.
func TestEveryOffset(t *testing.T) {
	doc := fixtureFiles(t)["comments-cdata"]
	want, wantErr := decodeAll(new(Decoder), bytes.NewReader(doc))
	for n := 4; n <= len(doc); n++ {
		got, err := decodeAll(windowed(n), bytes.NewReader(doc))
		if diff := equalResult(want, wantErr, got, err); diff != "" {
			t.Fatalf("window of %d bytes: -want +got:\n%s", n, diff)
		}
	}
}

// TestTagCache reads all fixtures with one Decoder, twice, whose tag cache and strings
// come from other documents, and with one that keeps no tags.
func TestTagCache(t *testing.T) {
	shared, without := new(Decoder), new(Decoder)
	without.tags.off = true
	for range 2 {
		for name, doc := range sortedFixtures(t) {
			want, wantErr := decodeAll(new(Decoder), bytes.NewReader(doc))
			for _, d := range []*Decoder{shared, without} {
				got, err := decodeAll(d, bytes.NewReader(doc))
				if diff := equalResult(want, wantErr, got, err); diff != "" {
					t.Fatalf("%s, tag cache off %t: -want +got:\n%s", name, d.tags.off, diff)
				}
			}
		}
	}
	if without.tags.before[leafCount].n != 0 || shared.tags.before[leafCount].n == 0 {
		t.Error("the tag cache was not switched off, or never on")
	}
}

// TestTruncation cuts three fixtures at every byte and the others at many: a
// report that is not whole is an error.
func TestTruncation(t *testing.T) {
	d := new(Decoder)
	for name, doc := range sortedFixtures(t) {
		if fixtures[name].reason != "" || strings.HasPrefix(name, "no-root") {
			continue
		}
		end := bytes.LastIndex(doc, []byte("feedback>"))
		if strings.HasPrefix(name, "utf16") {
			end = bytes.LastIndexByte(doc, 'k') // of feedback, in two bytes each
		}
		if name == "trailing-report" {
			end = bytes.Index(doc, []byte("</feedback>"))
		}
		step := 11
		if name == "plain" || name == "rfc9990" || name == "comments-cdata" {
			step = 1
		}
		for n := 0; n < end; n += step {
			if r, err := decodeAll(d, bytes.NewReader(doc[:n])); err == nil {
				t.Fatalf("%s: accepted the first %d of %d bytes: %+v", name, n, len(doc), r)
			} else if n > 0 {
				checkError(t, name, err)
			}
		}
	}
}

func checkError(t *testing.T, name string, err error) {
	t.Helper()
	var refused *Error
	if !errors.As(err, &refused) || errors.Is(err, io.EOF) {
		t.Errorf("%s: %T %v is no proper error", name, err, err)
	}
}

// TestAliasing keeps everything that a Decoder hands out while it goes on.
func TestAliasing(t *testing.T) {
	doc := largeReport(1500, prettyStyle)
	want, err := Parse(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	shared := bytes.Clone(doc)
	d := windowed(1 << 10)
	got, err := decodeAll(d, bytes.NewReader(shared))
	if err != nil {
		t.Fatal(err)
	}
	clear(shared)
	if _, err := decodeAll(d, bytes.NewReader(largeReport(500, compactStyle))); err != nil {
		t.Fatal(err)
	}
	clear(d.buf)
	if diff := cmp.Diff(want, got, sameAddr); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// compareWithReference says how the decoder and encoding/xml differ, other
// than by design: see differsByDesign.
func compareWithReference(doc []byte) string {
	got, err := Parse(bytes.NewReader(doc))
	ref, refErr := parseReference(doc)
	if differsByDesign(doc) || ref != nil && ref.hasReasonText() {
		ref = nil
	}
	if err != nil {
		var refused *Error
		if !errors.As(err, &refused) || got != nil {
			return fmt.Sprintf("improper error %v", err)
		}
		switch refused.Reason {
		case ReasonNoDates, ReasonNoDomain, ReasonTooDeep, ReasonTooLarge:
			return ""
		}
		if ref != nil && refused.Reason == ReasonSyntax && len(ref.rows()) == 0 {
			return "" // What stands in the place of the records is unknown.
		}
		if ref != nil {
			return fmt.Sprintf("refused what encoding/xml accepts: %v", err)
		}
		return ""
	}
	if problem := checkReport(got); problem != "" {
		return problem
	}
	if refErr != nil || ref == nil {
		return ""
	}
	rows := ref.rows()
	return cmp.Diff(rows, decodedRows(got, rows), cmpopts.EquateEmpty())
}

// differsByDesign reports whether the document has something that the Decoder
// reads in another way than encoding/xml: foreign namespaces are skipped, the
// second policy, metadata and identities are handled, and character sets decoded.
func differsByDesign(doc []byte) bool {
	for _, s := range []string{"xmlns:", "identities", "encoding", "DOCTYPE", "\xff\xfe", "\xfe\xff", "\x00"} {
		if bytes.Contains(doc, []byte(s)) {
			return true
		}
	}
	if _, declaration, ok := bytes.Cut(doc, []byte("<?xml")); ok { // It ends at its first ">".
		end := bytes.IndexByte(declaration, '>')
		return end > 0 && declaration[end-1] != '?'
	}
	return false
}

func TestReference(t *testing.T) {
	same := 0
	files := fixtureFiles(t)
	for name, doc := range files {
		doc = bytes.Replace(doc, []byte(` encoding="UTF-8"`), nil, 1)
		if problem := compareWithReference(doc); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
		if _, err := parseReference(doc); err == nil && !differsByDesign(doc) {
			same++
		}
	}
	if same < 50 {
		t.Errorf("only %d fixtures were compared", same)
	}
}

// mutate changes doc at a few places, in ways that hurt parsers.
func mutate(r *rand.Rand, doc []byte) []byte {
	doc = bytes.Clone(doc)
	tokens := []string{"<", ">", "&", "&amp;", "]]>", "<!--", "-->", "<![CDATA[", "/>", "</", "'", "\"", "\r\n", "\t", " ", "x", "<record>", "</record>", "<row>", "<count>", "<dkim>", "</dkim>", "&#65;", "&#0;", "é", "\xe9", "<?p ?>", "<b/>", "<result>", "<reason>"}
	for range 1 + r.IntN(3) {
		i, n := r.IntN(len(doc)), r.IntN(12)
		end := min(i+n, len(doc))
		switch r.IntN(4) {
		case 0:
			doc = append(doc[:i:i], doc[end:]...)
		case 1:
			doc = append(doc[:i:i], append([]byte(tokens[r.IntN(len(tokens))]), doc[i:]...)...)
		case 2:
			doc = append(doc[:i:i], append(bytes.Clone(doc[i:end]), doc[i:]...)...)
		case 3:
			doc[i] = tokens[r.IntN(len(tokens))][0]
		}
		if len(doc) == 0 {
			return []byte("<")
		}
	}
	return doc
}

// TestMutations compares thousands of damaged reports: with encoding/xml,
// and through small windows and a tag cache that has seen all the others.
func TestMutations(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	r := rand.New(rand.NewPCG(1, 2))
	shared, small := new(Decoder), windowed(100)
	for name, doc := range sortedFixtures(t) {
		if len(doc) == 0 {
			continue
		}
		for range rounds {
			m := mutate(r, doc)
			if problem := compareWithReference(m); problem != "" {
				t.Fatalf("%s mutated: %s\n%q", name, problem, m)
			}
			want, wantErr := decodeAll(new(Decoder), bytes.NewReader(m))
			for _, d := range []*Decoder{shared, small} {
				got, err := decodeAll(d, bytes.NewReader(m))
				if diff := equalResult(want, wantErr, got, err); diff != "" {
					t.Fatalf("%s mutated: -want +got:\n%s\n%q", name, diff, m)
				}
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, doc := range fixtureFiles(f) {
		f.Add(doc)
	}
	shared, small := new(Decoder), windowed(100)
	f.Fuzz(func(t *testing.T, doc []byte) {
		if problem := compareWithReference(doc); problem != "" {
			t.Fatal(problem)
		}
		want, wantErr := decodeAll(new(Decoder), bytes.NewReader(doc))
		for _, d := range []*Decoder{shared, small} {
			got, err := decodeAll(d, bytes.NewReader(doc))
			if diff := equalResult(want, wantErr, got, err); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
		}
	})
}
