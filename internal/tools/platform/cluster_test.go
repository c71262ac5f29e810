package platform

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// patience is how long the lab waits for what must happen: far longer than it
// takes on the busiest machine, because only a test that fails waits so long.
const patience = 2 * time.Minute

// eventually polls until ok returns "", and fails the test with its last answer.
func eventually(t *testing.T, ok func() string) {
	t.Helper()
	if answer := within(patience, ok); answer != "" {
		t.Fatalf("not after %s: %s", patience, answer)
	}
}

// within polls until ok returns "" or the time is over, and returns its last answer.
func within(limit time.Duration, ok func() string) (answer string) {
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		if answer = ok(); answer == "" || time.Now().After(end) {
			return answer
		}
	}
}

// start starts a server of the lab, which ends with the test. What it prints is
// logged if the test fails.
func start(t *testing.T, program string, args ...string) (ended <-chan error) {
	t.Helper()
	var output bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // It may be gone. Nothing of the lab outlives it.
		<-done
		if t.Failed() {
			lines := bytes.Split(bytes.TrimSpace(output.Bytes()), []byte("\n"))
			t.Logf("the end of what %s printed:\n%s", filepath.Base(program), bytes.Join(lines[max(0, len(lines)-30):], []byte("\n")))
		}
	})
	return done
}

// freePort returns a port of 127.0.0.1 that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// authority signs the certificates of one lab.
type authority struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	a := &authority{dir: dir}
	a.issue(t, "ca", &x509.Certificate{
		Subject: pkix.Name{CommonName: "lab"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	return a
}

// file returns where the lab has a certificate or key.
func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue writes name.crt and name.key.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert == nil {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		a.key = key
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// client issues the certificate of a user.
func (a *authority) client(t *testing.T, user string, groups ...string) rest.TLSClientConfig {
	t.Helper()
	a.issue(t, user, &x509.Certificate{
		Subject: pkix.Name{CommonName: "system:" + user, Organization: groups}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return rest.TLSClientConfig{CAFile: a.file("ca.crt"), CertFile: a.file(user + ".crt"), KeyFile: a.file(user + ".key")}
}

// startCluster starts etcd, an API server and a controller manager from bin on
// loopback, and returns how an administrator reaches them.
func startCluster(t *testing.T, bin string) *rest.Config {
	t.Helper()
	dir := t.TempDir()
	a := newAuthority(t, dir)
	a.issue(t, "server", &x509.Certificate{
		Subject: pkix.Name{CommonName: "kube-apiserver"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	a.issue(t, "accounts", &x509.Certificate{Subject: pkix.Name{CommonName: "accounts"}}) // Signs tokens.
	etcd, peer, api := freePort(t), freePort(t), freePort(t)
	local := func(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }
	start(t, filepath.Join(bin, "etcd"), "--data-dir="+filepath.Join(dir, "etcd"), "--unsafe-no-fsync", "--log-level=error",
		"--listen-client-urls="+local(etcd), "--advertise-client-urls="+local(etcd),
		"--listen-peer-urls="+local(peer), "--initial-advertise-peer-urls="+local(peer), "--initial-cluster=default="+local(peer))
	ended := start(t, filepath.Join(bin, "kube-apiserver"), "--etcd-servers="+local(etcd),
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", api), "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file="+a.file("server.crt"), "--tls-private-key-file="+a.file("server.key"), "--client-ca-file="+a.file("ca.crt"),
		"--authorization-mode=RBAC", "--anonymous-auth=false", "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+a.file("accounts.key"), "--service-account-signing-key-file="+a.file("accounts.key"))
	config := &rest.Config{
		Host: fmt.Sprintf("https://127.0.0.1:%d", api), QPS: 500, Burst: 1000,
		TLSClientConfig: a.client(t, "administrator", "system:masters"),
	}
	ready(t, config, ended)
	manager := a.client(t, "kube-controller-manager")
	kubeconfig := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: lab,
clusters: [{name: lab, cluster: {server: %q, certificate-authority: %q}}],
users: [{name: lab, user: {client-certificate: %q, client-key: %q}}],
contexts: [{name: lab, context: {cluster: lab, user: lab}}]}
`, config.Host, manager.CAFile, manager.CertFile, manager.KeyFile)
	if err := os.WriteFile(a.file("kubeconfig"), []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	// Nodes are objects that nobody stands behind: their silence means nothing.
	start(t, filepath.Join(bin, "kube-controller-manager"), "--kubeconfig="+a.file("kubeconfig"), "--leader-elect=false", "--secure-port=0", "--use-service-account-credentials",
		"--controllers=*,-node-lifecycle-controller", "--kube-api-qps=500", "--kube-api-burst=1000",
		"--service-account-private-key-file="+a.file("accounts.key"), "--root-ca-file="+a.file("ca.crt"))
	return config
}

// ready waits for the API server.
func ready(t *testing.T, config *rest.Config, ended <-chan error) {
	t.Helper()
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		select {
		case err := <-ended:
			t.Fatalf("the API server ended: %v", err)
		default:
		}
		if err := client.RESTClient().Get().AbsPath("/readyz").Do(t.Context()).Error(); err != nil {
			return err.Error()
		}
		return ""
	})
}
