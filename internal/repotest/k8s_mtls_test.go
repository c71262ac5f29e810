package repotest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// authority signs certificates as the issuers of k8s/components/mtls do.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// sign returns a certificate and its key in PEM; without an authority yet it
// signs itself and becomes it.
func (a *authority) sign(name string, usage x509.ExtKeyUsage) (cert, key []byte) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage, template.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
		parent, signer = template, private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			a.t.Fatal(err)
		}
		a.key = private
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// TestMTLSWebConfig serves with the component's web configuration: Prometheus
// gets in, and no one else.
func TestMTLSWebConfig(t *testing.T) {
	dir := t.TempDir()
	a := &authority{t: t}
	ca, _ := a.sign("ca", x509.ExtKeyUsageAny)
	cert, key := a.sign("exporters.dmarc-monitoring.svc", x509.ExtKeyUsageServerAuth)
	config, err := os.ReadFile(filepath.Join(root, "k8s/components/mtls/web.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"ca.crt": ca, "tls.crt": cert, "tls.key": key, "web.yml": []byte(strings.ReplaceAll(string(config), "/etc/web/tls", dir)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	file, socket := filepath.Join(dir, "web.yml"), false
	done := make(chan error, 1)
	go func() {
		done <- web.Serve(listener, server, &web.FlagConfig{WebConfigFile: &file, WebSystemdSocket: &socket}, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})

	get := func(certificates ...tls.Certificate) error {
		pool := x509.NewCertPool()
		pool.AddCert(a.cert)
		client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: pool, ServerName: "exporters.dmarc-monitoring.svc", Certificates: certificates,
		}}}
		defer client.CloseIdleConnections()
		resp, err := client.Get("https://" + listener.Addr().String())
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	pair := func(name string, usage x509.ExtKeyUsage) tls.Certificate {
		cert, key := a.sign(name, usage)
		p, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := get(pair("prometheus.dmarc-monitoring.svc", x509.ExtKeyUsageClientAuth)); err != nil {
		t.Errorf("Prometheus: %v", err)
	}
	if get() == nil {
		t.Errorf("a client without a certificate gets in")
	}
	if get(pair("other.dmarc-monitoring.svc", x509.ExtKeyUsageClientAuth)) == nil {
		t.Errorf("another client of the same authority gets in")
	}
}
