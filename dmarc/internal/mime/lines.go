package mime

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lines gives the lines of a mail one by one: of a mail in memory, where what
// is collected is a part of it and nothing is copied, or from a reader.
type lines struct {
	mail []byte // in memory
	at   int    // in mail, behind piece
	r    *bufio.Reader
	left int64 // bytes that r may still give

	// piece is the current line with its end or, of a reader, the next
	// piece of a long one. It is valid until the next call of next.
	piece []byte
	start bool // piece starts a line
	ended bool // piece ends a line
	again bool // next gives piece once more
	err   error
}

// ErrTooLong is the error of a reader that gives more bytes than are allowed.
var ErrTooLong = errors.New("the mail is longer than allowed")

// next reads the next piece. It returns false at the end of the input, and
// when the input cannot be read: then err is set.
func (l *lines) next() bool {
	if l.again {
		l.again = false
		return true
	}
	l.start = l.ended
	if l.r == nil {
		rest := l.mail[l.at:]
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			n = len(rest)
		}
		l.piece, l.ended = rest[:n], true
		l.at += n
		return n > 0
	}
	if l.err != nil {
		return false
	}
	var err error
	l.piece, err = l.r.ReadSlice('\n')
	l.ended = err == nil
	switch l.left -= int64(len(l.piece)); {
	case l.left < 0:
		l.err = ErrTooLong
	case err == nil, errors.Is(err, bufio.ErrBufferFull):
		return true
	case errors.Is(err, io.EOF):
		return len(l.piece) > 0
	default:
		l.err = err
	}
	return false
}

// collect appends the piece to b, which holds the pieces before it. Of a
// reader it keeps at most limit bytes.
func (l *lines) collect(b []byte, limit int) []byte {
	if l.r == nil {
		return l.mail[l.at-len(l.piece)-len(b) : l.at]
	}
	return append(b, l.piece[:min(len(l.piece), max(0, limit-len(b)))]...)
}

// peek returns up to n bytes behind the piece. Of a reader it makes the piece invalid.
func (l *lines) peek(n int) []byte {
	if l.r == nil {
		return l.mail[l.at:min(l.at+n, len(l.mail))]
	}
	b, _ := l.r.Peek(n) // an error shows again at the next read
	return b
}

// text returns the piece without its line end and the white space before it.
func (l *lines) text() []byte { return bytes.TrimRight(l.piece, " \t\r\n") }

// isEmpty reports whether the piece is an empty line, which ends a header. A
// line of white space continues a field.
func (l *lines) isEmpty() bool {
	return l.start && (string(l.piece) == "\n" || string(l.piece) == "\r\n" || string(l.piece) == "\r\r\n")
}
