package imap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
)

const (
	// longestLine bounds a line of the server: a SEARCH of a full mailbox.
	longestLine = 16 << 20
	// longestText bounds a literal that is no mail.
	longestText = 1 << 20
)

// lenient is a connection that reads what servers send, in the many ways in
// which they deviate from RFC 9051, and hands on the few answers that we need,
// in the form that the library understands. What nobody needs, it drops: the
// library ends a connection at the first byte that it does not expect.
type lenient struct {
	net.Conn
	r *bufio.Reader
	// out is what was read, put right, and not handed on so far.
	out bytes.Buffer
	// body is how much of a mail is to be handed on as it is; then comes the
	// rest of its answer.
	body   int64
	inBody bool
	uid    uint32 // of that mail
	// mails are what the answers to the current command said, by sequence number.
	mails map[uint32]mailData
	// fetching is the UID of the only mail whose body is asked for, or 0.
	fetching atomic.Uint32
}

type mailData struct {
	uid  uint32
	size int64
	sent bool
}

func newLenient(conn net.Conn) *lenient {
	return &lenient{Conn: conn, r: bufio.NewReaderSize(conn, 32<<10), mails: make(map[uint32]mailData)}
}

// Read reads answers. Only the library's reader calls it.
func (l *lenient) Read(p []byte) (int, error) {
	for {
		switch {
		case l.out.Len() > 0:
			return l.out.Read(p)
		case l.body > 0:
			n, err := l.r.Read(p[:min(int64(len(p)), l.body)])
			l.body -= int64(n)
			if n > 0 || err != nil {
				return n, err
			}
		case l.inBody:
			l.inBody = false
			if err := l.endFetch(); err != nil {
				return 0, err
			}
		default:
			if err := l.answer(); err != nil {
				return 0, err
			}
		}
	}
}

// line reads a line without its end.
func (l *lenient) line() (string, error) {
	var long []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if err == nil && long == nil {
			return strings.TrimRight(string(part), "\r\n"), nil
		}
		long = append(long, part...)
		switch {
		case err == nil:
			return strings.TrimRight(string(long), "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		case len(long) > longestLine:
			return "", fmt.Errorf("a line of more than %d bytes", longestLine)
		}
	}
}

// tag is the form of the tags that the library makes.
var tag = regexp.MustCompile(`^T[0-9]+$`)

// answer reads one answer and writes what is needed of it.
func (l *lenient) answer() error {
	line, err := l.line()
	if err != nil {
		return err
	}
	if text, ok := strings.CutPrefix(line, "+"); ok {
		fmt.Fprintf(&l.out, "+ %s\r\n", strings.TrimSpace(text))
		return nil
	}
	first, rest := word(line)
	switch {
	case first == "*":
		return l.untagged(rest)
	case tag.MatchString(first):
		kind, text := word(rest)
		fmt.Fprintf(&l.out, "%s %s %s\r\n", first, strings.ToUpper(kind), respText(text))
		clear(l.mails)
	}
	return nil
}

// untagged handles an answer behind its asterisk.
func (l *lenient) untagged(line string) error {
	kind, rest := word(line)
	switch kind = strings.ToUpper(kind); kind {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		fmt.Fprintf(&l.out, "* %s %s\r\n", kind, respText(rest))
	case "CAPABILITY":
		fmt.Fprintf(&l.out, "* CAPABILITY %s\r\n", capabilities(rest))
	case "SEARCH":
		l.out.WriteString("* SEARCH")
		for number := range strings.FieldsSeq(rest) {
			if uid, err := strconv.ParseUint(number, 10, 32); err == nil && uid != 0 {
				l.out.WriteString(" " + number)
			}
		}
		l.out.WriteString("\r\n")
	case "ESEARCH":
		fmt.Fprintf(&l.out, "* ESEARCH %s\r\n", strings.Join(strings.Fields(rest), " "))
	case "LIST", "NAMESPACE":
		return l.folders(kind, rest)
	}
	number, err := strconv.ParseUint(kind, 10, 32)
	if err != nil {
		return nil
	}
	kind, rest = word(rest)
	switch strings.ToUpper(kind) {
	case "EXISTS":
		fmt.Fprintf(&l.out, "* %d EXISTS\r\n", number)
	case "FETCH":
		return l.fetch(uint32(number), rest)
	}
	return nil
}

