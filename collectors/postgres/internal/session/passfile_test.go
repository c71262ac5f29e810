package session

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// asks is a server that asks for a password and then refuses the connection, so
// that the next host is tried.
func asks(t *testing.T, got chan<- string) (port string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err == nil {
				backend.Send(&pgproto3.AuthenticationCleartextPassword{})
				_ = backend.SetAuthType(pgproto3.AuthTypeCleartextPassword)
				_ = backend.Flush()
				if m, err := backend.Receive(); err == nil {
					got <- m.(*pgproto3.PasswordMessage).Password
				}
				backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28000", Message: "no entry for the host"})
				_ = backend.Flush()
			}
			_ = conn.Close()
		}
	}()
	return port
}

// TestPassfile holds that each of several hosts and databases gets its own password
// from a password file, and that a password which is given goes to all.
func TestPassfile(t *testing.T) {
	got := make(chan string, 16)
	one, two := asks(t, got), asks(t, got)
	file := filepath.Join(t.TempDir(), "it's 1+ pgpass")
	lines := fmt.Sprintf("127.0.0.1:%[1]s:other:monitor:other\n127.0.0.1:%[1]s:*:monitor:first\n127.0.0.1:%[2]s:*:monitor:second\n", one, two)
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	keywords := "host=127.0.0.1,127.0.0.1 port=" + one + "," + two + " user=monitor dbname=db sslmode=disable"
	uri := "postgres://monitor@127.0.0.1:" + one + ",127.0.0.1:" + two + "/db?sslmode=disable"
	quoted := " passfile = '" + strings.ReplaceAll(file, "'", `\'`) + "'"
	for _, c := range []struct{ name, dsn, database, environment, want string }{
		{"keywords", keywords + quoted, "", "/dev/null", "first second"},
		{"without quotes", keywords + " passfile=" + strings.NewReplacer("'", `\'`, " ", `\ `).Replace(file), "", "/dev/null", "first second"},
		{"URI", uri + "&passfile=" + url.PathEscape(file), "", "/dev/null", "first second"},
		{"second host first", strings.Replace(keywords, one+","+two, two+","+one, 1) + quoted, "", "/dev/null", "second first"},
		{"another database", keywords + quoted, "other", "/dev/null", "other second"},
		{"no line for the first", "user=monitor dbname=db sslmode=disable host=localhost,127.0.0.1 port=" + one + "," + two + quoted, "", "/dev/null", " second"},
		{"password beside it", keywords + quoted + " password=given", "", "/dev/null", "given given"},
		{"environment", keywords, "", file, "first second"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("PGPASSFILE", c.environment)
			pool := Open(SourceOf(func() (string, error) { return c.dsn, nil }), Config{})
			defer pool.Close()
			ctx, cancel := context.WithTimeout(context.Background(), realtest.Patience)
			defer cancel()
			if _, err := pool.Server(ctx, c.database); err == nil {
				t.Fatal("a server that refuses everybody let somebody in")
			}
			var passwords []string
			for len(got) > 0 {
				passwords = append(passwords, <-got)
			}
			if strings.Join(passwords, " ") != c.want {
				t.Errorf("the hosts got %q, want %q", passwords, c.want)
			}
		})
	}
}
