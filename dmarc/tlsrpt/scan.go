package tlsrpt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// maxText is the number of bytes of a string that are kept.
const maxText = 4096

// scanner reads JSON (RFC 8259) from a stream. It keeps one value in memory,
// says where it is, and repairs what can be repaired in the text of strings.
type scanner struct {
	r        *bufio.Reader
	line     int
	offset   int64
	depth    int
	maxDepth int
	buf      []byte
	warn     func(code dmarc.Code, value string)
}

// fail makes the error for the position that was reached.
func (s *scanner) fail(reason dmarc.Reason, format string, args ...any) error {
	return &dmarc.Error{Reason: reason, Line: s.line, Offset: s.offset, Err: fmt.Errorf(format, args...)}
}

// broken makes the error for a reader that gave err before the report was complete.
func (s *scanner) broken(err error) error {
	var refused *dmarc.Error
	switch {
	case errors.As(err, &refused):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return s.fail(dmarc.ReasonTruncated, "the report ends inside a value")
	default:
		return s.fail(dmarc.ReasonIO, "read the report: %w", err)
	}
}

func (s *scanner) read() (byte, error) {
	b, err := s.r.ReadByte()
	if err != nil {
		return 0, s.broken(err)
	}
	s.offset++
	if b == '\n' {
		s.line++
	}
	return b, nil
}

func (s *scanner) unread(b byte) {
	// UnreadByte cannot fail right after ReadByte.
	_ = s.r.UnreadByte()
	s.offset--
	if b == '\n' {
		s.line--
	}
}

// next reads the first byte that is not white space.
func (s *scanner) next() (byte, error) {
	for {
		b, err := s.read()
		if err != nil || b != ' ' && b != '\n' && b != '\r' && b != '\t' {
			return b, err
		}
	}
}

// peek is next without taking the byte.
func (s *scanner) peek() (byte, error) {
	b, err := s.next()
	if err == nil {
		s.unread(b)
	}
	return b, err
}

// members reads an array or object whose opening byte was peeked: it calls
// member before each entry until the closing byte.
func (s *scanner) members(end byte, member func() error) error {
	if _, err := s.next(); err != nil {
		return err
	}
	if s.depth++; s.depth > s.maxDepth {
		return s.fail(dmarc.ReasonTooDeep, "more than %d levels", s.maxDepth)
	}
	b, err := s.peek()
	if err != nil {
		return err
	}
	if b == end {
		_, err = s.next()
		s.depth--
		return err
	}
	for {
		if err := member(); err != nil {
			return err
		}
		b, err := s.next()
		switch {
		case err != nil:
			return err
		case b == end:
			s.depth--
			return nil
		case b != ',':
			return s.unexpected(b)
		}
	}
}

func (s *scanner) unexpected(b byte) error {
	return s.fail(dmarc.ReasonSyntax, "unexpected %q", b)
}

// array calls element before each element, which must read it.
func (s *scanner) array(element func() error) error { return s.members(']', element) }

// object calls value with each key; value must read the value.
func (s *scanner) object(value func(key string) error) error {
	return s.members('}', func() error {
		b, err := s.peek()
		if err != nil {
			return err
		}
		if b != '"' {
			return s.unexpected(b)
		}
		key, err := s.text()
		if err != nil {
			return err
		}
		if b, err = s.next(); err != nil {
			return err
		}
		if b != ':' {
			return s.unexpected(b)
		}
		return value(key)
	})
}

// skip reads a value of any kind and drops it.
func (s *scanner) skip() error {
	b, err := s.peek()
	if err != nil {
		return err
	}
	switch b {
	case '{':
		return s.object(func(string) error { return s.skip() })
	case '[':
		return s.array(s.skip)
	case '"':
		_, err = s.text()
	default:
		_, err = s.literal()
	}
	return err
}

// literal reads a number, true, false or null as text.
func (s *scanner) literal() (string, error) {
	s.buf = s.buf[:0]
	b, err := s.next()
	for err == nil {
		if b < '+' || b == ',' || strings.IndexByte(":[]{}\"\\", b) >= 0 || b >= 0x7f {
			s.unread(b)
			break
		}
		if s.buf = append(s.buf, b); len(s.buf) > 400 {
			return "", s.fail(dmarc.ReasonSyntax, "a number of more than 400 digits")
		}
		b, err = s.read()
	}
	if err != nil {
		return "", err
	}
	switch t := string(s.buf); {
	case t == "true", t == "false", t == "null", isNumber(t):
		return t, nil
	case t == "":
		return "", s.unexpected(b)
	default:
		return "", s.fail(dmarc.ReasonSyntax, "%q is no value", text.Cut(t, 16))
	}
}

