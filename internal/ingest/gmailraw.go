package ingest

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// rawField reads the value of the field raw of an answer, decoded: a mail is too
// large to be held in memory twice, as a text and decoded. Other fields may come
// before it.
type rawField struct {
	r       *bufio.Reader
	body    io.Closer
	decoder io.Reader
}

// Close ends the answer.
func (f *rawField) Close() error { return f.body.Close() }

// Read reads the mail. An answer that ends within it is an error.
func (f *rawField) Read(p []byte) (int, error) {
	if f.decoder == nil {
		if err := f.find(); err != nil {
			return 0, fmt.Errorf("the answer has no mail: %w", err)
		}
		f.decoder = base64.NewDecoder(base64.RawURLEncoding, &rawText{r: f.r})
	}
	return f.decoder.Read(p)
}

// find reads up to the value.
func (f *rawField) find() error {
	if err := f.expect('{'); err != nil {
		return err
	}
	for {
		if err := f.expect('"'); err != nil {
			return err
		}
		name, err := io.ReadAll(io.LimitReader(&rawText{r: f.r, any: true}, 1<<10))
		if err != nil {
			return err
		}
		if err := f.expect(':'); err != nil {
			return err
		}
		if string(name) == "raw" {
			return f.expect('"')
		}
		if err := f.skipValue(); err != nil {
			return err
		}
		if err := f.expect(','); err != nil {
			return err
		}
	}
}

// skipValue reads a value of any kind.
func (f *rawField) skipValue() error {
	for depth := 0; ; {
		b, err := f.next()
		if err != nil {
			return err
		}
		switch b {
		case '"':
			if _, err := io.Copy(io.Discard, &rawText{r: f.r, any: true}); err != nil {
				return err
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		after, err := f.next()
		if err != nil {
			return err
		}
		if err := f.r.UnreadByte(); err != nil {
			return err
		}
		if depth <= 0 && (after == ',' || after == '}') {
			return nil
		}
	}
}

func (f *rawField) expect(want byte) error {
	if got, err := f.next(); err != nil || got != want {
		return errors.Join(err, fmt.Errorf("%q instead of %q", got, want))
	}
	return nil
}

// next reads the first byte that is no space.
func (f *rawField) next() (byte, error) {
	for {
		b, err := f.r.ReadByte()
		if err != nil || strings.IndexByte(" \t\r\n", b) < 0 {
			return b, err
		}
	}
}

// rawText reads up to the quote at the end of a text. Of base64 it drops padding
// and line breaks, and makes one of both alphabets.
type rawText struct {
	r *bufio.Reader
	// any says that the text is not base64.
	any  bool
	done bool
}

func (t *rawText) Read(p []byte) (n int, err error) {
	for n < len(p) && !t.done {
		b, err := t.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return n, io.ErrUnexpectedEOF
		case err != nil:
			return n, err
		case b == '"':
			t.done = true
			continue
		case b == '\\':
			// Any character may be escaped (RFC 8259, section 7).
			if b, err = t.escaped(); err != nil {
				return n, err
			}
		}
		if !t.any {
			switch b {
			case '=', '\r', '\n':
				continue
			case '+':
				b = '-'
			case '/':
				b = '_'
			}
		}
		p[n] = b
		n++
	}
	if n == 0 && t.done {
		return 0, io.EOF
	}
	return n, nil
}

// escaped reads what follows a backslash. Of a character beyond a byte, which
// base64 has not, only something else is left.
func (t *rawText) escaped() (byte, error) {
	b, err := t.r.ReadByte()
	switch {
	case err != nil:
		return 0, io.ErrUnexpectedEOF
	case b == 'n':
		return '\n', nil
	case b == 'r':
		return '\r', nil
	case b != 'u':
		return b, nil
	}
	digits := make([]byte, 4)
	if _, err := io.ReadFull(t.r, digits); err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	code, err := strconv.ParseUint(string(digits), 16, 16)
	if err != nil || code > 0x7f {
		code = '?'
	}
	return byte(code), err
}
