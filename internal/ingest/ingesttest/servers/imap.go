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

// IMAP is a plain IMAP server with an INBOX, but for its deviation.
type IMAP struct {
	// Address is its host and port.
	Address string

	deviation Deviation
	mails     int
	mu        sync.Mutex
	folders   map[string]map[int][]byte
	flags     map[int]string
	failed    failures
}

// IMAP starts a server until the test ends.
func (d Deviation) IMAP(t testing.TB, mails ...[]byte) *IMAP {
	s := &IMAP{
		deviation: d, mails: len(mails), folders: map[string]map[int][]byte{"INBOX": {}},
		flags: make(map[int]string),
	}
	for i, mail := range mails {
		s.folders["INBOX"][i+1] = mail
	}
	s.Address = realtest.Listen(t, s.talk)
	return s
}

// say writes a line as the deviation has it.
func (s *IMAP) say(conn net.Conn, command, format string, values ...any) {
	line := s.deviation.rewrite(command, fmt.Sprintf(format, values...))
	// The end of a body has its UID behind it, for the rules.
	if strings.HasPrefix(line, ")#") {
		line = ")"
	}
	if line != "" {
		fmt.Fprintf(conn, "%s\r\n", line)
	}
}

func (s *IMAP) talk(conn net.Conn) {
	auth := ""
	if s.deviation.Name == "AUTHENTICATE offered, but only LOGIN works" {
		auth = "AUTH=PLAIN "
	}
	s.say(conn, "GREETING", "* OK [CAPABILITY IMAP4rev1 %sIDLE UIDPLUS MOVE NAMESPACE ID] ready", auth)
	identified := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		s.mu.Lock()
		if s.cut(conn, command) {
			s.mu.Unlock()
			return
		}
		status := s.answer(conn, command, identified)
		s.mu.Unlock()
		identified = identified || strings.HasPrefix(command, "ID ")
		if command == "IDLE" && status == "" {
			s.say(conn, command, "+ idling")
			if !lines.Scan() {
				return
			}
		}
		if status == "" {
			status = "OK done"
		}
		s.say(conn, command, "%s %s", tag, status)
	}
}

// failing reports whether a deviation in time fails once more.
func (s *IMAP) failing(name, command, verb string) bool {
	return s.deviation.Name == name && strings.Contains(command, verb) && s.failed.next(&s.deviation)
}

// cut ends the connection where the deviation does, and reports whether.
func (s *IMAP) cut(conn net.Conn, command string) bool {
	body := func() { fmt.Fprint(conn, "* 1 FETCH (UID 1 BODY[] {900}\r\nFrom: a@b.example\r\nSubject: cut\r\n") }
	switch {
	case s.failing("bodies are cut off, for a while", command, "BODY.PEEK"), s.failing("one mail is cut off, for a while", command, "FETCH 2 (UID BODY.PEEK"):
		body()
	case s.failing("closes at a body, for a while", command, "BODY.PEEK"),
		s.failing("closes at a move, for a while", command, "MOVE"),
		s.failing("closes at SEARCH, for a while", command, "SEARCH"),
		s.failing("closes at IDLE, for a while", command, "IDLE"),
		s.failing("closes at the login, for a while", command, "LOGIN"):
	case s.failing("says BYE at a body, for a while", command, "BODY.PEEK"):
		fmt.Fprint(conn, "* BYE [UNAVAILABLE] Server is shutting down\r\n")
	case s.failing("says BYE in IDLE, for a while", command, "IDLE"):
		fmt.Fprint(conn, "+ idling\r\n* BYE Session expired, please login again.\r\n")
	default:
		return false
	}
	return true
}

// refusal returns what the server refuses with now, or "".
func (s *IMAP) refusal(command string) string {
	for name, refused := range map[string]struct{ verb, answer string }{
		"bodies unavailable, for a while":  {"BODY.PEEK", "NO [UNAVAILABLE] Internal error occurred. Refer to server log for more information."},
		"bodies refused, for a while":      {"BODY.PEEK", "NO Some messages could not be FETCHed (Failure)"},
		"bodies are BAD, for a while":      {"BODY.PEEK", "BAD Command Error. 10"},
		"one mail refused, for a while":    {"FETCH 2 (UID BODY.PEEK", "NO [SERVERBUG] Internal error"},
		"sizes unavailable, for a while":   {"RFC822.SIZE", "NO [UNAVAILABLE] try again"},
		"login refused, for a while":       {"LOGIN", "NO [UNAVAILABLE] Temporary authentication failure."},
		"login throttled, for a while":     {"LOGIN", "NO [LIMIT] Too many simultaneous connections. (Failure)"},
		"SELECT refused, for a while":      {"SELECT", "NO [INUSE] Mailbox is locked"},
		"SEARCH refused, for a while":      {"SEARCH", "NO [SERVERBUG] The service is temporarily unavailable"},
		"moves refused, for a while":       {"MOVE", "NO [OVERQUOTA] Quota exceeded"},
		"moves unavailable, for a while":   {"MOVE", "NO [UNAVAILABLE] try again"},
		"no UIDVALIDITY and a mail failed": {"FETCH 2 (UID BODY.PEEK", "NO [UNAVAILABLE] message not available"},
		"UIDVALIDITY 0 and a mail failed":  {"FETCH 2 (UID BODY.PEEK", "NO [UNAVAILABLE] message not available"},
	} {
		if s.failing(name, command, refused.verb) {
			return refused.answer
		}
	}
	switch {
	case s.deviation.Name == "AUTHENTICATE offered, but only LOGIN works" && strings.HasPrefix(command, "AUTHENTICATE"):
		return "NO AUTHENTICATE failed"
	case s.deviation.Name == "IDLE refused" && command == "IDLE":
		return "BAD idle disabled"
	case s.deviation.Name == "keywords refused" && strings.HasPrefix(command, "UID STORE") && strings.Contains(command, "$"):
		return "NO no keywords here"
	case s.deviation.Name == "MOVE is BAD" && strings.HasPrefix(command, "UID MOVE"):
		return "BAD Command Error. 12"
	}
	return ""
}

