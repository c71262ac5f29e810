package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// authority signs certificates of a test and writes them as files.
type authority struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	n    int64
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{dir: dir}
	a.sign(t, name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign writes name.crt and name.key. The first certificate signs the others.
func (a *authority) sign(t *testing.T, name string, c *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.n++
	c.SerialNumber, c.Subject = big.NewInt(a.n), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.key == nil {
		a.key, a.cert = key, c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLS signs in with a certificate, and finds out about those that are not
// to be trusted.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tls")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := newAuthority(t, dir, "ca")
	a.sign(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	a.sign(t, "monitor", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	newAuthority(t, dir, "stranger")
	hba := filepath.Join(dir, "hba.conf")
	if err := os.WriteFile(hba, []byte("hostssl all monitor 127.0.0.1/32 cert\nhost all postgres 127.0.0.1/32 scram-sha-256\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if user := realtest.Unprivileged(t, dir); user != nil {
		for _, file := range []string{"server.crt", "server.key", "ca.crt", "hba.conf"} {
			if err := os.Chown(filepath.Join(dir, file), int(user.Uid), int(user.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	in := func(file string) string { return filepath.Join(dir, file) }
	server := realtest.Postgres(t, "ssl=on", "ssl_cert_file="+in("server.crt"), "ssl_key_file="+in("server.key"), "ssl_ca_file="+in("ca.crt"), "hba_file="+hba)
	server.SQL(t, "postgres", "CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor")

	tests := []struct {
		name       string
		parameters map[string]string
		reason     string
	}{
		{"good", map[string]string{"sslmode": "verify-full", "sslrootcert": in("ca.crt"), "sslcert": in("monitor.crt"), "sslkey": in("monitor.key")}, ""},
		{"unknown authority", map[string]string{"sslmode": "verify-full", "sslrootcert": in("stranger.crt"), "sslcert": in("monitor.crt"), "sslkey": in("monitor.key")}, "tls"},
		{"no certificate", map[string]string{"sslmode": "verify-full", "sslrootcert": in("ca.crt")}, "auth"},
		{"no TLS", map[string]string{"sslmode": "disable"}, "auth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := url.Values{}
			for k, v := range tt.parameters {
				q.Set(k, v)
			}
			dsn := fmt.Sprintf("postgres://monitor@%s/postgres?%s", server.Addr(), q.Encode())
			c := postgres.New(open(t, dsn, postgres.SessionsConfig{}), parse(t, healthy+"slow: {query: \"SELECT 1 AS n FROM pg_sleep(60)\", timeout: 100ms, metrics: [{n: {usage: GAUGE}}]}\n"), postgres.Config{})
			for range 2 {
				got := gather(t, c, 5*time.Second)
				if want := map[bool]float64{true: 1, false: 0}[tt.reason == ""]; got["pg_up"] != want || got["q_n"] != want {
					t.Errorf("pg_up = %v, q_n = %v, want %v", got["pg_up"], got["q_n"], want)
				}
				if tt.reason != "" && got[`pg_exporter_scrape_errors_total{reason="`+tt.reason+`"}`] == 0 {
					t.Errorf("reasons: %v", only(got, "pg_exporter_scrape_errors"))
				}
			}
			// A statement is cancelled over TLS, too.
			eventually(t, 2*time.Second, func() string {
				if n := server.SQL(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'monitor' AND state = 'active'"); n[0][0] != "0" {
					return "statements still run"
				}
				return ""
			})
		})
	}
}

// testRefusesTLS asks a server for TLS that has none.
func testRefusesTLS(t *testing.T, server *realtest.PostgresServer) {
	c := postgres.New(open(t, server.DSN("postgres")+"&sslmode=require", postgres.SessionsConfig{}), nil, postgres.Config{})
	if got := gather(t, c, 5*time.Second); got[`pg_exporter_scrape_errors_total{reason="tls"}`] != 1 {
		t.Errorf("reasons: %v", only(got, "pg_exporter_scrape_errors"))
	}
}
