package smtp

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxLine is the longest command: eight times what RFC 5321 allows.
	maxLine = 4 << 10
	// maxCommands and maxErrors are how many commands there may be between two
	// mails, and how many of them may be refused.
	maxCommands, maxErrors = 250, 20
	// maxRecipients is how many recipients a mail may have.
	maxRecipients = 100
	// sessionTimeouts is how many timeouts a session without a mail lasts.
	sessionTimeouts = 5
)

// conn is one client.
type conn struct {
	server  *Server
	flights *flights
	raw     net.Conn // below TLS; evict closes it
	nc      net.Conn
	r       *bufio.Reader
	w       *bufio.Writer
	secure  bool
	origin  string
	// busy says that a mail comes or is counted; progress is when the last one
	// was, in nanoseconds.
	busy     atomic.Bool
	progress atomic.Int64

	greeted          bool
	from             bool // there was a MAIL
	to               []string
	commands, errors int // since the last mail
	over             bool
}

func newConn(s *Server, nc net.Conn, f *flights) *conn {
	c := &conn{server: s, flights: f, origin: origin(nc), raw: nc}
	c.use(nc)
	c.progress.Store(time.Now().UnixNano())
	return c
}

func (c *conn) use(nc net.Conn) {
	c.nc, c.r, c.w = nc, bufio.NewReaderSize(nc, maxLine), bufio.NewWriter(nc)
}

// turnAway tells a client that there is no place.
func (c *conn) turnAway() {
	defer c.nc.Close()
	_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second)) // It need not hear it.
	_, _ = io.WriteString(c.nc, "421 4.7.0 Too many connections, try again later\r\n")
}

// evict cuts a client off, from another goroutine.
func (c *conn) evict() { _ = c.raw.Close() }

// serve speaks with the client until either ends it.
func (c *conn) serve() {
	defer func() { _ = c.raw.Close() }() // What it should hear was sent.
	protocol := "ESMTP"
	if c.server.config.LMTP {
		protocol = "LMTP"
	}
	c.say("220 %s %s Service ready", c.server.config.Hostname, protocol)
	for !c.over {
		line, err := c.line()
		if err != nil {
			c.lost(err)
			break
		}
		c.command(line)
	}
	_ = c.w.Flush() // The client may be gone.
}

// line reads a command, after all answers were sent that wait.
func (c *conn) line() (string, error) {
	now, timeout := time.Now(), c.server.config.Timeout
	end := c.since().Add(sessionTimeouts * timeout)
	if now.After(end) || c.commands > maxCommands {
		return "", errNoMail
	}
	if deadline := now.Add(timeout); deadline.Before(end) {
		end = deadline
	}
	_ = c.nc.SetDeadline(end) // A connection that is gone says so when it is read.
	// Answers to pipelined commands go together, but no client waits for one while
	// half a command is here.
	if waiting, _ := c.r.Peek(c.r.Buffered()); !bytes.ContainsRune(waiting, '\n') {
		if err := c.w.Flush(); err != nil {
			return "", err
		}
	}
	line, err := c.r.ReadSlice('\n')
	return strings.TrimRight(string(line), "\r\n"), err
}

// errNoMail ends a session without a mail.
var errNoMail = errors.New("too long without a mail")

// lost ends a session whose client went away or does not keep to the limits.
func (c *conn) lost(err error) {
	switch {
	case errors.Is(err, errNoMail):
		c.end(noMail, "421 4.7.0 Too long without a mail, closing")
	case errors.Is(err, bufio.ErrBufferFull):
		c.end(longLine, "500 5.5.2 Line too long, closing")
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.end(idle, "421 4.4.2 Timeout, closing")
	}
	c.over = true
}

// end cuts the client off and counts why.
func (c *conn) end(reason, answer string) {
	c.over = true
	c.server.connections.reject(reason)
	c.server.notices.Warn("a client was cut off", "client", c.nc.RemoteAddr().String(), "reason", reason)
	_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	c.say("%s", answer)
}

// say writes an answer; it is sent before the next line is waited for.
func (c *conn) say(format string, values ...any) {
	fmt.Fprintf(c.w, format+"\r\n", values...) // An error is that of the next Flush.
}

// fault answers a command that is refused. Too many end the session.
func (c *conn) fault(format string, values ...any) {
	c.say(format, values...)
	if c.errors++; c.errors > maxErrors {
		c.end(manyErrors, "421 4.7.0 Too many errors, closing")
	}
}

// command does what a line asks for.
func (c *conn) command(line string) {
	c.commands++
	verb, argument, _ := strings.Cut(line, " ")
	argument = strings.TrimSpace(argument)
	switch strings.ToUpper(verb) {
	case "HELO", "EHLO", "LHLO":
		c.hello(strings.ToUpper(verb), argument)
	case "STARTTLS":
		c.startTLS()
	case "MAIL":
		c.mail(argument)
	case "RCPT":
		c.rcpt(argument)
	case "DATA":
		if c.ready() {
			c.say("354 End data with <CR><LF>.<CR><LF>")
			c.body(&dataReader{r: c.r})
		}
	case "BDAT":
		c.bdat(argument)
	case "RSET":
		c.reset()
		c.say("250 2.0.0 OK")
	case "NOOP":
		c.say("250 2.0.0 OK")
	case "VRFY":
		c.say("252 2.5.0 Cannot verify, but will accept mail")
	case "QUIT":
		c.say("221 2.0.0 Bye")
		c.over = true
	case "AUTH", "EXPN", "HELP":
		c.fault("502 5.5.1 Command not implemented")
	default:
		c.fault("500 5.5.2 Command unknown")
	}
}

