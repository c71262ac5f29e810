package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// batch is how many reports are offered at once by peers. Half as many come each as
// files, mails and objects.
const batch = 20

// sources are where replicas have reports from.
type sources struct {
	home, dir, after string
	peers            *peers
	dovecot          *realtest.DovecotServer
	bucket           *bucket
	inputs           int // of the directory, the mailbox and the bucket
}

func newSources(t *testing.T, after string) *sources {
	s := &sources{home: t.TempDir(), dir: t.TempDir(), after: after, dovecot: realtest.Dovecot(t), bucket: newBucket(t)}
	s.dovecot.Seed(t, mailUser, "INBOX")
	for name, secret := range map[string]string{"password": realtest.DovecotPassword, "s3": s.bucket.secret} {
		if err := os.WriteFile(filepath.Join(s.home, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// socket is where a replica listens for LMTP. On machines of their own all have
// the same configuration.
func (s *sources) socket(i int) string { return filepath.Join(s.dovecot.Dir, fmt.Sprint("lmtp", i)) }

// config writes the configuration of a replica.
func (s *sources) config(t *testing.T, i int) string {
	t.Helper()
	path := filepath.Join(s.home, fmt.Sprintf("config%d.yml", i))
	text := fmt.Sprintf(`sources:
  http: {}
  smtp:
  - {listen: "unix:%s", lmtp: true, recipients: [reports@example.com]}
  imap:
  - address: %s
    tls: {ca_file: %s}
    username: %s
    password: {file: password}
    poll: 1s
    counted: {action: move, folder: Done}
    known: {action: move, folder: Done}
  s3:
  - bucket: reports
    prefix: in/
    region: %s
    endpoint: %s
    access_key_id: %s
    secret_access_key: {file: s3}
    after: delete
    poll: 1s
`, s.socket(i), s.dovecot.IMAPS, filepath.Join(s.dovecot.Dir, "cert.pem"), mailUser, s.bucket.region, s.bucket.endpoint, s.bucket.id)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// offer brings reports to all sources.
func (s *sources) offer(t *testing.T) {
	t.Helper()
	s.peers.offer(batch)
	for range batch / 2 {
		s.inputs++
		report := func(kind string) []byte { return ingesttest.Report(fmt.Sprint(kind, s.inputs), 1) }
		path := filepath.Join(s.dir, fmt.Sprintf("%d.xml", s.inputs))
		if err := os.WriteFile(path, report("f"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.dovecot.Seed(t, mailUser, "INBOX", letter(t, fmt.Sprint(s.inputs), report("m"), s.inputs%2 == 0))
		s.bucket.put(t, fmt.Sprint("in/", s.inputs), report("o"))
	}
}

// offered returns what was.
func (s *sources) offered() sums {
	return sums{s.peers.messages + 3*int64(s.inputs), int64(s.peers.offered) + 3*int64(s.inputs)}
}

// waiting returns how many inputs are not put away.
func (s *sources) waiting(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files) + len(s.dovecot.Mails(t, mailUser, "INBOX")) + s.bucket.objects(t)
}

// drain waits until everything was taken.
func (s *sources) drain(t *testing.T) {
	t.Helper()
	eventually(t, "everything confirmed", s.peers.idle)
	eventually(t, "everything put away", func() bool { return s.waiting(t) == 0 })
}

// bucket is a bucket of an object storage: of a fake one, or with S3_LAB of a
// real server, which make scale-lab builds.
type bucket struct {
	endpoint, region, id, secret string
	put                          func(t *testing.T, key string, content []byte)
	objects                      func(t *testing.T) int
}

func newBucket(t *testing.T) *bucket {
	program := os.Getenv("S3_LAB")
	if program == "" {
		fake := servers.NewBucket(t)
		return &bucket{
			endpoint: fake.URL, region: fake.Region, id: fake.ID, secret: fake.Secret,
			put:     func(_ *testing.T, key string, content []byte) { fake.Put(key, content) },
			objects: func(*testing.T) int { return len(fake.Objects("in/")) },
		}
	}
	b := &bucket{region: "us-east-1", id: "lab-id", secret: "lab-s3cr3t"}
	address, dir := realtest.FreeAddress(t), t.TempDir()
	for _, name := range []string{"data", "sidecar"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	process := realtest.Start(t, exec.Command(program, "--port", address, "--access", b.id, "--secret", b.secret,
		"posix", "--sidecar", filepath.Join(dir, "sidecar"), filepath.Join(dir, "data")))
	process.WaitFor(t, func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	client, err := minio.New(address, &minio.Options{Creds: credentials.NewStaticV4(b.id, b.secret, ""), Region: b.region})
	if err == nil {
		err = client.MakeBucket(t.Context(), "reports", minio.MakeBucketOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.endpoint = "http://" + address
	b.put = func(t *testing.T, key string, content []byte) {
		t.Helper()
		if _, err := client.PutObject(t.Context(), "reports", key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	b.objects = func(t *testing.T) (n int) {
		t.Helper()
		for o := range client.ListObjectsIter(t.Context(), "reports", minio.ListObjectsOptions{Prefix: "in/", Recursive: true}) {
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			n++
		}
		return n
	}
	return b
}
