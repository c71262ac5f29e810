package servers

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// POP3 is a plain POP3 server with a mailbox, but for its deviation.
type POP3 struct {
	// Address is its host and port.
	Address string

	deviation Deviation
	mu        sync.Mutex
	mails     map[int][]byte
	failed    failures
}

// POP3 starts a server until the test ends.
func (d Deviation) POP3(t testing.TB, mails ...[]byte) *POP3 {
	s := &POP3{deviation: d, mails: make(map[int][]byte)}
	for i, mail := range mails {
		s.mails[i+1] = mail
	}
	s.Address = realtest.Listen(t, s.talk)
	return s
}

func (s *POP3) say(conn net.Conn, command, format string, values ...any) {
	line := s.deviation.rewrite(command, fmt.Sprintf(format, values...)) + "\r\n"
	if s.deviation.Name == "bare line feeds" {
		line = strings.ReplaceAll(line, "\r\n", "\n")
	}
	fmt.Fprint(conn, line)
}

func (s *POP3) talk(conn net.Conn) {
	s.mu.Lock()
	closed := s.failing("closes at the greeting, for a while")
	s.mu.Unlock()
	if closed {
		return
	}
	s.say(conn, "GREETING", "+OK ready")
	deleted := map[int]bool{}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		s.mu.Lock()
		closed := s.cut(conn, lines.Text()) || s.answer(conn, lines.Text(), deleted)
		s.mu.Unlock()
		if closed {
			return
		}
	}
}

// failing reports whether a deviation in time fails once more.
func (s *POP3) failing(name string) bool {
	return s.deviation.Name == name && s.failed.next(&s.deviation)
}

// cut ends the connection where the deviation does, and reports whether.
func (s *POP3) cut(conn net.Conn, command string) bool {
	if strings.HasPrefix(command, "RETR") && s.failing("bodies are cut off, for a while") {
		fmt.Fprint(conn, "+OK\r\nFrom: a@b.example\r\nSubject: cut\r\n")
		return true
	}
	return strings.HasPrefix(command, "RETR") && s.failing("closes at a body, for a while") ||
		command == "LIST" && s.failing("closes at LIST, for a while") ||
		command == "UIDL" && s.failing("closes at UIDL, for a while") ||
		command == "QUIT" && s.failing("closes at QUIT, for a while")
}

// refusal returns what the server refuses with now, or "".
func (s *POP3) refusal(command string) string {
	if command == "UIDL" && s.deviation.Name == "UIDL not there" {
		return "-ERR not supported"
	}
	for name, refused := range map[string]struct{ verb, answer string }{
		"login in use, for a while":     {"PASS", "-ERR [IN-USE] mailbox locked"},
		"login refused, for a while":    {"PASS", "-ERR [SYS/TEMP] try again"},
		"LIST refused, for a while":     {"LIST", "-ERR [SYS/TEMP] try again"},
		"RETR unavailable, for a while": {"RETR", "-ERR [SYS/TEMP] internal error"},
		"RETR refused, for a while":     {"RETR", "-ERR internal error"},
		"one mail refused, for a while": {"RETR 2", "-ERR [SYS/TEMP] internal error"},
		"DELE refused, for a while":     {"DELE", "-ERR read-only for a moment"},
		"QUIT refused, for a while":     {"QUIT", "-ERR [SYS/TEMP] some deleted messages not removed"},
	} {
		if strings.HasPrefix(command, refused.verb) && s.failing(name) {
			return refused.answer
		}
	}
	return ""
}

// answer answers a command and reports whether it was the last one.
func (s *POP3) answer(conn net.Conn, command string, deleted map[int]bool) (last bool) {
	say := func(format string, values ...any) { s.say(conn, command, format, values...) }
	verb, argument, _ := strings.Cut(command, " ")
	if refused := s.refusal(command); refused != "" {
		say("%s", refused)
		return verb == "QUIT"
	}
	number, _ := strconv.Atoi(argument)
	if s.deviation.Name != "QUIT without an answer" || verb != "QUIT" {
		say("+OK done")
	}
	switch verb {
	case "LIST":
		for _, n := range slices.Sorted(maps.Keys(s.mails)) {
			say("%d %d", n, len(s.mails[n]))
		}
		say(".")
	case "UIDL":
		for _, n := range slices.Sorted(maps.Keys(s.mails)) {
			say("%d u%d", n, n)
		}
		say(".")
	case "RETR":
		s.mail(conn, s.mails[number])
	case "DELE":
		deleted[number] = true
	case "QUIT":
		maps.DeleteFunc(s.mails, func(n int, _ []byte) bool { return deleted[n] })
		return true
	}
	return false
}

func (s *POP3) mail(conn net.Conn, content []byte) {
	text := strings.TrimRight(string(content), "\r\n")
	if s.deviation.Name != "mails without a last line end" {
		text += "\r\n"
	}
	if s.deviation.Name != "mails without stuffed dots" {
		text = strings.ReplaceAll(text, "\n.", "\n..")
	}
	text = strings.TrimSuffix(text, "\r\n") + "\r\n.\r\n"
	if s.deviation.Name == "bare line feeds" {
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	fmt.Fprint(conn, text)
}

// Settled reports whether all mails are where they should be, after what fails for
// a while did.
func (s *POP3) Settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deviation.passing() && s.failed.n == 0 {
		return false
	}
	return len(s.mails) == 0
}
