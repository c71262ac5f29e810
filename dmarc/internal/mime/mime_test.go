package mime

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"
)

// recorder writes down what a Walker tells it.
type recorder struct{ strings.Builder }

func (r *recorder) Multipart(p *Part) { fmt.Fprintf(r, "multipart %s\n", p.Type) }

func (r *recorder) Part(p *Part) {
	fmt.Fprintf(r, "%d %s %s %q", p.Multiparts, p.Type, p.Encoding, p.Body)
	for _, f := range []struct {
		is   bool
		word string
	}{{p.Top, "top"}, {p.Cut, "cut"}, {!p.Closed, "open"}, {p.TooDeep, "deep"}, {p.Feedback, "feedback"}} {
		if f.is {
			r.WriteString(" " + f.word)
		}
	}
	r.WriteByte('\n')
}

func (r *recorder) Repaired(repair Repair, value []byte) {
	fmt.Fprintf(r, "%s %s\n", [...]string{"guessed", "no end", "broken"}[repair], value)
}

func bounds() *Walker { return &Walker{MaxHeader: 200, MaxParts: 5, MaxDepth: 2, MaxBody: 1000} }

func TestWalk(t *testing.T) {
	const multi = "Content-Type: multipart/mixed; boundary=b\n\n"
	for _, test := range []struct{ name, in, want string }{
		{"text", "A: b\n\nhello\n", "0   \"hello\\n\" top\n"},
		{"nothing", "", "0   \"\" top\n"},
		{"header alone", "Content-Type: text/plain\n", "0 text/plain  \"\" top\n"},
		{"envelope", "\n>From x\r\n\r\nContent-Type: text/plain\r\n\r\nx", "0 text/plain  \"x\" top\n"},
		{"typo", "ContentType : text/plain; a=b\nContent_Transfer_Encoding: \"Base64\"\n\nx", "0 text/plain Base64 \"x\" top\n"},
		{"feedback", "Feedback-Type: x\n\n", "0   \"\" top feedback\n"},
		{"two parts", multi + "preamble\n--b\n\none\n--b\t \nContent-Type: text/plain\n\ntwo\n\n--b--\nepilogue\n", "multipart multipart/mixed\n1   \"one\"\n1 text/plain  \"two\\n\"\n"},
		{"lines of CRLF", strings.ReplaceAll(multi+"--b\n\none\n--b--\n", "\n", "\r\n"), "multipart multipart/mixed\n1   \"one\"\n"},
		{"no end", multi + "--b\n\none\n", "multipart multipart/mixed\n1   \"one\\n\" open\nno end b\n"},
		{"parts behind the end", multi + "--b\n\none\n--b--\n--b\n\ntwo\n--b--\n--b--\n", "multipart multipart/mixed\n1   \"one\"\n1   \"two\"\n"},
		{"another boundary", multi + "--c\nContent-Type: text/plain\n\none\n--c--\n", "multipart multipart/mixed\nguessed c\n1 text/plain  \"one\"\n"},
		{"no boundary", "Content-Type: multipart/mixed\n\njust text\n-- \nme\n", "multipart multipart/mixed\n0 multipart/mixed  \"just text\\n-- \\nme\\n\" top\n"},
		{"no boundary inside", multi + "--b\nContent-Type: multipart/x\n\ntext\n--b--\n", "multipart multipart/mixed\nmultipart multipart/x\n1 multipart/x  \"text\"\n"},
		{"a prefix", multi + "--b\nContent-Type: multipart/x; boundary=bb\n\n--bb\n\none\n--bb--\n--b--\n", "multipart multipart/mixed\nmultipart multipart/x\n2   \"one\"\n"},
		{"inner end is missing", multi + "--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\none\n--b--\n", "multipart multipart/mixed\nmultipart multipart/x\n2   \"one\"\nno end c\n"},
		{"too deep", strings.Repeat(multi+"--b\n", 3), strings.Repeat("multipart multipart/mixed\n", 3) + "2 multipart/mixed  \"\" deep\n2   \"\" open\nno end b\nno end b\n"},
		{"document at once", multi + "--b\n<xml>\n--b--\n", "multipart multipart/mixed\nbroken \n1   \"<xml>\"\n"},
		{"mail inside", multi + "--b\nContent-Type: message/rfc822\n\n" + multi + "--x\n--b--\n", "multipart multipart/mixed\n1 message/rfc822  \"Content-Type: multipart/mixed; boundary=b\\n\\n--x\"\n"},
		{"no empty line", multi + "--b\nContent-Type: text/plain\n--b--\n", "multipart multipart/mixed\n1 text/plain  \"\"\n"},
		{"header is too long", "A: " + strings.Repeat("b", 200) + "\n\n", "the header is too long"},
		{"too many parts", multi + strings.Repeat("--b\n\n", 6), "multipart multipart/mixed\n" + strings.Repeat("1   \"\"\n", 5) + "too many parts"},
	} {
		for name, walk := range map[string]func(v Visitor) error{
			"memory": func(v Visitor) error { return bounds().Memory([]byte(test.in), v) },
			"reader": func(v Visitor) error { return bounds().Read(strings.NewReader(test.in), 1e6, v) },
			"bytes":  func(v Visitor) error { return bounds().Read(iotest.OneByteReader(strings.NewReader(test.in)), 1e6, v) },
		} {
			var r recorder
			if err := walk(&r); err != nil {
				r.WriteString(err.Error())
			}
			if got := r.String(); got != test.want {
				t.Errorf("%s, %s: got\n%s\nwant\n%s", test.name, name, got, test.want)
			}
		}
	}
}

