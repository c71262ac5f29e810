package failure

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// lineReader reads lines in pieces of bounded size and at most left bytes.
type lineReader struct {
	r    *bufio.Reader
	left int64
	// piece is the current line, or the next piece of it: its line end is
	// included. It is valid until the next call of next.
	piece []byte
	start bool // piece starts a line
	ended bool // piece ends with a line end
	blank bool // nothing but white space was read so far
	err   error
}

func newLineReader(r io.Reader, limit int64) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 16<<10), left: limit, ended: true, blank: true}
}

// next reads the next piece. It returns false at the end of the input, and
// when the input cannot be read: then err is set.
func (l *lineReader) next() bool {
	if l.err != nil {
		return false
	}
	l.start = l.ended
	var err error
	l.piece, err = l.r.ReadSlice('\n')
	l.ended = err == nil
	if l.blank {
		l.blank = len(l.text()) == 0
	}
	if l.left -= int64(len(l.piece)); l.left < 0 {
		l.err = refusal(dmarc.ReasonTooLarge, "the mail is longer than allowed")
		return false
	}
	var refused *dmarc.Error
	switch {
	case err == nil, errors.Is(err, bufio.ErrBufferFull):
		return true
	case errors.As(err, &refused):
		l.err = err
	case errors.Is(err, io.EOF):
		return len(l.piece) > 0
	case errors.Is(err, io.ErrUnexpectedEOF):
		l.err = refusal(dmarc.ReasonTruncated, "the mail ends too early: %w", err)
	default:
		l.err = refusal(dmarc.ReasonIO, "read the mail: %w", err)
	}
	return false
}

// text returns the piece without its line end and the white space before it.
func (l *lineReader) text() []byte {
	n := len(l.piece)
	for n > 0 && (l.piece[n-1] == '\n' || l.piece[n-1] == '\r' || l.piece[n-1] == ' ' || l.piece[n-1] == '\t') {
		n--
	}
	return l.piece[:n]
}

// refusal makes the errors of this package. Lines of a mail are no help in
// finding a mistake, so there are none.
func refusal(reason dmarc.Reason, format string, args ...any) error {
	return &dmarc.Error{Reason: reason, Offset: -1, Err: fmt.Errorf(format, args...)}
}
