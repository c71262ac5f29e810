package unpack

import (
	"bytes"
	"errors"
	"io"
	"strconv"
)

// openMbox goes through the mails of an mbox one by one: it may be of any
// size, as long as each mail fits the limits.
func (w *Walker) openMbox(in *input) error {
	n := 0
	r := mboxReader{w: w, in: in, l: w.layer(w.depth)}
	m := w.enter(nil)
	defer w.leave(m)
	for {
		mail, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		n++
		if stop := w.openMboxMail(mail, n, err); stop != nil {
			return stop
		}
		if err != nil && !r.skipMail() {
			return nil
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
	scan int // l.held[:scan] holds no start of a mail behind pos
	end  bool
}

// separator starts a mail when it stands behind an empty line or holds a time,
// and a header follows. Lines of mails that look like it are quoted
// with '>', but not by every writer.
var separator = []byte("\nFrom ")

// next returns the next mail without its envelope line, or io.EOF. On another
// error the mail is passed over.
func (r *mboxReader) next() ([]byte, error) {
	for {
		if i := r.find(); i >= 0 {
			mail := r.l.held[r.pos:i]
			r.pos, r.scan = i, i+1
			return unquote(mail), nil
		}
		if r.end {
			mail := r.l.held[r.pos:]
			r.pos = len(r.l.held)
			r.scan = r.pos
			if len(bytes.TrimSpace(mail)) > 0 {
				return unquote(mail), nil
			}
			if !errors.Is(r.in.end(), io.EOF) && r.in.end() != nil {
				return nil, r.in.end()
			}
			return nil, io.EOF
		}
		if err := r.more(); err != nil {
			return nil, err
		}
	}
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
		line, rest := cutLine(b[at:])
		if name, _ := cutField(rest); name != nil && (emptyLineBefore(b[:at]) || hasTime(line)) {
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
		n := copy(b, b[r.pos:])
		r.l.held, r.scan, r.pos = b[:n], r.scan-r.pos, 0
		b = r.l.held
	}
	limit := r.w.limits.Memory - r.w.held
	if int64(len(b)-r.pos) > limit {
		return r.w.tooLong()
	}
	if len(b) == cap(b) {
		size := max(2*int64(cap(b)), 4*bufferSize)
		if size > keepBuffer {
			size = max(limit+bufferSize, int64(cap(b))+bufferSize) // as holdLong
		}
		b = append(make([]byte, 0, size), b...)
	}
	n, err := r.in.Read(b[len(b):cap(b)])
	r.l.held = b[:len(b)+n]
	r.end = err != nil
	return nil
}

// skipMail drops a mail that is too large. It returns false at the end.
func (r *mboxReader) skipMail() bool {
	for {
		r.w.meter = meter{}
		if i := r.find(); i >= 0 {
			r.pos, r.scan = i, i+1
			return true
		}
		if r.end {
			return false
		}
		r.pos = r.scan
		if r.more() != nil {
			return false
		}
	}
}

// unquote removes the envelope line and, in place, the '>' before "From " at
// the start of lines.
func unquote(b []byte) []byte {
	if bytes.HasPrefix(b, separator[1:]) {
		_, b = cutLine(b)
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
