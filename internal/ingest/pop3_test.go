package ingest_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func dovecotPassword() (string, error) { return realtest.DovecotPassword, nil }

// TestPOP3Conforms runs the suite over a real Dovecot, with STLS.
func TestPOP3Conforms(t *testing.T) {
	server := realtest.Dovecot(t)
	var users atomic.Int64
	ingesttest.Run(t, func(t *testing.T) ingesttest.World {
		user := fmt.Sprintf("pop%d", users.Add(1))
		server.Seed(t, user, "INBOX")
		return ingesttest.World{
			Source: func(t testing.TB, marks ingest.Marks) ingest.Source {
				config := server.TLS()
				config.ServerName = "localhost"
				p, err := ingest.NewPOP3(ingest.POP3Config{
					Address: server.POP3, Security: "starttls", TLS: config, User: user, Password: dovecotPassword,
					After: ingest.AfterDelete, Options: ingest.Options{Poll: 20 * time.Millisecond, Marks: marks},
				})
				if err != nil {
					t.Fatal(err)
				}
				return p
			},
			Offer:   func(t testing.TB, _ string, content []byte) { server.Seed(t, user, "INBOX", mail(content)) },
			Pending: func(t testing.TB) int { return len(server.Mails(t, user, "INBOX")) },
		}
	})
}

// TestPOP3Keeps leaves mails in the mailbox and reads each once, and refused ones stay by choice.
func TestPOP3Keeps(t *testing.T) {
	server := realtest.Dovecot(t)
	server.Seed(t, "keeper", "INBOX", mail(ingesttest.Report("a", 1)), mail([]byte("hello")), mail(ingesttest.Report("b", 2)))
	var source *ingest.POP3
	store, _ := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
		var err error
		source, err = ingest.NewPOP3(ingest.POP3Config{
			Address: server.POP3, Security: "insecure-none", User: "keeper", Password: dovecotPassword,
			Options: ingest.Options{Poll: 10 * time.Millisecond, Marks: p, Logger: logger},
		})
		if err != nil {
			t.Fatal(err)
		}
		return source
	})
	realtest.Eventually(t, "all read", func() bool { return ingesttest.Sum(store, tally.Reports) == 3 })
	server.Seed(t, "keeper", "INBOX", mail(ingesttest.Report("c", 4)))
	realtest.Eventually(t, "the new one read", func() bool { return ingesttest.Sum(store, tally.Messages) == 7 })
	if n := ingesttest.Sum(store, tally.Reports); n != 4 {
		t.Errorf("%d outcomes, want 4", n)
	}
	if n := len(server.Mails(t, "keeper", "INBOX")); n != 4 {
		t.Errorf("%d mails left, want 4", n)
	}
	server.Stop()
	realtest.Eventually(t, "down", func() bool { return !source.Status().Up })
	server.Restart(t)
	realtest.Eventually(t, "up again", func() bool { return source.Status().Up })
}

// TestPOP3Poison gives up on a mail that a server never sends, and reads the others.
func TestPOP3Poison(t *testing.T) {
	address := fakePOP3(t, func(command string) string {
		switch command {
		case "UIDL":
			return "+OK\r\n1 bad\r\n2 good\r\n3 huge\r\n."
		case "LIST":
			return "+OK\r\n1 100\r\n2 800\r\n3 99999999999\r\n."
		case "RETR 1":
			return "-ERR lost"
		case "RETR 2":
			return "+OK\r\n" + string(mail(ingesttest.Report("good", 3))) + "\r\n."
		case "RETR 3":
			return "never asked for"
		}
		return "+OK"
	})
	store, logs := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
		source, err := ingest.NewPOP3(ingest.POP3Config{
			Address: address, Security: "insecure-none", User: "u", Password: dovecotPassword,
			Options: ingest.Options{Poll: 10 * time.Millisecond, Attempts: 3, GiveUpAfter: time.Nanosecond, Marks: p, Logger: logger},
		})
		if err != nil {
			t.Fatal(err)
		}
		return source
	})
	realtest.Eventually(t, "good one counted, bad one refused", func() bool {
		return ingesttest.Sum(store, tally.Messages) == 3 && ingesttest.Sum(store, tally.Refusals, "io") == 1 &&
			ingesttest.Sum(store, tally.Refusals, "too_large") == 1
	})
	if n := strings.Count(logs.String(), "giving up on mail"); n != 1 {
		t.Errorf("gave up %d times, want once", n)
	}
	if strings.Contains(logs.String(), realtest.DovecotPassword) {
		t.Error("the log shows the password")
	}
}

