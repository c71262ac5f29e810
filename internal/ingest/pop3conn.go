package ingest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"
)

// pop3Conn is a connection to a POP3 server.
type pop3Conn struct {
	conn    net.Conn
	r       *bufio.Reader
	timeout time.Duration
}

func newPOP3Conn(conn net.Conn, timeout time.Duration) *pop3Conn {
	return &pop3Conn{conn: conn, r: bufio.NewReaderSize(conn, 4096), timeout: timeout}
}

// command sends a command and reads the first line of the answer.
func (c *pop3Conn) command(line string) (string, error) {
	verb, _, _ := strings.Cut(line, " ") // Never the password.
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return "", fmt.Errorf("%s: %w", verb, err)
	}
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		return "", fmt.Errorf("%s: %w", verb, err)
	}
	return c.answer(verb)
}

// answer reads the first line of an answer.
func (c *pop3Conn) answer(verb string) (string, error) {
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return "", fmt.Errorf("%s: %w", verb, err)
	}
	line, err := c.line()
	if err != nil {
		return "", fmt.Errorf("%s: %w", verb, err)
	}
	text, ok := strings.CutPrefix(line, "+OK")
	if !ok {
		return "", fmt.Errorf("%s: %w", verb, &pop3Refusal{line})
	}
	return strings.TrimSpace(text), nil
}

// pop3Refusal is an answer that says no.
type pop3Refusal struct{ line string }

// Error returns the answer.
func (e *pop3Refusal) Error() string { return fmt.Sprintf("the server says %.200q", e.line) }

// passing reports whether the server says that it is not the mail's fault (RFC 3206, RFC 2449).
func (e *pop3Refusal) passing() bool {
	for _, code := range []string{"[SYS/TEMP]", "[IN-USE]", "[LOGIN-DELAY]", "[AUTH]"} {
		if strings.Contains(strings.ToUpper(e.line), code) {
			return true
		}
	}
	return false
}

// line reads a line that fits the buffer.
func (c *pop3Conn) line() (string, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// listed is a line of UIDL or LIST.
type listed struct{ number, value string }

// maxListed bounds the mails of a mailbox.
const maxListed = 1_000_000

// list runs UIDL or LIST.
func (c *pop3Conn) list(verb string) ([]listed, error) {
	if _, err := c.command(verb); err != nil {
		return nil, err
	}
	var all []listed
	for {
		line, err := c.line()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", verb, err)
		}
		fields := strings.Fields(line)
		if len(fields) == 1 && fields[0] == "." {
			return all, nil
		}
		if len(all) == maxListed {
			return nil, fmt.Errorf("%s: more than %d mails", verb, maxListed)
		}
		if len(fields) > 0 {
			all = append(all, listed{fields[0], strings.Join(fields[1:], " ")})
		}
	}
}

// retrieve fetches a mail.
func (c *pop3Conn) retrieve(number string, size, limit int64) (*Spool, error) {
	if _, err := c.command("RETR " + number); err != nil {
		var refused *pop3Refusal
		if errors.As(err, &refused) && !refused.passing() {
			return nil, &InputError{Err: err}
		}
		return nil, err
	}
	const slowest = 16 << 10 // bytes a second
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout + time.Duration(size/slowest)*time.Second)); err != nil {
		return nil, fmt.Errorf("RETR: %w", err)
	}
	body := textproto.NewReader(c.r).DotReader()
	spool, err := NewSpool(io.LimitReader(body, limit+1))
	var network *InputError
	if errors.As(err, &network) {
		err = network.Err // No mail is to blame for a connection that broke.
	}
	if err != nil {
		return nil, fmt.Errorf("RETR: %w", err)
	}
	if spool.Size > limit {
		spool.Close()
		return nil, fmt.Errorf("RETR: more than %d bytes instead of %d", limit, size)
	}
	return spool, nil
}