// A body in a reader is kept up to MaxBody, and all of it in memory.
func TestWalkBounds(t *testing.T) {
	in := "A: b\n\n" + strings.Repeat("x", 40_000) + "\n" + strings.Repeat("y", 40_000)
	w := bounds()
	var r recorder
	if err := w.Read(strings.NewReader(in), int64(len(in)), &r); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("0   %q top cut\n", strings.Repeat("x", 1000)); r.String() != want {
		t.Errorf("got %s", r.String())
	}
	if err := w.Read(strings.NewReader(in), int64(len(in))-1, &r); err != ErrTooLong { //nolint:errorlint // it is returned as it is
		t.Errorf("got %v, want %v", err, ErrTooLong)
	}
	r.Reset()
	if err := w.Memory([]byte(in), &r); err != nil || strings.Contains(r.String(), "cut") {
		t.Errorf("in memory: %v, %.100s", err, r.String())
	}
}

// FuzzWalk holds that a mail is the same in memory and from a reader, and that
// no part is outside of the mail.
func FuzzWalk(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\n--b--\n"))
	f.Add([]byte("From x\n\nContentType: multipart/mixed\n\n--c\nContent-Type: text/plain\n\n<\n--c--\n--c\n{\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var memory, reader recorder
		before := bytes.Clone(in)
		w := &Walker{MaxHeader: 200, MaxParts: 5, MaxDepth: 3, MaxBody: 1 << 20}
		memoryErr := w.Memory(in, &memory)
		readerErr := w.Read(iotest.HalfReader(bytes.NewReader(in)), 1<<20, &reader)
		if memory.String() != reader.String() || fmt.Sprint(memoryErr) != fmt.Sprint(readerErr) {
			t.Errorf("in memory\n%s%v\nfrom a reader\n%s%v", memory.String(), memoryErr, reader.String(), readerErr)
		}
		if !bytes.Equal(in, before) {
			t.Error("the mail was changed")
		}
	})
}

