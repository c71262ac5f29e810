package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// dataReader reads a mail up to the line with a dot, and takes the dots off that
// are stuffed (RFC 5321, section 4.5.2). Only CRLF ends a line: others would let
// a mail hide another one.
type dataReader struct {
	r *bufio.Reader
	// rest is what was read of the buffer and not returned yet.
	rest []byte
	// inLine says that the last byte was not the end of a line, cr that it was a CR.
	inLine, cr, over bool
}

// Read reads on.
func (d *dataReader) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.over {
			return 0, io.EOF
		}
		if err := d.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// next reads a line, or as much of it as the buffer holds.
func (d *dataReader) next() error {
	line, err := d.r.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if !d.inLine && line[0] == '.' {
		if string(line) == ".\r\n" {
			d.over = true
			return nil
		}
		line = line[1:]
	}
	d.rest = line
	if len(line) > 0 {
		d.inLine = !bytes.HasSuffix(line, []byte("\r\n")) && !(d.cr && len(line) == 1 && line[0] == '\n')
		d.cr = line[len(line)-1] == '\r'
	}
	return nil
}

// chunkReader reads a mail that comes in chunks (RFC 3030), and the commands
// between them.
type chunkReader struct {
	c    *conn
	left int64
	last bool
}

// bdat receives a mail by its chunks.
func (c *conn) bdat(argument string) {
	size, last, err := chunk(argument)
	switch {
	case err != nil:
		// Nobody knows where the next command begins.
		c.end(brokenBody, "501 5.5.4 "+err.Error()+", closing")
	case len(c.to) == 0:
		c.end(brokenBody, "503 5.5.1 Say MAIL and RCPT first, closing")
	default:
		c.body(&chunkReader{c: c, left: size, last: last})
	}
}

// chunk reads the argument of BDAT.
func chunk(argument string) (size int64, last bool, err error) {
	number, rest, _ := strings.Cut(argument, " ")
	n, err := strconv.ParseUint(number, 10, 40)
	rest = strings.TrimSpace(rest)
	if err != nil || rest != "" && !strings.EqualFold(rest, "LAST") {
		return 0, false, errors.New("malformed BDAT")
	}
	return int64(n), rest != "", nil
}

// Read reads on.
func (r *chunkReader) Read(p []byte) (int, error) {
	for r.left == 0 {
		if r.last {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n, err := r.c.r.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next confirms a chunk and reads the command of the next one.
func (r *chunkReader) next() error {
	r.c.say("250 2.0.0 Continue")
	if err := r.c.w.Flush(); err != nil {
		return err
	}
	line, err := r.c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	verb, argument, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	if !strings.EqualFold(verb, "BDAT") {
		return fmt.Errorf("%.20q within a mail", verb)
	}
	r.left, r.last, err = chunk(argument)
	return err
}

// parameter returns the refusal of a parameter of MAIL, or "".
func (c *conn) parameter(text string) string {
	key, value, _ := strings.Cut(text, "=")
	switch strings.ToUpper(key) {
	case "SMTPUTF8":
		return ""
	case "BODY":
		if strings.EqualFold(value, "7BIT") || strings.EqualFold(value, "8BITMIME") {
			return ""
		}
	case "SIZE":
		size, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			return "501 5.5.4 Malformed SIZE"
		}
		if int64(size) > c.server.config.MaxBytes {
			c.server.connections.reject(tooLarge)
			return "552 5.3.4 The mail is too large"
		}
		return ""
	}
	return "555 5.5.4 Unknown parameter"
}

// path reads the argument of MAIL or RCPT: a path, which may have no domain, and
// parameters.
func path(argument, prefix string) (address string, parameters []string, err error) {
	if len(argument) < len(prefix) || !strings.EqualFold(argument[:len(prefix)], prefix) {
		return "", nil, fmt.Errorf("%s<address> is missing", prefix)
	}
	argument = strings.TrimSpace(argument[len(prefix):])
	if strings.HasPrefix(argument, "<") {
		end, quoted := 1, false
		for ; end < len(argument) && (quoted || argument[end] != '>'); end++ {
			switch {
			case argument[end] == '"':
				quoted = !quoted
			case argument[end] == '\\' && quoted:
				end++
			}
		}
		if end >= len(argument) {
			return "", nil, errors.New("an address without an end")
		}
		address, argument = argument[1:end], argument[end+1:]
	} else {
		address, argument, _ = strings.Cut(argument, " ")
	}
	// A source route says nothing (RFC 5321, appendix C).
	if route, rest, ok := strings.Cut(address, ":"); ok && strings.HasPrefix(route, "@") {
		address = rest
	}
	if local, domain, ok := strings.Cut(address, `"@`); ok && strings.HasPrefix(local, `"`) {
		address = strings.ReplaceAll(local[1:], `\`, "") + "@" + domain
	}
	return address, strings.Fields(argument), nil
}

// receive spools a mail and delivers it. It returns the answer, and whether the
// mail came to its end.
func (s *Server) receive(r io.Reader, f *flights, from string) (answer string, whole bool) {
	spool, err := ingest.NewSpool(io.LimitReader(r, s.config.MaxBytes+1))
	var network *ingest.InputError
	if errors.As(err, &network) {
		return "421 4.4.2 The mail did not come to its end, closing", false
	}
	if err != nil {
		s.config.Logger.Error("mail was not recorded, its sender will try again", "source", s.status.Name, "err", err)
		return "421 4.3.0 Cannot record reports now, try again later", false
	}
	defer spool.Close()
	if spool.Size > s.config.MaxBytes {
		s.connections.reject(tooLarge)
		if _, err := io.Copy(io.Discard, r); err != nil {
			return "421 4.4.2 The mail did not come to its end, closing", false
		}
		return "552 5.3.4 The mail is too large", true
	}
	result, err := f.deliver(&ingest.Delivery{Source: s.status.Name, Name: from, Body: spool, Size: spool.Size, Mail: true})
	switch {
	case errors.Is(err, ingest.ErrNotNow):
		s.notices.Warn("a mail cannot be taken now, its sender will try again", "client", from, "err", err)
		return again, true
	case err != nil:
		s.config.Logger.Error("mail was not recorded, its sender will try again", "source", s.status.Name, "err", err)
		return again, true
	case result.Class() != ingest.ClassRefused:
		return "250 2.0.0 OK", true
	}
	message := string(result.Reason())
	for _, item := range result.Items {
		if item.Err != nil {
			message = printable(item.Err.Error())
			break
		}
	}
	return "554 5.6.0 Not a report: " + message, true
}

// again is the answer to a mail that should be sent again.
const again = "451 4.3.0 Cannot record reports now, try again later"

// wanted reports whether a recipient is one of the configuration, or the
// postmaster, whom each server has (RFC 5321, section 4.5.1).
func (s *Server) wanted(to string) bool {
	to = strings.ToLower(to)
	at := strings.LastIndexByte(to, '@')
	return to == "postmaster" || s.recipients[to] || at >= 0 && s.recipients[to[at:]]
}

// printable keeps an answer on one line of plain text.
func printable(text string) string {
	const limit = 200
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), limit)]
}