// TestPOP3Shared reads each of several mails that share a UIDL, or have none,
// before it deletes them, and a temporary refusal refuses no mail.
func TestPOP3Shared(t *testing.T) {
	for name, uidl := range map[string]string{"shared": "+OK\r\n1 same\r\n2 same\r\n3 same\r\n.", "none": "-ERR not supported"} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			deleted, refusals := map[string]bool{}, 0
			address := fakePOP3(t, func(command string) string {
				mu.Lock()
				defer mu.Unlock()
				verb, number, _ := strings.Cut(command, " ")
				switch verb {
				case "UIDL":
					return uidl
				case "LIST":
					return "+OK\r\n1 800\r\n2 800\r\n3 800\r\n."
				case "RETR":
					const outage = 8
					if refusals++; number == "2" && refusals < outage {
						return "-ERR [SYS/TEMP] internal error"
					}
					return "+OK\r\n" + string(mail(ingesttest.Report("r"+number, 5))) + "\r\n."
				case "DELE":
					deleted[number] = true
				}
				return "+OK"
			})
			store, _ := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
				source, err := ingest.NewPOP3(ingest.POP3Config{
					Address: address, Security: "insecure-none", User: "u", Password: dovecotPassword, After: ingest.AfterDelete,
					Options: ingest.Options{Poll: 10 * time.Millisecond, Attempts: 1, GiveUpAfter: time.Nanosecond, Marks: p, Logger: logger},
				})
				if err != nil {
					t.Fatal(err)
				}
				return source
			})
			realtest.Eventually(t, "all read and deleted", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return ingesttest.Sum(store, tally.Messages) == 15 && len(deleted) == 3
			})
			if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
				t.Errorf("%d refused, want none", n)
			}
		})
	}
}

// TestPOP3Hostile meets servers that do not speak POP3: the source is down, and says why.
func TestPOP3Hostile(t *testing.T) {
	for name, answer := range map[string]func(string) string{
		"endless line":  func(string) string { return "+OK " + strings.Repeat("x", 1<<20) },
		"refused":       func(string) string { return "-ERR no" },
		"another":       func(string) string { return "HTTP/1.1 400 Bad Request" },
		"cut mail list": func(c string) string { return map[bool]string{true: "", false: "+OK"}[c == "UIDL"] },
	} {
		t.Run(name, func(t *testing.T) {
			address := fakePOP3(t, answer)
			var source *ingest.POP3
			_, logs := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
				var err error
				source, err = ingest.NewPOP3(ingest.POP3Config{
					Address: address, Security: "insecure-none", User: "u", Password: dovecotPassword,
					Options: ingest.Options{Timeout: 200 * time.Millisecond, Marks: p, Logger: logger},
				})
				if err != nil {
					t.Fatal(err)
				}
				return source
			})
			realtest.Eventually(t, "told", func() bool { return strings.Contains(logs.String(), "source stopped") })
			if s := source.Status(); s.Up || s.Err == nil {
				t.Errorf("status %+v, want down with an error", s)
			}
		})
	}
}

// fakePOP3 answers commands until the test ends. An empty answer ends the connection.
func fakePOP3(t *testing.T, answer func(command string) string) (address string) {
	t.Helper()
	return realtest.Listen(t, func(conn net.Conn) {
		fmt.Fprintf(conn, "%s\r\n", answer(""))
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			text := answer(lines.Text())
			if text == "" {
				return
			}
			fmt.Fprintf(conn, "%s\r\n", text)
		}
	})
}

// TestPOP3Breaks reads and deletes the others beside a mail at which the
// connection always breaks.
func TestPOP3Breaks(t *testing.T) {
	var mu sync.Mutex
	there := map[string]bool{"1": true, "2": true, "3": true}
	deleted := []string{}
	address := fakePOP3(t, func(command string) string {
		mu.Lock()
		defer mu.Unlock()
		verb, number, _ := strings.Cut(command, " ")
		switch verb {
		case "UIDL", "LIST":
			answer := "+OK"
			for _, n := range []string{"1", "2", "3"} {
				if there[n] {
					answer += "\r\n" + n + " 70" + n
				}
			}
			deleted = nil
			return answer + "\r\n."
		case "RETR":
			if number == "2" {
				return "" // the end of the connection
			}
			return "+OK\r\n" + string(mail(ingesttest.Report(number, 3))) + "\r\n."
		case "DELE":
			deleted = append(deleted, number)
		case "QUIT":
			for _, n := range deleted {
				delete(there, n)
			}
		}
		return "+OK"
	})
	store, _ := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
		source, err := ingest.NewPOP3(ingest.POP3Config{
			Address: address, Security: "insecure-none", User: "u", Password: dovecotPassword, After: ingest.AfterDelete,
			Options: ingest.Options{Poll: time.Millisecond, Marks: p, Logger: logger},
		})
		if err != nil {
			t.Fatal(err)
		}
		return source
	})
	realtest.Eventually(t, "the others read and deleted", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return ingesttest.Sum(store, tally.Messages) == 6 && len(there) == 1 && there["2"]
	})
	if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
		t.Errorf("%d refused, want none", n)
	}
}