func TestParam(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`multipart/report; boundary=b1`, "b1"},
		{`multipart/report; report-type="a;b=c"; Boundary="b 1"`, "b 1"},
		{`multipart/report; boundary=b1; x=y`, "b1"},
		{`multipart/report; flag; boundary = "b1"`, "b1"},
		{`multipart/report; boundary="b1`, "b1"},
		{`multipart/report; boundary="b\"1"`, `b"1`},
		{`multipart/report; boundary*0=b; boundary*1="1"`, "b1"},
		{`multipart/report; boundary=`, ""},
		{`multipart/report`, ""},
		{`boundary=b1`, ""},
	} {
		if got := Param([]byte(test.in), "boundary"); string(got) != test.want {
			t.Errorf("Param(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestFields(t *testing.T) {
	h := Header("A: b\r\n c\nno field\nX-Y : z\n: none\n")
	var got []string
	for {
		name, value, ok := h.Next()
		if !ok {
			break
		}
		got = append(got, fmt.Sprintf("%s=%s", name, Unfold(value)))
	}
	if want := "A=b c|=no field|X-Y=z|=: none"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for in, want := range map[string]string{
		"a (b (c) d) e": "a  e", `"B <x@y>" <a@b>`: "<a@b>", `"odd@local"@b`: `"odd@local"@b`, `\"`: `\"`, "": "",
	} {
		if got := WithoutComments(in); got != want {
			t.Errorf("WithoutComments(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFeedback(t *testing.T) {
	for in, want := range map[string]bool{
		"Feedback-Type: auth-failure\n": true, "\r\nVersion: 1\nFEEDBACKTYPE: x": true,
		"Version: 1\n\nFeedback-Type: x": false, "": false, "hello": false,
	} {
		if got := IsFeedback([]byte(in)); got != want {
			t.Errorf("IsFeedback(%q) = %v", in, got)
		}
	}
	text := "A message has failed DMARC.\nSender Domain: a.example\n"
	if !IsFailureText([]byte(text)) || IsFailureText([]byte(strings.Repeat(" ", lookFeedback)+text)) {
		t.Error("the text of Exim is not recognised, or too far down")
	}
}

// The lenient decoders agree with the standard library on what is correct.
func FuzzEncodings(f *testing.F) {
	f.Add([]byte("a=b\r\n \xff\x00 end "))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, junk := Base64.Decode(nil, []byte(base64.StdEncoding.EncodeToString(b))); !bytes.Equal(got, b) || junk != nil {
			t.Errorf("base64: got %q, want %q", got, b)
		}
		var encoded strings.Builder
		w := quotedprintable.NewWriter(&encoded)
		w.Binary = true
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got, invalid := Quoted.Decode(nil, []byte(encoded.String())); !bytes.Equal(got, b) || invalid != nil {
			t.Errorf("quoted-printable: got %q, want %q", got, b)
		}
		if got, _ := Quoted.Decode(nil, b); len(got) > len(b) {
			t.Errorf("%d bytes became %d", len(b), len(got))
		}
	})
}

// What is decoded in pieces is what is decoded at once, as long as no line is
// longer than a piece.
func FuzzPieces(f *testing.F) {
	f.Add([]byte("YWJj\r\nZGV\r\nmZw==\r\nnot base64\r\nAAA"), uint8(8))
	f.Add([]byte("a=3Db  \r\nc= \r\n=C3=A9=\r\n=4"), uint8(5))
	f.Add([]byte("begin 644 a\n#86)C\nM\n`\nend\nmore\n"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, most uint8) {
		longest := 1
		for line := range bytes.Lines(b) {
			longest = max(longest, len(line))
		}
		for e := Base64; e <= UU; e++ {
			want, wantWrong := e.Decode(nil, b)
			var d Decoder
			d.Reset(e, b)
			var got []byte
			for !d.Done() {
				got = d.Append(got, longest+int(most))
			}
			if !bytes.Equal(got, want) || !bytes.Equal(d.Wrong(), wantWrong) {
				t.Errorf("encoding %d: got %q, %q wrong, want %q, %q", e, got, d.Wrong(), want, wantWrong)
			}
		}
	})
}

func TestLongLines(t *testing.T) {
	text := strings.Repeat("a=3Db \t", 1000)
	var d Decoder
	for most := 1; most < 20; most++ {
		var got []byte
		d.Reset(Quoted, []byte(text+"."))
		for !d.Done() {
			got = d.Append(got, most)
		}
		if want := strings.Repeat("a=b \t", 1000) + "."; string(got) != want {
			t.Errorf("quoted-printable in pieces of %d: got %d bytes %.60q, want %d", most, len(got), got, len(want))
		}
		got = nil
		d.Reset(Base64, []byte(base64.StdEncoding.EncodeToString([]byte(text))))
		for !d.Done() {
			got = d.Append(got, most)
		}
		if string(got) != text {
			t.Errorf("base64 in pieces of %d: got %d bytes, want %d", most, len(got), len(text))
		}
	}
}

// A line that nowhere can be cut cleanly is not decoded at once, and what is
// around it is all there.
func TestUnclearLines(t *testing.T) {
	for _, run := range []string{"=", " ", "= "} {
		var d Decoder
		d.Reset(Quoted, []byte("start"+strings.Repeat(run, 1<<20)+"end"))
		var all []byte
		for !d.Done() {
			before := len(all)
			if all = d.Append(all, 1000); len(all)-before > 1000+mostUnclear {
				t.Fatalf("%q: %d bytes at once", run, len(all)-before)
			}
		}
		if !bytes.HasPrefix(all, []byte("start")) || !bytes.HasSuffix(all, []byte("end")) {
			t.Errorf("%q: from %.10q to %.10q", run, all, all[len(all)-10:])
		}
	}
}

// A line of uuencode says how much it holds; one byte of input must not become 45.
func TestUUBomb(t *testing.T) {
	b := []byte("begin 644 a\n" + strings.Repeat("M\n", 1<<20))
	got, wrong := UU.Decode(nil, b)
	if most := len(b) + 64<<10; len(got) > most || wrong == nil {
		t.Errorf("%d bytes decoded from %d, wrong %q, want at most %d and a line that is wrong", len(got), len(b), wrong, most)
	}
}
