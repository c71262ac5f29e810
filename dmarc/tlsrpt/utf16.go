package tlsrpt

import (
	"bufio"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Reader decodes UTF-16 that starts with a byte order mark. A broken
// surrogate becomes U+FFFD; half a character at the end is dropped, which
// leaves a truncated report.
type utf16Reader struct {
	r     *bufio.Reader
	order binary.ByteOrder
	rest  []byte // encoded as UTF-8, not yet given out
}

func newUTF16Reader(r *bufio.Reader) *utf16Reader {
	u := &utf16Reader{r: r, order: binary.BigEndian}
	if b, err := r.ReadByte(); err == nil && b == 0xff {
		u.order = binary.LittleEndian
	}
	// An error shows again at the next read.
	_, _ = r.Discard(1)
	return u
}

func (u *utf16Reader) Read(p []byte) (n int, err error) {
	for n == 0 && len(p) > 0 {
		if len(u.rest) == 0 {
			if u.rest, err = u.next(); err != nil {
				return 0, err
			}
		}
		n = copy(p, u.rest)
		u.rest = u.rest[n:]
	}
	return n, nil
}

// next decodes one character.
func (u *utf16Reader) next() ([]byte, error) {
	var b [2]byte
	if _, err := io.ReadFull(u.r, b[:]); err != nil {
		return nil, err
	}
	r := rune(u.order.Uint16(b[:]))
	if utf16.IsSurrogate(r) {
		low := rune(utf8.RuneError)
		if ahead, err := u.r.Peek(2); err == nil {
			low = rune(u.order.Uint16(ahead))
		}
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			_, _ = u.r.Discard(2)
		}
	}
	return utf8.AppendRune(nil, r), nil
}