// word splits a line at its first spaces.
func word(line string) (first, rest string) {
	first, rest, _ = strings.Cut(strings.TrimLeft(line, " \t"), " ")
	return first, strings.TrimLeft(rest, " \t")
}

func capabilities(list string) string { return strings.Join(strings.Fields(list), " ") }

// plainCode is a response code without arguments.
var plainCode = regexp.MustCompile(`^[A-Z][A-Z0-9-]*$`)

// respText puts the text of a status right. A code that nobody here needs is
// part of the text (RFC 9051, section 7.1).
func respText(text string) string {
	inside, rest, ok := cutCode(text)
	if !ok {
		return printable(text)
	}
	code, arguments := word(inside)
	switch code = strings.ToUpper(code); {
	case code == "CAPABILITY":
		return "[CAPABILITY " + capabilities(arguments) + "] " + printable(rest)
	case code == "UIDVALIDITY":
		return fmt.Sprintf("[UIDVALIDITY %d] %s", validity(arguments), printable(rest))
	case code == "CLOSED" || code == "COPYUID" || code == "APPENDUID" || code == "PERMANENTFLAGS" || code == "UIDNEXT" || code == "HIGHESTMODSEQ":
		return printable(rest) // The library expects arguments, or ends the selection.
	case arguments == "" && plainCode.MatchString(code):
		return "[" + code + "] " + printable(rest)
	}
	return "(" + printable(inside) + ") " + printable(rest)
}

// cutCode splits a text behind its response code, whose end is the first
// bracket outside of quotes.
func cutCode(text string) (code, rest string, ok bool) {
	text, ok = strings.CutPrefix(text, "[")
	if !ok {
		return "", "", false
	}
	quoted, first := false, -1
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ']' && !quoted:
			return strings.TrimSpace(text[:i]), text[i+1:], true
		case text[i] == ']' && first < 0:
			first = i
		}
	}
	if first < 0 {
		return "", "", false
	}
	return strings.TrimSpace(text[:first]), text[first+1:], true
}

// printable makes a text safe for a line, and short enough for a log.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSpace(text), "?"))
	const longest = 500
	if text = text[:min(len(text), longest)]; strings.HasPrefix(text, "[") {
		text = "(" + text[1:]
	}
	return strings.ToValidUTF8(text, "")
}

// validity reads a UIDVALIDITY. It only has to be the same while the server
// says the same: what does not fit 32 bits is folded. What is none is 0.
func validity(text string) uint32 {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseUint(text, 10, 32)
	if err == nil || text == "" {
		return uint32(n)
	}
	return fold(text)
}

// folders hands on an answer about folders. Names come quoted, or as literals.
func (l *lenient) folders(kind, rest string) error {
	values, err := l.values(rest)
	if err != nil {
		return err
	}
	if kind == "NAMESPACE" {
		if len(values) == 3 {
			fmt.Fprintf(&l.out, "* NAMESPACE %s NIL NIL\r\n", values[0].namespace())
		}
		return nil
	}
	if len(values) < 3 || values[2].null() {
		return nil
	}
	flags := ""
	for _, flag := range values[0].list {
		if name := strings.ToUpper(flag.text); name == `\NOSELECT` || name == `\NONEXISTENT` {
			flags = flag.text
		}
	}
	fmt.Fprintf(&l.out, "* LIST (%s) %s %s\r\n", flags, values[1].delimiter(), quote(values[2].text))
	return nil
}
