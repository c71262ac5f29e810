package imap

import (
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

func fold(text string) uint32 { return crc32.ChecksumIEEE([]byte(text)) }

// fetch handles the list of an answer to FETCH. Answers about one mail are
// merged; those without anything that was asked for are updates of flags.
func (l *lenient) fetch(seq uint32, list string) error {
	mail := l.mails[seq]
	c := &cursor{rest: strings.TrimLeft(list, " (")}
	for {
		key, ok := c.key()
		if !ok {
			break
		}
		if size, ok := c.literal(); ok {
			if isBody(key) && l.fetching.Load() != 0 {
				if mail.uid == 0 {
					mail.uid = l.fetching.Load()
				}
				l.mails[seq] = mail
				l.startBody(seq, mail.uid, size)
				return nil
			}
			if err := l.skipLiteral(c, size); err != nil {
				return err
			}
			continue
		}
		value := c.value(0)
		switch {
		case key == "UID":
			mail.uid = value.number32()
		case key == "RFC822.SIZE":
			mail.size, _ = strconv.ParseInt(value.text, 10, 64)
			mail.size++ // 0 means unknown.
		case isBody(key) && !value.null() && value.list == nil && l.fetching.Load() != 0:
			if mail.uid == 0 {
				mail.uid = l.fetching.Load()
			}
			fmt.Fprintf(&l.out, "* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", seq, mail.uid, len(value.text), value.text)
		}
	}
	if mail.uid != 0 && mail.size > 0 && !mail.sent {
		fmt.Fprintf(&l.out, "* %d FETCH (UID %d RFC822.SIZE %d)\r\n", seq, mail.uid, mail.size-1)
		mail.sent = true
	}
	l.mails[seq] = mail
	return nil
}

// startBody begins to hand on a mail as it is.
func (l *lenient) startBody(seq, uid uint32, size int64) {
	fmt.Fprintf(&l.out, "* %d FETCH (UID %d BODY[] {%d}\r\n", seq, uid, size)
	l.body, l.inBody, l.uid = size, true, uid
}

// endFetch reads what follows a mail in its answer. The UID may come only now.
func (l *lenient) endFetch() error {
	line, err := l.line()
	if err != nil {
		return err
	}
	c := &cursor{rest: line}
	for {
		key, ok := c.key()
		if !ok {
			break
		}
		if size, ok := c.literal(); ok {
			if err := l.skipLiteral(c, size); err != nil {
				return err
			}
			continue
		}
		if value := c.value(0); key == "UID" && value.number32() != l.uid {
			return fmt.Errorf("the server sent mail %.20q instead of %d", value.text, l.uid)
		}
	}
	l.out.WriteString(")\r\n")
	return nil
}

// skipLiteral drops a literal and goes on behind it.
func (l *lenient) skipLiteral(c *cursor, size int64) error {
	if _, err := io.CopyN(io.Discard, l.r, size); err != nil {
		return err
	}
	line, err := l.line()
	c.rest = line
	return err
}

// isBody reports whether an item is the whole mail.
func isBody(key string) bool {
	switch key {
	case "BODY[]", "BODY.PEEK[]", "RFC822", "BODY[]<0>", "BODY.PEEK[]<0>", "BINARY[]":
		return true
	}
	return false
}

// values reads all values of an answer; literals become texts.
func (l *lenient) values(line string) ([]value, error) {
	var all []value
	total := int64(0)
	c := &cursor{rest: line}
	for {
		c.space()
		if c.rest == "" {
			return all, nil
		}
		if size, ok := c.literal(); ok {
			if total += size; total > longestText {
				return nil, fmt.Errorf("a literal of %d bytes", size)
			}
			text := make([]byte, size)
			if _, err := io.ReadFull(l.r, text); err != nil {
				return nil, err
			}
			next, err := l.line()
			if err != nil {
				return nil, err
			}
			c.rest = next
			all = append(all, value{text: string(text), quoted: true})
			continue
		}
		all = append(all, c.value(0))
	}
}

// cursor reads the values of a line, as far as it can.
type cursor struct{ rest string }

// value is an atom, a quoted string or a list.
type value struct {
	text   string
	quoted bool
	list   []value
}

func (c *cursor) space() { c.rest = strings.TrimLeft(c.rest, " \t") }

// key reads the name of an item, with the section behind it, in upper case.
func (c *cursor) key() (string, bool) {
	c.rest = strings.TrimLeft(c.rest, " \t)")
	end := 0
	for inside := false; end < len(c.rest); end++ {
		b := c.rest[end]
		if !inside && (b == ' ' || b == ')' || b == '(' && end > 0) {
			break
		}
		inside = b == '[' || inside && b != ']'
	}
	key := c.rest[:end]
	c.rest = c.rest[end:]
	c.space()
	return strings.ToUpper(strings.ReplaceAll(key, " ", "")), key != ""
}

// literal reads the announcement of a literal, which ends a line.
func (c *cursor) literal() (int64, bool) {
	text := strings.TrimRight(c.rest, " ")
	if !strings.HasPrefix(strings.TrimPrefix(text, "~"), "{") || !strings.HasSuffix(text, "}") {
		return 0, false
	}
	size, err := strconv.ParseInt(strings.Trim(text, "~{+}"), 10, 64)
	if err != nil || size < 0 {
		return 0, false
	}
	c.rest = ""
	return size, true
}

// deepest bounds the depth of lists.
const deepest = 20

// value reads one value. It always goes on, whatever there is.
func (c *cursor) value(depth int) value {
	c.space()
	switch {
	case c.rest == "":
		return value{}
	case c.rest[0] == '"':
		return c.quotedString()
	case c.rest[0] == '(' && depth < deepest:
		c.rest = c.rest[1:]
		list := []value{}
		for c.space(); c.rest != "" && c.rest[0] != ')'; c.space() {
			list = append(list, c.value(depth+1))
		}
		c.rest = strings.TrimPrefix(c.rest, ")")
		return value{list: list}
	}
	end := strings.IndexAny(c.rest[1:], " ()") + 1
	if end == 0 {
		end = len(c.rest)
	}
	text := c.rest[:end]
	c.rest = c.rest[end:]
	return value{text: text}
}

func (c *cursor) quotedString() value {
	var text strings.Builder
	i := 1
	for ; i < len(c.rest) && c.rest[i] != '"'; i++ {
		if c.rest[i] == '\\' && i+1 < len(c.rest) {
			i++
		}
		text.WriteByte(c.rest[i])
	}
	c.rest = c.rest[min(i+1, len(c.rest)):]
	return value{text: text.String(), quoted: true}
}

func (v value) null() bool {
	return !v.quoted && (v.text == "" || strings.EqualFold(v.text, "NIL")) && v.list == nil
}

func (v value) number32() uint32 {
	n, _ := strconv.ParseUint(v.text, 10, 32)
	return uint32(n)
}

// delimiter is a hierarchy delimiter: one quoted byte, or NIL.
func (v value) delimiter() string {
	if v.null() || len(v.text) != 1 {
		return "NIL"
	}
	return quote(v.text)
}

// namespace is the list of the personal namespaces, of which the first is enough.
func (v value) namespace() string {
	if len(v.list) == 0 || len(v.list[0].list) < 2 {
		return "NIL"
	}
	one := v.list[0].list
	return "((" + quote(one[0].text) + " " + one[1].delimiter() + "))"
}

// quote writes a quoted string (RFC 9051, section 4.3).
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "", "\x00", "").Replace(text) + `"`
}