func (c *conn) reset() { c.from, c.to = false, nil }

// hello answers with the extensions.
func (c *conn) hello(verb, name string) {
	switch {
	case (verb == "LHLO") != c.server.config.LMTP:
		c.fault("500 5.5.1 This is a server for %s", map[bool]string{true: "LMTP, use LHLO", false: "SMTP, use EHLO"}[c.server.config.LMTP])
		return
	case name == "":
		c.fault("501 5.5.4 Say who you are")
		return
	}
	c.reset()
	c.greeted = true
	if verb == "HELO" {
		c.say("250 %s", c.server.config.Hostname)
		return
	}
	c.say("250-%s", c.server.config.Hostname)
	if c.server.config.TLS != nil && !c.secure {
		c.say("250-STARTTLS")
	}
	c.say("250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE %d", c.server.config.MaxBytes)
}

// startTLS begins anew under TLS. Nothing that came before the handshake is
// taken for a command behind it, and without a handshake the session is over.
func (c *conn) startTLS() {
	if c.server.config.TLS == nil || c.secure {
		c.fault("502 5.5.1 TLS is not offered")
		return
	}
	if c.r.Buffered() > 0 {
		c.end(startTLS, "421 4.7.0 Commands behind STARTTLS, closing")
		return
	}
	c.say("220 2.0.0 Ready to start TLS")
	if err := c.w.Flush(); err != nil {
		c.over = true
		return
	}
	secure := tls.Server(c.nc, c.server.config.TLS)
	if err := secure.Handshake(); err != nil {
		c.server.connections.reject(startTLS)
		c.server.notices.Warn("a client did not start TLS", "client", c.nc.RemoteAddr().String(), "err", err)
		c.over = true
		return
	}
	c.use(secure)
	c.secure, c.greeted = true, false
	c.reset()
}

// mail takes any sender: bounces of reports come without one.
func (c *conn) mail(argument string) {
	_, parameters, err := path(argument, "FROM:")
	switch {
	case !c.greeted:
		c.fault("503 5.5.1 Say EHLO or LHLO first")
		return
	case c.from:
		c.fault("503 5.5.1 There is a sender already")
		return
	case err != nil:
		c.fault("501 5.1.7 %s", err)
		return
	case c.server.config.RequireTLS && !c.secure:
		c.fault("530 5.7.0 Must issue a STARTTLS command first")
		return
	}
	for _, parameter := range parameters {
		if answer := c.parameter(parameter); answer != "" {
			c.fault("%s", answer)
			return
		}
	}
	c.from = true
	c.say("250 2.1.0 OK")
}

// rcpt takes the recipients of the configuration.
func (c *conn) rcpt(argument string) {
	to, parameters, err := path(argument, "TO:")
	switch {
	case !c.from:
		c.fault("503 5.5.1 Say MAIL first")
	case err != nil:
		c.fault("501 5.1.3 %s", err)
	case len(parameters) > 0:
		c.fault("555 5.5.4 Parameters of RCPT are not offered")
	case !c.server.wanted(to):
		c.server.connections.reject(recipient)
		c.fault("550 5.1.1 No such recipient here")
	case len(c.to) == maxRecipients:
		c.say("452 4.5.3 Too many recipients")
	default:
		c.to = append(c.to, to)
		c.say("250 2.1.5 OK")
	}
}

// ready reports whether a mail may come.
func (c *conn) ready() bool {
	if len(c.to) == 0 {
		c.fault("503 5.5.1 Say MAIL and RCPT first")
	}
	return len(c.to) > 0
}

// body receives a mail, delivers it and answers when its outcome is durable. A
// mail that does not come to its end ends the session: what follows would be
// taken for commands (RFC 5321, section 4.5.3.2).
func (c *conn) body(r io.Reader) {
	if err := c.w.Flush(); err != nil {
		c.over = true
		return
	}
	if !c.flights.begin() {
		c.over = true
		return
	}
	defer c.flights.end()
	c.busy.Store(true)
	defer c.busy.Store(false)
	_ = c.nc.SetDeadline(time.Now().Add(c.server.config.Timeout))
	answer, whole := c.server.receive(r, c.flights, c.nc.RemoteAddr().String())
	c.progress.Store(time.Now().UnixNano())
	_ = c.nc.SetDeadline(time.Now().Add(c.server.config.Timeout))
	c.commands, c.errors = 0, 0
	if whole {
		c.confirm(answer)
	} else {
		c.end(brokenBody, answer)
	}
	_ = c.w.Flush() // The next line finds out.
	c.reset()
}

// confirm answers for a mail: in LMTP for each of its recipients.
func (c *conn) confirm(answer string) {
	n := 1
	if c.server.config.LMTP {
		n = len(c.to)
	}
	for range n {
		c.say("%s", answer)
	}
}
