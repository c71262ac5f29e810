package dmarcconfig

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// authServer answers requests for tokens with what check says of them.
func authServer(t *testing.T, check func(r *http.Request) (answer map[string]any, status int)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // what there is
		answer, status := check(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// good is the answer with a token.
func good(more ...any) (map[string]any, int) {
	answer := map[string]any{"access_token": "good", "token_type": "Bearer", "expires_in": 3600}
	for i := 0; i < len(more); i += 2 {
		answer[more[i].(string)] = more[i+1]
	}
	return answer, http.StatusOK
}

func bad(reason string) (map[string]any, int) {
	return map[string]any{"error": reason}, http.StatusBadRequest
}

// token gets one by a configuration.
func token(t *testing.T, c *OAuth2) {
	t.Helper()
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	got, err := newTokens(c, "reports@example.com", slog.New(slog.DiscardHandler)).get(t.Context(), false)
	if err != nil || got != "good" {
		t.Errorf("token %q, error %v", got, err)
	}
}

// keyPair writes a key and its certificate.
func keyPair(t *testing.T) (key *rsa.PrivateKey, certificate []byte, certFile, keyFile string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, certificate, writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})), writeFile(t, privateKey(t, key))
}

func privateKey(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readJWT returns the head, the claims and what is signed of a JWT.
func readJWT(text string) (head, claims map[string]any, signed string, signature []byte) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, nil, "", nil
	}
	for i, into := range []*map[string]any{&head, &claims} {
		part, _ := base64.RawURLEncoding.DecodeString(parts[i])
		_ = json.Unmarshal(part, into)
	}
	signature, _ = base64.RawURLEncoding.DecodeString(parts[2])
	return head, claims, parts[0] + "." + parts[1], signature
}

func TestCertificate(t *testing.T) {
	key, certificate, certFile, keyFile := keyPair(t)
	url := ""
	url = authServer(t, func(r *http.Request) (map[string]any, int) {
		head, claims, signed, signature := readJWT(r.Form.Get("client_assertion"))
		sum, digest := sha256.Sum256([]byte(signed)), sha256.Sum256(certificate)
		switch {
		case r.Form.Get("grant_type") != "client_credentials", r.Form.Get("client_id") != "app", r.Form.Get("client_secret") != "":
			return bad(fmt.Sprint("form ", r.Form))
		case r.Form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
			return bad("type")
		case head["alg"] != "PS256" || head["x5t#S256"] != base64.RawURLEncoding.EncodeToString(digest[:]):
			return bad(fmt.Sprint("head ", head))
		case claims["aud"] != url || claims["iss"] != "app" || claims["sub"] != "app" || claims["jti"] == "":
			return bad(fmt.Sprint("claims ", claims))
		case claims["exp"].(float64) < float64(time.Now().Unix()):
			return bad("expired")
		}
		if err := rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, sum[:], signature, nil); err != nil {
			return bad("signature")
		}
		return good()
	})
	token(t, &OAuth2{TokenURL: url, ClientID: "app", CertFile: config.Path(certFile), KeyFile: config.Path(keyFile), Scopes: []string{"s/.default"}})
}

func TestFederatedToken(t *testing.T) {
	url := authServer(t, func(r *http.Request) (map[string]any, int) {
		if r.Form.Get("client_assertion") != "from-kubernetes" {
			return bad("assertion")
		}
		return good()
	})
	token(t, &OAuth2{TokenURL: url, ClientID: "app", FederatedTokenFile: config.Path(writeFile(t, []byte("from-kubernetes\n"))), Scopes: []string{"s/.default"}})
}

func TestManagedIdentity(t *testing.T) {
	check := func(header, value, version string) func(r *http.Request) (map[string]any, int) {
		return func(r *http.Request) (map[string]any, int) {
			if r.Header.Get(header) != value || r.Form.Get("api-version") != version || r.Form.Get("resource") != "https://graph.microsoft.com" || r.Form.Get("client_id") != "mine" {
				return bad(fmt.Sprint(r.Header, r.Form))
			}
			return good("expires_in", "86399")
		}
	}
	c := OAuth2{ManagedIdentity: true, ClientID: "mine", Scopes: []string{"https://graph.microsoft.com/.default"}}
	c.TokenURL = authServer(t, check("Metadata", "true", "2018-02-01"))
	token(t, &c)
	c.TokenURL = ""
	t.Setenv("IDENTITY_ENDPOINT", authServer(t, check("X-Identity-Header", "secret", "2019-08-01")))
	t.Setenv("IDENTITY_HEADER", "secret")
	token(t, &c)
}

