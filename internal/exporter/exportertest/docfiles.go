package exportertest

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// documentedFile is a key of a configuration that names a file which must be
// there; the key file alone does so in a mapping that stands for a secret.
var documentedFile = regexp.MustCompile(`\b((?:password|ca|cert|key|dsn)_file|[a-z0-9_]+: *\{file): *([^\s,}]+)`)

// DocumentedConfig writes a configuration that a page shows to a file and
// returns its path. Files that it names get content of their kind first.
func DocumentedConfig(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	certificate, key := selfSigned(t)
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := write("secret", "x\n")
	files := map[string]string{
		"password_file": write("password", "x\n"), "dsn_file": write("dsn", "postgresql://host/db\n"),
		"ca_file": write("ca.pem", certificate), "cert_file": write("cert.pem", certificate), "key_file": write("key.pem", key),
	}
	text = documentedFile.ReplaceAllStringFunc(text, func(found string) string {
		if key, _, ok := strings.Cut(found, "{"); ok {
			return key + "{file: " + secret
		}
		name, _, _ := strings.Cut(found, ":")
		return name + ": " + files[name]
	})
	return write("config.yml", text)
}

// selfSigned returns a certificate and its key in PEM.
func selfSigned(t testing.TB) (certificate, key string) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<33, 0), DNSNames: []string{"mail.example"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(nil, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	return text("CERTIFICATE", der), text("PRIVATE KEY", encoded)
}