// answer writes the untagged answers to a command and returns a refusal, or "".
func (s *IMAP) answer(conn net.Conn, command string, identified bool) string {
	if refused := s.refusal(command); refused != "" {
		return refused
	}
	say := func(format string, values ...any) { s.say(conn, command, format, values...) }
	fields := strings.Fields(command)
	inbox := s.folders["INBOX"]
	switch verb := strings.TrimPrefix(command, "UID "); {
	case command == "CAPABILITY":
		say("* CAPABILITY IMAP4rev1 IDLE UIDPLUS MOVE NAMESPACE ID")
	case strings.HasPrefix(verb, "ID "):
		say("* ID NIL")
	case command == "NAMESPACE":
		say(`* NAMESPACE (("" "/")) NIL NIL`)
	case strings.HasPrefix(verb, "LIST"):
		for folder := range s.folders {
			if strings.Contains(command, `"`+folder+`"`) || strings.HasSuffix(command, " "+folder) || strings.HasSuffix(command, "%") {
				say(`* LIST (\HasNoChildren) "/" %s`, folder)
			}
		}
	case strings.HasPrefix(verb, "SELECT"):
		if s.deviation.Name == "ID wanted" && !identified {
			return "NO SELECT Unsafe Login. Please contact the help desk"
		}
		say(`* %d EXISTS`, len(inbox))
		say(`* 0 RECENT`)
		say(`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)`)
		say(`* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] ok`)
		say(`* OK [UIDVALIDITY 7] ok`)
		say(`* OK [UIDNEXT 4] ok`)
	case strings.HasPrefix(verb, "SEARCH"):
		say("* SEARCH%s", numbers(inbox))
	case strings.HasPrefix(verb, "FETCH"):
		s.fetch(conn, command, fields[2])
	case strings.HasPrefix(verb, "STORE"):
		for _, uid := range members(fields[2]) {
			s.flags[uid] += command
		}
	case strings.HasPrefix(verb, "MOVE"), strings.HasPrefix(verb, "COPY"):
		return s.move(fields[2], strings.Trim(fields[3], `"`), strings.HasPrefix(verb, "MOVE"), say)
	case strings.HasPrefix(verb, "EXPUNGE"):
		maps.DeleteFunc(inbox, func(uid int, _ []byte) bool { return strings.Contains(s.flags[uid], `\Deleted`) })
	case strings.HasPrefix(verb, "CREATE"):
		folder := strings.Trim(fields[1], `"`)
		if s.deviation.Name == "CREATE refused" || strings.HasPrefix(s.deviation.Want, "INBOX.") && !strings.HasPrefix(folder, "INBOX.") {
			return "NO [CANNOT] Mailbox does not allow inferior mailboxes"
		}
		s.folders[folder] = make(map[int][]byte)
	}
	return ""
}

func (s *IMAP) move(set, folder string, remove bool, say func(string, ...any)) string {
	to := s.folders[folder]
	if to == nil {
		return "NO [TRYCREATE] no such mailbox"
	}
	inbox := s.folders["INBOX"]
	say("* OK [COPYUID 124 %s %s] moved", set, set)
	for _, uid := range members(set) {
		if inbox[uid] != nil {
			to[uid] = inbox[uid]
		}
		if remove {
			delete(inbox, uid)
			say("* 1 EXPUNGE")
		}
	}
	return ""
}

func (s *IMAP) fetch(conn net.Conn, command, set string) {
	body := strings.Contains(command, "BODY.PEEK[]")
	inbox := s.folders["INBOX"]
	for seq, uid := range slices.Sorted(maps.Keys(inbox)) {
		if !slices.Contains(members(set), uid) {
			continue
		}
		content := inbox[uid]
		if !body {
			s.say(conn, command, "* %d FETCH (UID %d RFC822.SIZE %d)", seq+1, uid, len(content))
			continue
		}
		if s.failing("a body is empty, for a while", command, "BODY.PEEK") {
			content = nil
		}
		s.say(conn, command, "* %d FETCH (UID %d BODY[] {%d}", seq+1, uid, len(content))
		_, _ = conn.Write(content)
		s.say(conn, command, ")#%d", uid)
	}
}

// members are the numbers of a set.
func members(set string) (all []int) {
	for part := range strings.SplitSeq(set, ",") {
		first, last, ok := strings.Cut(part, ":")
		if !ok {
			last = first
		}
		from, _ := strconv.Atoi(first)
		to, _ := strconv.Atoi(last)
		for n := from; n <= to && n > 0; n++ {
			all = append(all, n)
		}
	}
	return all
}

func numbers(mails map[int][]byte) (text string) {
	for uid := range mails {
		text += fmt.Sprintf(" %d", uid)
	}
	return text
}

// In returns how many mails are in a folder.
func (s *IMAP) In(folder string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.folders[folder])
}

// Settled reports whether all mails are where they should be, after what fails for
// a while did.
func (s *IMAP) Settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deviation.passing() && s.failed.n == 0 {
		return false
	}
	inbox := s.folders["INBOX"]
	switch s.deviation.Want {
	case "stay":
		return len(inbox) == s.mails
	case "flagged":
		n := 0
		for uid := range inbox {
			if strings.Contains(s.flags[uid], `\Seen`) {
				n++
			}
		}
		return n == s.mails
	}
	return len(inbox) == 0 && len(s.folders[s.deviation.Want]) == s.mails
}