func TestServiceAccount(t *testing.T) {
	key, _, _, _ := keyPair(t)
	url := ""
	url = authServer(t, func(r *http.Request) (map[string]any, int) {
		head, claims, signed, signature := readJWT(r.Form.Get("assertion"))
		sum := sha256.Sum256([]byte(signed))
		switch {
		case r.Form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || head["alg"] != "RS256" || head["kid"] != "key-1":
			return bad("head")
		case claims["iss"] != "robot@project.example" || claims["sub"] != "reports@example.com" || claims["aud"] != url || claims["scope"] != "https://www.googleapis.com/auth/gmail.modify":
			return bad(fmt.Sprint("claims ", claims))
		}
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
			return bad("signature")
		}
		return good()
	})
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "robot@project.example", "private_key_id": "key-1", "private_key": string(privateKey(t, key)), "token_uri": url,
	})
	if err != nil {
		t.Fatal(err)
	}
	token(t, &OAuth2{ServiceAccount: config.NewSecret(string(text)), Scopes: []string{"https://www.googleapis.com/auth/gmail.modify"}})
	_, err = newTokens(&OAuth2{ServiceAccount: config.NewSecret(testSecret), Scopes: []string{"x"}}, "u", nil).get(t.Context(), false)
	if err == nil || strings.Contains(err.Error(), testSecret) {
		t.Errorf("error %v, want one without the key", err)
	}
}

// TestLogin signs in by a code, keeps the refresh token, and the one that comes
// in its place, for its owner alone.
func TestLogin(t *testing.T) {
	var polls atomic.Int64
	url := authServer(t, func(r *http.Request) (map[string]any, int) {
		switch {
		case r.URL.Path == "/devicecode":
			return map[string]any{"device_code": "device", "user_code": "ABCD-EFGH", "verification_uri": "https://login.example/device", "expires_in": 60, "interval": 1}, http.StatusOK
		case r.Form.Get("client_id") != "app":
			return bad("client")
		case r.Form.Get("grant_type") == "urn:ietf:params:oauth:grant-type:device_code":
			if r.Form.Get("device_code") != "device" || polls.Add(1) == 1 {
				return bad("authorization_pending")
			}
			return good("refresh_token", "first")
		case r.Form.Get("refresh_token") == "first":
			return good("refresh_token", "second")
		case r.Form.Get("refresh_token") == "second":
			return good()
		}
		return bad("invalid_grant")
	})
	path := filepath.Join(t.TempDir(), "token")
	c := &OAuth2{TokenURL: url + "/token", DeviceURL: url + "/devicecode", ClientID: "app", TokenFile: config.Path(path), Scopes: []string{"x", "offline_access"}}
	sources := Sources{Graph: []Webmail{{User: "other@example.com"}, {User: "reports@example.com", OAuth2: c}}}
	before := newTokens(c, "reports@example.com", slog.New(slog.DiscardHandler))
	if _, err := before.get(t.Context(), false); err == nil || !strings.Contains(err.Error(), "run dmarc_exporter login") {
		t.Errorf("error %v before the login, want what to do", err)
	}
	if err := sources.Login(t.Context(), "other@example.com", &bytes.Buffer{}); err == nil {
		t.Error("a login without a token_file")
	}
	var out bytes.Buffer
	if err := sources.Login(t.Context(), "", &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"https://login.example/device", "ABCD-EFGH", "reports@example.com", path} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("output %q, want %q in it", &out, want)
		}
	}
	if polls.Load() != 2 {
		t.Errorf("%d polls, want 2", polls.Load())
	}
	for _, want := range []string{"first", "second", "second"} {
		text, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || strings.TrimSpace(string(text)) != want || info.Mode().Perm() != 0o600 {
			t.Fatalf("token %q (%v), want %s for its owner alone", text, err, want)
		}
		token(t, c)
	}
	// A running exporter takes the token of a later login.
	if got, err := before.get(t.Context(), false); got != "good" || err != nil {
		t.Errorf("token %q, error %v after the login", got, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sources.Login(ended, "", &out); err == nil {
		t.Error("a login without an answer")
	}
}

func TestDeviceURL(t *testing.T) {
	c := OAuth2{TokenURL: "https://login.microsoftonline.com/common/oauth2/v2.0/token"}
	if got, err := c.deviceURL(); got != "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode" || err != nil {
		t.Errorf("%q, error %v", got, err)
	}
	c.TokenURL = "https://oauth2.example/token"
	if _, err := c.deviceURL(); err == nil {
		t.Error("no error without an address")
	}
}
