package node

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// newCertificate returns a certificate in DER that expires at the given time, and its key.
func newCertificate(t testing.TB, notAfter time.Time) (der, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(1, 0), NotAfter: notAfter}
	der, err = x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err = x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestCertificates(t *testing.T) {
	late, key := newCertificate(t, time.Unix(2_000_000_000, 0))
	early, _ := newCertificate(t, time.Unix(1_900_000_000, 0))
	root := t.TempDir()
	write(t, root, map[string]string{
		"etc/tls/chain.pem": inPEM("PRIVATE KEY", key) + inPEM("CERTIFICATE", late) + inPEM("CERTIFICATE", early),
		"etc/tls/leaf.pem":  "Subject: somebody\n" + inPEM("CERTIFICATE", late),
		"etc/tls/leaf.der":  string(early),
		"etc/tls/key.pem":   inPEM("PRIVATE KEY", key),
	})
	if err := syscall.Mkfifo(filepath.Join(root, "etc/tls/fifo.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := newCertificates(root, []string{"/etc/tls/*.pem", "/etc/tls/leaf.*", "/etc/missing.pem", "/etc/none/*.pem"})
	if err != nil {
		t.Fatal(err)
	}
	var failure error
	metrictest.Golden(t, alone{c, &failure}, "testdata/certificate/metrics.prom")
	if failure == nil {
		t.Fatal("no error, want one for each bad file")
	}
	text := failure.Error()
	for _, want := range []string{"/etc/missing.pem: ", "/etc/tls/fifo.pem: not a regular file", "/etc/tls/key.pem: no certificate in it"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if n := strings.Count(text, "\n") + 1; n != 3 {
		t.Errorf("%d errors, want 3:\n%s", n, text)
	}
	if _, err := newCertificates("/", []string{"["}); !errors.Is(err, filepath.ErrBadPattern) {
		t.Errorf("error = %v, want ErrBadPattern", err)
	}
}

func TestCertificatesLimits(t *testing.T) {
	der, _ := newCertificate(t, time.Unix(2_000_000_000, 0))
	file := filepath.Join(t.TempDir(), "cert.pem")
	text := inPEM("CERTIFICATE", der)
	for size, ok := range map[int]bool{maxCertificateFile - 1: true, maxCertificateFile: true, maxCertificateFile + 1: false} {
		padded := text + strings.Repeat("\n", size-len(text))
		if err := os.WriteFile(file, []byte(padded), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readCertificates(file); (err == nil) != ok {
			t.Errorf("%d bytes: error = %v", size, err)
		}
	}
	dir := t.TempDir()
	c, err := newCertificates(dir, []string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{maxCertificateFiles, maxCertificateFiles + 1} {
		for i := range n {
			if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i%26))+strings.Repeat("x", i/26)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var failure error
		exposed := metrictest.Exposition(t, alone{c, &failure})
		if failure != nil {
			t.Error(failure)
		}
		if got := bytes.Count(exposed, []byte("\nnode_certificate_not_after_timestamp_seconds{")); got != maxCertificateFiles {
			t.Errorf("%d files: %d have metrics", n, got)
		}
		want := "node_certificate_files_left_out 0\n"
		if n > maxCertificateFiles {
			want = "node_certificate_files_left_out 1\n"
		}
		if !bytes.Contains(exposed, []byte(want)) {
			t.Errorf("%d files: want %s", n, want)
		}
	}
}

func TestCertificateFilesOfThisHost(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.pem": "", "b.pem": ""})
	c, err := newCertificates("/", []string{dir + "/*.pem", dir + "//a.pem"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{dir + "/a.pem", dir + "/b.pem"}, c.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// FuzzCertificates holds that an error brings no time, and that there is no time
// without a certificate.
func FuzzCertificates(f *testing.F) {
	der, key := newCertificate(f, time.Unix(2_000_000_000, 0))
	f.Add([]byte(inPEM("CERTIFICATE", der)))
	f.Add([]byte(inPEM("PRIVATE KEY", key)))
	f.Add(der)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		notAfter, err := parseCertificates(bytes.NewReader(data))
		if err != nil && !notAfter.IsZero() {
			t.Errorf("time %v and error %v", notAfter, err)
		}
		if err == nil && len(data) < 100 {
			t.Errorf("a certificate of %d bytes", len(data))
		}
	})
}
