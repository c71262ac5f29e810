package realtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// DovecotPassword is the password of every user of a DovecotServer.
const DovecotPassword = "hunter2-of-the-tests"

// DovecotServer is a private Dovecot on loopback ports. It knows every user,
// with DovecotPassword or with a token that a server at Introspection confirms.
type DovecotServer struct {
	*Process
	// IMAP (also with STARTTLS), IMAPS, LMTP and POP3 are host:port.
	IMAP, IMAPS, LMTP, POP3 string
	// Introspection is the host:port where Dovecot asks whether a token is good
	// (RFC 7662). Nobody listens there until the test does.
	Introspection string
	// Dir is the directory of the server; it is removed after the test.
	Dir string

	roots    *x509.CertPool
	uid, gid int // of the mails
	seeded   int
}

// Dovecot starts a Dovecot with further settings, a line each, such as
// "imap_capability = IMAP4rev1".
func Dovecot(t testing.TB, settings ...string) *DovecotServer {
	t.Helper()
	Need(t, "dovecot")
	dir, err := os.MkdirTemp("", "dovecot") // A short path, as sockets need it.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &DovecotServer{Dir: dir, roots: x509.NewCertPool(), uid: os.Getuid(), gid: os.Getgid()}
	for _, address := range []*string{&s.IMAP, &s.IMAPS, &s.LMTP, &s.POP3, &s.Introspection} {
		*address = FreeAddress(t)
	}
	s.certify(t)
	s.configure(t, settings)
	t.Cleanup(func() {
		if s.Process != nil {
			s.Stop()
		}
	})
	s.Restart(t)
	return s
}

// Stop ends the server and all its connections.
func (s *DovecotServer) Stop() {
	s.Process.Stop()
	// Idle sessions would outlive the master.
	_ = syscall.Kill(-s.Pid(), syscall.SIGKILL)
}

// TLS returns a configuration that trusts the server.
func (s *DovecotServer) TLS() *tls.Config {
	return &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}
}

