package imap_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// deviation is a way in which a server differs from a plain one.
type deviation struct {
	name string
	// want is where the mails are in the end: a folder, "flagged" in the
	// INBOX, or "stay" there.
	want  string
	rules []rule
}

// rule rewrites the lines that answer some commands.
type rule struct{ command, line *regexp.Regexp }

// deviations reads testdata/deviations.tsv: a name, where the mails end, which
// commands, which lines of their answers, and what is said instead. A line
// without a name adds a rule to the deviation before.
func deviations(t *testing.T) (all []deviation, replacements map[*regexp.Regexp]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/deviations.tsv")
	if err != nil {
		t.Fatal(err)
	}
	replacements = make(map[*regexp.Regexp]string)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(fields) != 5 {
			t.Fatalf("%d fields in %q, want 5", len(fields), line)
		}
		if fields[0] != "" {
			all = append(all, deviation{name: fields[0], want: fields[1]})
		}
		with, err := strconv.Unquote(`"` + strings.ReplaceAll(fields[4], `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("%s: %v", fields[4], err)
		}
		r := rule{command: regexp.MustCompile(fields[2]), line: regexp.MustCompile(fields[3])}
		replacements[r.line] = with
		last := &all[len(all)-1]
		last.rules = append(last.rules, r)
	}
	return all, replacements
}

var actionFlag = ingest.Action{Kind: ingest.AfterFlag}

// mailServer is a plain IMAP server with an INBOX of three mails, but for its deviation.
type mailServer struct {
	deviation deviation
	with      map[*regexp.Regexp]string
	mu        sync.Mutex
	folders   map[string]map[int][]byte
	flags     map[int]string
}

func (s *mailServer) serve(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				s.talk(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// say writes a line as the deviation has it.
func (s *mailServer) say(conn net.Conn, command, format string, values ...any) {
	line := fmt.Sprintf(format, values...)
	for _, r := range s.deviation.rules {
		if r.command.MatchString(command) && r.line.MatchString(line) {
			line = r.line.ReplaceAllString(line, s.with[r.line])
		}
	}
	// The end of a body has its UID behind it, for the rules.
	if strings.HasPrefix(line, ")#") {
		line = ")"
	}
	if line != "" {
		fmt.Fprintf(conn, "%s\r\n", line)
	}
}

func (s *mailServer) talk(conn net.Conn) {
	s.say(conn, "GREETING", "* OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS MOVE NAMESPACE ID] ready")
	identified := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		s.mu.Lock()
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

// answer writes the untagged answers to a command and returns a refusal, or "".
func (s *mailServer) answer(conn net.Conn, command string, identified bool) string {
	say := func(format string, values ...any) { s.say(conn, command, format, values...) }
	fields := strings.Fields(command)
	inbox := s.folders["INBOX"]
	switch verb := strings.TrimPrefix(command, "UID "); {
	case command == "CAPABILITY":
		say("* CAPABILITY IMAP4rev1 IDLE UIDPLUS MOVE NAMESPACE ID")
	case strings.HasPrefix(verb, "ID "):
		say("* ID NIL")
	case command == "IDLE":
		if s.deviation.name == "IDLE refused" {
			return "BAD idle disabled"
		}
	case command == "NAMESPACE":
		say(`* NAMESPACE (("" "/")) NIL NIL`)
	case strings.HasPrefix(verb, "LIST"):
		for folder := range s.folders {
			if strings.Contains(command, `"`+folder+`"`) || strings.HasSuffix(command, " "+folder) || strings.HasSuffix(command, "%") {
				say(`* LIST (\HasNoChildren) "/" %s`, folder)
			}
		}
	case strings.HasPrefix(verb, "SELECT"):
		if s.deviation.name == "ID wanted" && !identified {
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
			if strings.Contains(command, "$") && s.deviation.name == "keywords refused" {
				return "NO no keywords here"
			}
			s.flags[uid] += command
		}
	case strings.HasPrefix(verb, "MOVE"), strings.HasPrefix(verb, "COPY"):
		if strings.HasPrefix(verb, "MOVE") && s.deviation.name == "MOVE is BAD" {
			return "BAD Command Error. 12"
		}
		return s.move(fields[2], strings.Trim(fields[3], `"`), strings.HasPrefix(verb, "MOVE"), say)
	case strings.HasPrefix(verb, "EXPUNGE"):
		for uid := range inbox {
			if strings.Contains(s.flags[uid], `\Deleted`) {
				delete(inbox, uid)
			}
		}
	case strings.HasPrefix(verb, "CREATE"):
		folder := strings.Trim(fields[1], `"`)
		if s.deviation.name == "CREATE refused" || strings.HasPrefix(s.deviation.want, "INBOX.") && !strings.HasPrefix(folder, "INBOX.") {
			return "NO [CANNOT] Mailbox does not allow inferior mailboxes"
		}
		s.folders[folder] = make(map[int][]byte)
	}
	return ""
}

func (s *mailServer) move(set, folder string, remove bool, say func(string, ...any)) string {
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

func (s *mailServer) fetch(conn net.Conn, command, set string) {
	body := strings.Contains(command, "BODY.PEEK[]")
	inbox := s.folders["INBOX"]
	for seq, uid := range slices.Sorted(func(yield func(int) bool) {
		for uid := range inbox {
			if !yield(uid) {
				return
			}
		}
	}) {
		if !slices.Contains(members(set), uid) {
			continue
		}
		content := inbox[uid]
		if !body {
			s.say(conn, command, "* %d FETCH (UID %d RFC822.SIZE %d)", seq+1, uid, len(content))
			continue
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

// settled returns whether the three mails are where they should be.
func (s *mailServer) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	inbox := s.folders["INBOX"]
	switch s.deviation.want {
	case "stay":
		return len(inbox) == 3
	case "flagged":
		n := 0
		for uid := range inbox {
			if strings.Contains(s.flags[uid], `\Seen`) {
				n++
			}
		}
		return n == 3
	}
	return len(inbox) == 0 && len(s.folders[s.deviation.want]) == 3
}

// TestDeviations reads three mails from servers that each differ from the rule
// in one way, puts them away, and keeps its connection.
func TestDeviations(t *testing.T) {
	t.Parallel()
	all, with := deviations(t)
	const least = 100
	if len(all) < least {
		t.Errorf("%d deviations, want at least %d", len(all), least)
	}
	for _, deviation := range all {
		t.Run(deviation.name, func(t *testing.T) {
			t.Parallel()
			server := &mailServer{deviation: deviation, with: with, flags: make(map[int]string), folders: map[string]map[int][]byte{
				"INBOX": {1: report("a", 5), 2: report("b", 5), 3: report("c", 5)},
			}}
			store, pipeline := pipeline(t)
			c := moving(fakeConfig(server.serve(t), pipeline))
			c.Timeout = 10 * time.Second
			if deviation.want == "flagged" {
				c.Counted, c.Known = actionFlag, actionFlag
			}
			source := open(t, c)
			run(t, source, pipeline.Deliver)
			realtest.Eventually(t, "15 messages, mails at "+deviation.want, func() bool {
				return ingesttest.Sum(store, tally.Messages) == 15 && server.settled() && source.Status().Up
			})
			if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
				t.Errorf("%d refused, want none", n)
			}
			if n := source.Status().Missed; n != 0 {
				t.Errorf("%d missed, want none", n)
			}
		})
	}
}
