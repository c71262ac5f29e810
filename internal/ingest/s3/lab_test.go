package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/s3"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// lab is a bucket of a real server.
type lab struct {
	endpoint, bucket string
	client           *minio.Client
}

const (
	labID     = "lab-id"
	labSecret = "lab-s3cr3t"
)

// startLab starts the server that make s3-lab has built.
func startLab(t *testing.T) *lab {
	t.Helper()
	program := os.Getenv("S3_LAB")
	if program == "" {
		t.Skip("make s3-lab tries this")
	}
	dir := t.TempDir()
	for _, name := range []string{"data", "sidecar"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	address := realtest.FreeAddress(t)
	process := realtest.Start(t, exec.Command(program, "--port", address, "--access", labID, "--secret", labSecret,
		"posix", "--sidecar", filepath.Join(dir, "sidecar"), filepath.Join(dir, "data")))
	client, err := minio.New(address, &minio.Options{Creds: credentials.NewStaticV4(labID, labSecret, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	process.WaitFor(t, func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	return &lab{endpoint: "http://" + address, client: client}
}

// fresh is another bucket of the same server.
func (l *lab) fresh(t testing.TB, n int) *lab {
	t.Helper()
	one := *l
	one.bucket = fmt.Sprint("reports-", n)
	if err := l.client.MakeBucket(t.Context(), one.bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	return &one
}

func (l *lab) put(t testing.TB, key string, content []byte) {
	t.Helper()
	if _, err := l.client.PutObject(t.Context(), l.bucket, key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
		t.Error(err)
	}
}

// keys returns the keys below a prefix.
func (l *lab) keys(t testing.TB, prefix string) (all []string) {
	t.Helper()
	for o := range l.client.ListObjectsIter(t.Context(), l.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			t.Error(o.Err)
			return nil
		}
		all = append(all, o.Key)
	}
	return all
}

// pending counts the objects below in/ that have no tag.
func (l *lab) pending(t testing.TB) (n int) {
	for _, key := range l.keys(t, "in/") {
		tags, err := l.client.GetObjectTagging(t.Context(), l.bucket, key, minio.GetObjectTaggingOptions{})
		if err != nil && minio.ToErrorResponse(err).StatusCode != 404 {
			t.Error(err)
		}
		if err == nil && tags.ToMap()[s3.Tag] == "" {
			n++
		}
	}
	return n
}

func (l *lab) config(marks ingest.Marks) s3.Config {
	return s3.Config{
		Endpoint: l.endpoint, Region: "us-east-1", Bucket: l.bucket, Prefix: "in/",
		Credentials: s3.Credentials{AccessKeyID: labID, Secret: func() (string, error) { return labSecret, nil }},
		Options:     ingest.Options{Poll: 50 * time.Millisecond, Marks: marks},
	}
}

// TestLabConforms is the suite over a real server.
func TestLabConforms(t *testing.T) {
	server := startLab(t)
	n := 0
	for _, after := range []ingest.After{ingest.AfterMove, ingest.AfterDelete, ingest.AfterTag} {
		t.Run(string(after), func(t *testing.T) {
			ingesttest.Run(t, func(t *testing.T) ingesttest.World {
				n++
				l := server.fresh(t, n)
				return ingesttest.World{
					Source:  func(t testing.TB, marks ingest.Marks) ingest.Source { return open(t, put(l.config(marks), after)) },
					Offer:   func(t testing.TB, name string, content []byte) { l.put(t, "in/"+name, content) },
					Pending: func(t testing.TB) int { return l.pending(t) },
				}
			})
		})
	}
}

// TestLabPages reads a bucket of several pages, with keys of all kinds.
func TestLabPages(t *testing.T) {
	l := startLab(t).fresh(t, 1)
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	const objects = 1100 // three pages
	for i := range objects {
		l.put(t, fmt.Sprintf("in/%d/%04d", i%7, i), ingesttest.Report(fmt.Sprint(i), 1))
	}
	odd := []string{"in/a b+c&d=é.xml", "in/%41?x#y", "in/☃", "in/a-b", "in/a.b", "in/a/b"}
	for i, key := range odd {
		l.put(t, key, ingesttest.Report(fmt.Sprint("odd", i), 1))
	}
	l.put(t, "in/AMAZON_SES_SETUP_NOTIFICATION", []byte("hello"))
	l.put(t, "in/bad", []byte("no report"))
	once(t, put(l.config(pipeline), ingest.AfterMove), pipeline.Deliver)
	left, done, refused := l.keys(t, "in/"), l.keys(t, "done/"), l.keys(t, "refused/not_a_report/")
	if n := ingesttest.Sum(store, tally.Messages); n != objects+int64(len(odd)) || len(left) != 1 || len(done) != int(n) || len(refused) != 1 {
		t.Errorf("%d messages; %d objects left, %d moved, %d refused", n, len(left), len(done), len(refused))
	}
}

// TestLabChanged writes an object again between its delivery and its delete, which
// the server must refuse by the ETag.
func TestLabChanged(t *testing.T) {
	server := startLab(t)
	for i, after := range []ingest.After{ingest.AfterMove, ingest.AfterDelete, ingest.AfterTag, ingest.AfterKeep} {
		t.Run(string(after), func(t *testing.T) {
			l := server.fresh(t, i)
			store := ingesttest.Store(t)
			pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
			l.put(t, "in/a", ingesttest.Report("first", 1))
			c := put(l.config(pipeline), after)
			changed := false
			once(t, c, ingesttest.Single(func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error) {
				r, err := ingest.Deliver(pipeline.Deliver).One(ctx, d)
				if !changed {
					changed = true
					l.put(t, "in/a", ingesttest.Report("last", 1000))
				}
				return r, err
			}))
			if got := l.keys(t, "in/"); len(got) != 1 {
				t.Errorf("what was written again is gone: %q", got)
			}
			once(t, c, pipeline.Deliver)
			if n := ingesttest.Sum(store, tally.Messages); n != 1001 {
				t.Errorf("%d messages, want 1001", n)
			}
		})
	}
}

// TestLabConditionalDelete makes sure that the server itself refuses to delete an
// object that has another ETag.
func TestLabConditionalDelete(t *testing.T) {
	l := startLab(t).fresh(t, 1)
	l.put(t, "in/a", []byte("x"))
	err := s3.RemoveIfMatch(t.Context(), l.config(nil), "in/a", strings.Repeat("0", 32))
	if left := l.keys(t, "in/"); err == nil || len(left) != 1 {
		t.Errorf("error %v, objects %q; want an error and the object", err, left)
	}
}

// TestLabErrors holds what is told of mistakes.
func TestLabErrors(t *testing.T) {
	l := startLab(t).fresh(t, 1)
	for want, change := range map[string]func(*s3.Config){
		"change region":                              func(c *s3.Config) { c.Region = "eu-west-1" },
		"there is no bucket nobody":                  func(c *s3.Config) { c.Bucket = "nobody" },
		"the server does not know the access key id": func(c *s3.Config) { c.Credentials.AccessKeyID = "other" },
		"secret access key is not that of":           func(c *s3.Config) { c.Credentials.Secret = func() (string, error) { return "wr0ng", nil } },
	} {
		c := l.config(nil)
		change(&c)
		err := open(t, c).Run(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