// isNumber reports whether t is a number of RFC 8259, section 6.
func isNumber(t string) bool {
	t = strings.TrimPrefix(t, "-")
	whole := len(t) - len(strings.TrimLeft(t, "0123456789"))
	if whole == 0 || whole > 1 && t[0] == '0' {
		return false
	}
	t = t[whole:]
	if rest, ok := strings.CutPrefix(t, "."); ok {
		if t = strings.TrimLeft(rest, "0123456789"); t == rest {
			return false
		}
	}
	if t != "" && (t[0] == 'e' || t[0] == 'E') {
		t = t[1:]
		if t != "" && (t[0] == '+' || t[0] == '-') {
			t = t[1:]
		}
		return t != "" && strings.Trim(t, "0123456789") == ""
	}
	return t == ""
}

// text reads a string whose quotation mark was peeked.
func (s *scanner) text() (string, error) {
	s.buf = s.buf[:0]
	controls := false
	if _, err := s.next(); err != nil {
		return "", err
	}
	for {
		b, err := s.read()
		if err != nil {
			return "", err
		}
		switch {
		case b == '"':
			return s.finish(controls), nil
		case b == '\\':
			if err := s.escape(); err != nil {
				return "", err
			}
			continue
		case b < ' ':
			// QUIRK(tls-control): a raw line end or tab inside a string is a space, the rest is nothing.
			controls = true
			if b != '\n' && b != '\t' {
				continue
			}
			b = ' '
		}
		s.keep(b)
	}
}

// keep appends b to the value, up to one byte more than fits.
func (s *scanner) keep(b ...byte) {
	if len(s.buf) <= maxText {
		s.buf = append(s.buf, b...)
	}
}

// finish turns the bytes of a string into valid UTF-8 of at most maxText bytes.
func (s *scanner) finish(controls bool) string {
	// QUIRK(tls-charset): encoding/json and others replace such bytes in silence.
	t, repaired := text.Valid([]byte(text.Truncate(string(s.buf), maxText)))
	long := len(s.buf) > maxText || len(t) > maxText
	t = text.Cut(t, maxText)
	if controls {
		s.warn(CodeControlCharacter, t)
	}
	if repaired {
		s.warn(CodeInvalidText, t)
	}
	if long {
		s.warn(CodeValueCut, t)
	}
	return t
}

// escape reads what follows a backslash.
func (s *scanner) escape() error {
	b, err := s.read()
	if err != nil {
		return err
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if i := strings.IndexByte(from, b); i >= 0 {
		s.keep(to[i])
		return nil
	}
	if b != 'u' {
		return s.fail(dmarc.ReasonSyntax, "unknown escape \\%s", strconv.QuoteRune(rune(b)))
	}
	r, err := s.hex()
	if err != nil {
		return err
	}
	for utf16.IsSurrogate(r) {
		second, ok, err := s.low()
		if err != nil {
			return err
		}
		if !ok {
			s.warn(CodeInvalidText, fmt.Sprintf("\\u%04x", r))
			r = utf8.RuneError
			break
		}
		pair := utf16.DecodeRune(r, second)
		if pair == utf8.RuneError {
			s.warn(CodeInvalidText, fmt.Sprintf("\\u%04x", r))
			s.keep([]byte("\uFFFD")...)
			pair = second
		}
		r = pair
	}
	s.keep(utf8.AppendRune(nil, r)...)
	return nil
}

// low reads the escape that completes a surrogate pair, if there is one.
func (s *scanner) low() (r rune, ok bool, err error) {
	if ahead, _ := s.r.Peek(2); string(ahead) != `\u` {
		return 0, false, nil
	}
	for range 2 {
		if _, err := s.read(); err != nil {
			return 0, false, err
		}
	}
	r, err = s.hex()
	return r, err == nil, err
}

// hex reads the four digits of an escape.
func (s *scanner) hex() (rune, error) {
	var digits [4]byte
	for i := range digits {
		b, err := s.read()
		if err != nil {
			return 0, err
		}
		digits[i] = b
	}
	n, err := strconv.ParseUint(string(digits[:]), 16, 16)
	if err != nil {
		return 0, s.fail(dmarc.ReasonSyntax, "an escape of %q", digits)
	}
	return rune(n), nil
}