// Restart starts the server if it was stopped, and waits until it answers.
func (s *DovecotServer) Restart(t testing.TB) {
	t.Helper()
	if s.Process != nil {
		s.Stop()
	}
	cmd := exec.Command(Need(t, "dovecot")["dovecot"], "-F", "-c", s.path("dovecot.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.Process = Start(t, cmd)
	s.WaitFor(t, Dial("tcp", s.IMAP))
}

// Seed puts mails into a folder of a user, with "." between the names of nested
// folders, as a delivery would.
func (s *DovecotServer) Seed(t testing.TB, user, folder string, mails ...[]byte) {
	t.Helper()
	maildir := s.maildir(user, folder)
	for _, dir := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(maildir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.give(t, s.path("mail"))
	for _, mail := range mails {
		s.seeded++
		name := fmt.Sprintf("%d.%d_%d.test", time.Now().Unix(), os.Getpid(), s.seeded)
		temporary := filepath.Join(maildir, "tmp", name)
		if err := os.WriteFile(temporary, mail, 0o600); err != nil {
			t.Fatal(err)
		}
		s.give(t, temporary)
		if err := os.Rename(temporary, filepath.Join(maildir, "new", name)); err != nil {
			t.Fatal(err)
		}
	}
}

// Mails returns the files of the mails in a folder of a user. Their names end in
// the flags; a folder that does not exist holds none.
func (s *DovecotServer) Mails(t testing.TB, user, folder string) []string {
	t.Helper()
	var files []string
	for _, dir := range []string{"new", "cur"} {
		found, err := filepath.Glob(filepath.Join(s.maildir(user, folder), dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

// Folders returns the names of the folders of a user, INBOX first.
func (s *DovecotServer) Folders(t testing.TB, user string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.maildir(user, "INBOX"), ".*", "cur"))
	if err != nil {
		t.Fatal(err)
	}
	folders := []string{"INBOX"}
	for _, path := range found {
		folders = append(folders, strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "."))
	}
	slices.Sort(folders[1:])
	return folders
}

// Renumber restarts the server without its knowledge of which UID a mail of a
// folder had, so that the folder has another UIDVALIDITY when it is selected next.
func (s *DovecotServer) Renumber(t testing.TB, user, folder string) {
	t.Helper()
	s.Stop()
	// What is left, dovecot-uidvalidity, keeps the server from taking the same one again.
	found, _ := filepath.Glob(filepath.Join(s.maildir(user, folder), "dovecot.*")) // The pattern is well formed.
	for _, path := range append(found, filepath.Join(s.maildir(user, folder), "dovecot-uidlist")) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	s.Restart(t)
}

func (s *DovecotServer) path(name string) string { return filepath.Join(s.Dir, name) }

// maildir returns the directory of a folder.
func (s *DovecotServer) maildir(user, folder string) string {
	if strings.EqualFold(folder, "INBOX") {
		return filepath.Join(s.path("mail"), user)
	}
	return filepath.Join(s.path("mail"), user, "."+folder)
}

// give gives path and what is below to the owner of the mails.
func (s *DovecotServer) give(t testing.TB, path string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), "dovecot") {
			return nil // The server may be at work there.
		}
		_ = os.Chown(path, s.uid, s.gid) // It may be gone.
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// certify makes a certificate for localhost and 127.0.0.1.
func (s *DovecotServer) certify(t testing.TB) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	s.roots.AppendCertsFromPEM(public)
	s.write(t, "cert.pem", string(public))
	s.write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

func (s *DovecotServer) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dovecotConfig is for os.Expand.
const dovecotConfig = `base_dir = $dir/run
state_dir = $dir/state
log_path = /dev/stderr
listen = 127.0.0.1
protocols = imap pop3 lmtp
ssl = yes
ssl_cert = <$dir/cert.pem
ssl_key = <$dir/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
mail_location = maildir:$dir/mail/%u
mail_uid = $uid
mail_gid = $gid
first_valid_uid = 1
first_valid_gid = 1
mail_fsync = never
mail_max_userip_connections = 100
passdb {
  driver = static
  mechanisms = plain login
  args = password=$password
}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = $dir/oauth2.conf
}
userdb {
  driver = static
  args = uid=$uid gid=$gid home=$dir/mail/%u allow_all_users=yes
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $imap
  }
  inet_listener imaps {
    port = $imaps
    ssl = yes
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = $pop3
  }
  inet_listener pop3s {
    port = 0
  }
}
service lmtp {
  inet_listener lmtp {
    port = $lmtp
  }
}
namespace inbox {
  inbox = yes
}
`

// configure writes the configuration. Mails belong to the user "mail" when the
// test runs as root, which Dovecot does not let read mails.
func (s *DovecotServer) configure(t testing.TB, settings []string) {
	t.Helper()
	if err := os.Chmod(s.Dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.path("mail"), 0o711); err != nil {
		t.Fatal(err)
	}
	text := dovecotConfig
	if os.Getuid() == 0 {
		owner, err := user.Lookup("mail")
		if err != nil {
			t.Skipf("running as root, and there is no user for the mails: %v", err)
		}
		s.uid, _ = strconv.Atoi(owner.Uid)
		s.gid, _ = strconv.Atoi(owner.Gid)
	} else {
		me, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		text += "default_login_user = " + me.Username + "\ndefault_internal_user = " + me.Username +
			"\ndefault_internal_group = " + strconv.Itoa(s.gid) + "\n"
	}
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	values := map[string]string{
		"dir": s.Dir, "uid": strconv.Itoa(s.uid), "gid": strconv.Itoa(s.gid), "password": DovecotPassword,
		"imap": port(s.IMAP), "imaps": port(s.IMAPS), "pop3": port(s.POP3), "lmtp": port(s.LMTP),
	}
	text = os.Expand(text, func(name string) string { return values[name] })
	s.write(t, "dovecot.conf", text+strings.Join(settings, "\n")+"\n")
	s.write(t, "oauth2.conf", "introspection_url = http://"+s.Introspection+"/introspect\n"+
		"introspection_mode = post\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n")
	s.give(t, s.path("mail"))
}
