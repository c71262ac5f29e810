package text

import (
	"bytes"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is what the first bytes of a document say about the width of its
// characters.
type Encoding uint8

// The encodings. Single is everything that is not one of the others.
const (
	Single Encoding = iota
	UTF16LE
	UTF16BE
	UTF32
)

// Detect recognises UTF-16 and UTF-32 by a byte order mark or, without one, by
// the first character of a document of markup or JSON. mark is the number of
// bytes of the byte order mark, which UTF-8 may have as well.
func Detect(b []byte) (e Encoding, mark int) {
	for _, d := range []struct {
		start string
		e     Encoding
		mark  int
	}{
		{"\xFF\xFE\x00\x00", UTF32, 4},
		{"\x00\x00\xFE\xFF", UTF32, 4},
		{"<\x00\x00\x00", UTF32, 0},
		{"\x00\x00\x00<", UTF32, 0},
		{"{\x00\x00\x00", UTF32, 0},
		{"\x00\x00\x00{", UTF32, 0},
		{"\xFF\xFE", UTF16LE, 2},
		{"\xFE\xFF", UTF16BE, 2},
		{"<\x00", UTF16LE, 0},
		{"\x00<", UTF16BE, 0},
		{"{\x00", UTF16LE, 0},
		{"\x00{", UTF16BE, 0},
		{"\uFEFF", Single, 3},
	} {
		if len(b) >= len(d.start) && string(b[:len(d.start)]) == d.start {
			return d.e, d.mark
		}
	}
	return Single, 0
}

// UTF16Reader converts UTF-16 to UTF-8. Unpaired surrogates become U+FFFD; half
// a character at the end is dropped.
type UTF16Reader struct {
	// Replaced says that something was not UTF-16 and was replaced or dropped.
	Replaced bool

	r        io.Reader
	order    Encoding
	in       [4096]byte
	from, to int // unread bytes of in
	out      []byte
	unread   []byte // of out
	err      error
}

// NewUTF16Reader returns a reader of r, which is UTF-16 of the given order and
// starts behind the byte order mark.
func NewUTF16Reader(r io.Reader, e Encoding) *UTF16Reader {
	return &UTF16Reader{r: r, order: e}
}

// Read fills p with UTF-8.
func (u *UTF16Reader) Read(p []byte) (int, error) {
	for len(u.unread) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		u.convert()
	}
	n := copy(p, u.unread)
	u.unread = u.unread[n:]
	return n, nil
}

func (u *UTF16Reader) convert() {
	u.to = copy(u.in[:], u.in[u.from:u.to])
	u.from = 0
	n, err := u.r.Read(u.in[u.to:])
	u.to, u.err = u.to+n, err
	out := u.out[:0]
	for u.to-u.from >= 2 {
		r := rune(u.unit(u.from))
		size := 2
		if utf16.IsSurrogate(r) {
			if u.to-u.from < 4 && u.err == nil {
				break
			}
			low := rune(0)
			if u.to-u.from >= 4 {
				low = rune(u.unit(u.from + 2))
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				size = 4
			} else {
				u.Replaced = true
			}
		}
		out = utf8.AppendRune(out, r)
		u.from += size
	}
	if u.err != nil && u.from < u.to {
		u.from, u.Replaced = u.to, true
	}
	u.out, u.unread = out, out
}

func (u *UTF16Reader) unit(i int) uint16 {
	if u.order == UTF16BE {
		return uint16(u.in[i])<<8 | uint16(u.in[i+1])
	}
	return uint16(u.in[i+1])<<8 | uint16(u.in[i])
}

// Narrow turns UTF-16 and UTF-32 into bytes, which is enough to recognise a
// document by its start. It reports false when b does not look like either.
func Narrow(b []byte) ([]byte, bool) {
	e, mark := Detect(b)
	if e == Single && len(b) >= 4 {
		switch { // white space or a bracket stands in front of the document
		case b[0] != 0 && b[1] == 0 && b[2] != 0 && b[3] == 0:
			e = UTF16LE
		case b[0] == 0 && b[1] != 0 && b[2] == 0 && b[3] != 0:
			e = UTF16BE
		}
	}
	if e == Single {
		return nil, false
	}
	width := 2
	if e == UTF32 {
		width = 4
	}
	var out []byte
	for b = b[mark:]; len(b) >= width; b = b[width:] {
		// All bytes of an ASCII character but one are zero.
		if c := bytes.Trim(b[:width], "\x00"); len(c) == 1 && c[0] < utf8.RuneSelf {
			out = append(out, c[0])
		} else {
			out = append(out, '?')
		}
	}
	return out, true
}
