package realtest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDovecot(t *testing.T) {
	s := Dovecot(t)
	s.Seed(t, "ann", "INBOX", []byte("Subject: one\n\nHello\n"), []byte("Subject: two\n\nHello\n"))
	s.Seed(t, "ann", "Reports", []byte("Subject: three\n\nHello\n"))
	if diff := cmp.Diff([]string{"INBOX", "Reports"}, s.Folders(t, "ann")); diff != "" {
		t.Errorf("folders (-want +got):\n%s", diff)
	}
	talk := func() string {
		c, err := tls.Dial("tcp", s.IMAPS, s.TLS())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "a LOGIN ann %s\r\nb SELECT INBOX\r\nc LOGOUT\r\n", DovecotPassword)
		var text strings.Builder
		for lines := bufio.NewScanner(c); lines.Scan(); {
			text.WriteString(lines.Text() + "\n")
		}
		return text.String()
	}
	before := talk()
	if !strings.Contains(before, "* 2 EXISTS") {
		t.Errorf("IMAP said %q, want two mails", before)
	}
	validity := func(text string) string {
		_, text, _ = strings.Cut(text, "[UIDVALIDITY ")
		text, _, _ = strings.Cut(text, "]")
		return text
	}
	s.Stop()
	if err := Dial("tcp", s.IMAP)(); err == nil {
		t.Error("the server answers after Stop")
	}
	s.Restart(t)
	if got := validity(talk()); got == "" || got != validity(before) {
		t.Errorf("UIDVALIDITY %q after the restart, %q before", got, validity(before))
	}
	s.Renumber(t, "ann", "INBOX")
	if got := validity(talk()); got == validity(before) {
		t.Errorf("UIDVALIDITY still %q after Renumber", got)
	}
	if n := len(s.Mails(t, "ann", "INBOX")); n != 2 {
		t.Errorf("%d mails in INBOX, want 2", n)
	}
}
