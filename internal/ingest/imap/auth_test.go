package imap_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// strange does something in the INBOX of user as another client.
func strange(t testing.TB, server *realtest.DovecotServer, command string) {
	t.Helper()
	conn, err := tls.Dial("tcp", server.IMAPS, server.TLS())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "a LOGIN %s %s\r\nb SELECT INBOX\r\nc %s\r\nd LOGOUT\r\n", user, secret, command)
	ok := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		ok = ok || strings.HasPrefix(lines.Text(), "c OK")
	}
	if !ok {
		t.Fatalf("the server does not %s", command)
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	_, pipeline := pipeline(t)
	for _, security := range []ingest.Security{ingest.SecurityTLS, ingest.SecuritySTARTTLS, ingest.SecurityInsecure} {
		c := config(server, pipeline)
		if c.Security = security; security != ingest.SecurityTLS {
			c.Address = server.IMAP
		}
		c.Auth = password("wrong-and-secret")
		err := open(t, c).Run(t.Context(), pipeline.Deliver)
		if err == nil || !strings.Contains(err.Error(), "log in: ") || !strings.Contains(err.Error(), "AUTHENTICATIONFAILED") {
			t.Errorf("%s: error %v, want one of log in", security, err)
		}
		if err != nil && strings.Contains(err.Error(), "wrong-and-secret") {
			t.Errorf("%s: error %v tells the password", security, err)
		}
	}
	c := config(server, pipeline)
	c.Auth = imap.Password(user, func() (string, error) { return "", errors.New("no such file") })
	if err := open(t, c).Run(t.Context(), pipeline.Deliver); err == nil || !strings.Contains(err.Error(), "read password: no such file") {
		t.Errorf("error %v, want one of read password", err)
	}
}

// TestUntrusted does not log in to a server whose certificate is not trusted.
func TestUntrusted(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	_, pipeline := pipeline(t)
	for _, security := range []ingest.Security{ingest.SecurityTLS, ingest.SecuritySTARTTLS} {
		c := config(server, pipeline)
		if c.TLS, c.Security = nil, security; security != ingest.SecurityTLS {
			c.Address = server.IMAP
		}
		c.Auth = imap.Password(user, func() (string, error) {
			t.Errorf("%s: the password was asked for", security)
			return secret, nil
		})
		if err := open(t, c).Run(t.Context(), pipeline.Deliver); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: error %v, want one of the certificate", security, err)
		}
	}
}

// TestToken logs in with tokens and renews one that has expired.
func TestToken(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"xoauth2", "oauthbearer"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			server := realtest.Dovecot(t, "auth_mechanisms = plain "+mechanism)
			introspect(t, server.Introspection, "token-2")
			server.Seed(t, user, "INBOX", report("a", 1))
			store, pipeline := pipeline(t)
			var issued atomic.Int64
			issued.Store(1)
			c := config(server, pipeline)
			c.Auth = imap.Token(user, func(_ context.Context, renew bool) (string, error) {
				if renew {
					issued.Add(1)
				}
				return fmt.Sprint("token-", issued.Load()), nil
			})
			source := open(t, c)
			err := source.Run(t.Context(), pipeline.Deliver)
			if err == nil || !strings.Contains(err.Error(), "log in: ") || strings.Contains(err.Error(), "token-1") {
				t.Errorf("error %v, want one of log in without the token", err)
			}
			run(t, source, pipeline.Deliver)
			realtest.Eventually(t, "counted", func() bool { return ingesttest.Sum(store, tally.Messages) == 1 })
			if n := issued.Load(); n != 2 {
				t.Errorf("%d tokens, want 2", n)
			}
		})
	}
}

// introspect answers at address which token is good.
func introspect(t *testing.T, address, good string) {
	t.Helper()
	var listener net.Listener
	// A connection of somebody else may come from that port by chance, and go.
	realtest.Eventually(t, "the port of the introspection is free", func() bool {
		var err error
		listener, err = net.Listen("tcp", address)
		return err == nil
	})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"username": user, "active": fmt.Sprint(r.FormValue("token") == good),
		})
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
}
