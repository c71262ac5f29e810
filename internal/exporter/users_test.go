package exporter

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUsers takes the name of a user only from what was checked.
func TestUsers(t *testing.T) {
	person := &x509.Certificate{
		Subject: pkix.Name{CommonName: "alice"}, DNSNames: []string{"a.example"}, EmailAddresses: []string{"alice@a.example"},
		URIs: []*url.URL{{Scheme: "spiffe", Host: "a.example", Path: "/alice"}}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
	}
	const passwords, certificates = "basic_auth_users: {alice: hash, bob: hash}\n", "tls_server_config: {client_auth_type: RequireAndVerifyClientCert}\n"
	names := []string{"alice", "a.example", "alice@a.example", "spiffe://a.example/alice", "192.0.2.1"}
	for _, test := range []struct {
		name, config, user string
		chain, sent        []*x509.Certificate
		want               []string
	}{
		{name: "password", config: passwords, user: "alice", want: []string{"alice"}},
		{name: "password before certificate", config: passwords + certificates, user: "bob", chain: []*x509.Certificate{person}, want: []string{"bob"}},
		{name: "no password although there are some", config: passwords + certificates, chain: []*x509.Certificate{person}},
		{name: "another user", config: passwords, user: "mallory"},
		{name: "nobody checks passwords", config: certificates, user: "alice"},
		{name: "no such section", config: "{}", user: "alice"},
		{name: "no file", user: "alice", chain: []*x509.Certificate{person}},
		{name: "damaged", config: "basic_auth_users: [", user: "alice", chain: []*x509.Certificate{person}},
		{name: "certificate", config: certificates, chain: []*x509.Certificate{person}, want: names},
		{name: "a certificate without names", config: certificates, chain: []*x509.Certificate{{}}, want: []string{}},
		{name: "a certificate that nobody verified", config: certificates, sent: []*x509.Certificate{person}},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "web.yml")
			if test.config != "" {
				if err := os.WriteFile(file, []byte(test.config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if test.user != "" {
				r.SetBasicAuth(test.user, "x")
			}
			r.TLS = &tls.ConnectionState{PeerCertificates: test.sent}
			if test.chain != nil {
				r.TLS.VerifiedChains = [][]*x509.Certificate{test.chain}
			}
			if diff := cmp.Diff(test.want, testFlags(t, "--web.config.file="+file).Users().Of(r)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if got := (Users{}).Of(r); got != nil {
				t.Errorf("without flags the names are %q", got)
			}
		})
	}
}

func TestCheckUser(t *testing.T) {
	for _, test := range []struct{ config, user, want string }{
		{"basic_auth_users: {alice: hash}", "alice", ""},
		{"basic_auth_users: {alice: hash}", "bob", `"bob" is not among the basic_auth_users of `},
		{"tls_server_config: {client_auth_type: RequireAndVerifyClientCert}", "bob", ""},
		{"tls_server_config: {client_auth_type: VerifyClientCertIfGiven}", "bob", ""},
		{"tls_server_config: {client_auth_type: RequireAnyClientCert}", "bob", "verifies no certificates"},
		{"tls_server_config: {cert_file: x}", "bob", "nobody has a name"},
		{"basic_auth_users: [s3cr3t]", "bob", "does not belong here"},
	} {
		file := filepath.Join(t.TempDir(), "web.yml")
		if err := os.WriteFile(file, []byte(test.config), 0o600); err != nil {
			t.Fatal(err)
		}
		err := testFlags(t, "--web.config.file="+file).Users().Check(test.user)
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cr3t")) {
			t.Errorf("%s: error %v, want %q", test.config, err, test.want)
		}
	}
	if err := testFlags(t).Users().Check("alice"); err == nil || !strings.Contains(err.Error(), "without --web.config.file") {
		t.Errorf("without a file: error %v", err)
	}
}
