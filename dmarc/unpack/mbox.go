package unpack

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
)

// openMbox goes through the mails of an mbox one by one: it may be of any
// size, as long as each mail fits the limits.
func (w *Walker) openMbox(in *input) error {
	r := mboxReader{w: w, in: in, l: w.layer(w.depth)}
	r.l.held = r.l.held[:0]
	m := w.enter(nil)
	defer w.leave(m)
	for n := 1; ; n++ {
		mail, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err := w.openMboxMail(mail, n, err); err != nil {
			return err
		}
	}
}

func (w *Walker) openMboxMail(mail []byte, n int, err error) error {
	m := w.push(strconv.AppendInt([]byte("mail "), int64(n), 10))
	defer w.leave(m)
	if err != nil {
		return w.refuse(err)
	}
	w.meter = meter{in: int64(len(mail))}
	w.held += int64(len(mail))
	defer func() { w.held -= int64(len(mail)) }()
	return w.openMail(mail)
}

// mboxReader cuts an mbox into mails.
type mboxReader struct {
	w    *Walker
	in   *input
	l    *layer
	pos  int // l.held[pos:] is not given out yet
	scan int // l.held[pos:scan] holds no start of a mail but its own
	end  bool
	done bool // the error that ends the input was told
}

// separator starts a mail when it stands behind an empty line or holds a time,
// and a header follows. Lines of mails that look like it are quoted
// with '>', but not by every writer.
var separator = []byte("\nFrom ")

// next returns the next mail without its envelope line, io.EOF behind the last
// one, or the error of a mail that is passed over.
func (r *mboxReader) next() ([]byte, error) {
	tooLong := false
	for {
		i := r.find()
		if i < 0 && r.end {
			i = len(r.l.held)
		}
		if i >= 0 {
			mail := unquote(r.l.held[r.pos:i])
			r.pos, r.scan = i, min(i+1, len(r.l.held))
			switch {
			case tooLong || int64(len(mail)) > r.room():
				return nil, r.w.tooLong()
			case len(bytes.TrimSpace(mail)) > 0:
				return mail, nil
			case i == len(r.l.held) && r.end:
				return nil, r.last()
			}
			continue // two envelope lines in a row
		}
		if tooLong = tooLong || int64(len(r.l.held)-r.pos) > r.room()+bufferSize; tooLong {
			r.pos = r.scan
			r.w.meter = meter{}
		}
		if err := r.more(); err != nil {
			return nil, err
		}
	}
}

// room is how long a mail may be.
func (r *mboxReader) room() int64 { return r.w.limits.Memory - r.w.held }

// last returns the error that ends the input, once.
func (r *mboxReader) last() error {
	if r.done || !r.in.failed() {
		return io.EOF
	}
	r.done = true
	return r.in.err
}

// find returns where the next mail starts, -1 when that is not in memory yet.
func (r *mboxReader) find() int {
	b := r.l.held
	const lookAhead = 1 << 10 // for the line behind
	for {
		i := bytes.Index(b[r.scan:], separator)
		if i < 0 {
			r.scan = max(r.scan, len(b)-len(separator))
			return -1
		}
		at := r.scan + i + 1
		if !r.end && len(b)-at < lookAhead {
			r.scan = at - 1
			return -1
		}
		line, rest := mime.CutLine(b[at:])
		if name, _ := mime.CutField(rest); name != nil && (emptyLineBefore(b[:at]) || hasTime(line)) {
			return at
		}
		r.scan = at
	}
}

func emptyLineBefore(b []byte) bool {
	return bytes.HasSuffix(b, []byte("\n\n")) || bytes.HasSuffix(b, []byte("\n\r\n"))
}

// hasTime recognises an envelope line by its time, as in "04:00:01".
//
// QUIRK(mbox-no-empty-line): some writers leave out the line before it.
func hasTime(line []byte) bool {
	for i := bytes.IndexByte(line, ':'); i >= 2 && i+5 < len(line); {
		if line[i+3] == ':' && isDigit(line[i-1]) && isDigit(line[i+1]) && isDigit(line[i+4]) {
			return true
		}
		next := bytes.IndexByte(line[i+1:], ':')
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// more reads on.
func (r *mboxReader) more() error {
	b := r.l.held
	if r.pos > 0 && (r.pos >= len(b)/2 || len(b) == cap(b)) {
		b = b[:copy(b, b[r.pos:])]
		r.scan, r.pos = r.scan-r.pos, 0
	}
	if len(b) == cap(b) {
		var err error
		if b, err = r.w.grow(b, 0, r.room()+2*bufferSize); err != nil { // What is too long is found before this is full.
			return err
		}
	}
	n, err := r.in.Read(b[len(b):min(cap(b), len(b)+bufferSize)])
	r.l.held = b[:len(b)+n]
	r.end = err != nil
	return nil
}

// unquote removes the envelope line and, in place, the '>' before "From " at
// the start of lines.
func unquote(b []byte) []byte {
	if bytes.HasPrefix(b, separator[1:]) {
		_, b = mime.CutLine(b)
	}
	quoted := []byte("From ")
	if !bytes.Contains(b, []byte(">From ")) {
		return b
	}
	out := b[:0]
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line = b[:i+1]
		}
		b = b[len(line):]
		if line[0] == '>' && bytes.HasPrefix(bytes.TrimLeft(line, ">"), quoted) {
			line = line[1:]
		}
		out = append(out, line...)
	}
	return out
}
