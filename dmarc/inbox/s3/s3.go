package s3

import (
	"crypto/tls"

	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/s3"
)

// Config configures a bucket.
type Config struct {
	inbox.Polling
	// Endpoint is the address of the service; empty means Amazon S3 in Region.
	Endpoint string
	// InsecureHTTP allows an endpoint without TLS that is not on this machine.
	InsecureHTTP bool
	// TLS may be nil.
	TLS *tls.Config
	// Region is where the bucket is; empty means us-east-1 where Endpoint is given.
	Region string
	Bucket string
	// Prefix is how the keys of objects begin that are read; empty means all.
	Prefix string
	// PathStyle puts the bucket into the path of requests instead of the name of the
	// host; nil means that for all services but Amazon S3.
	PathStyle *bool
	// AccessKeyID and Secret are a key. Without it AWS_ACCESS_KEY_ID and
	// AWS_SECRET_ACCESS_KEY are used, then the shared credentials file, and then the
	// role of the container or the machine.
	AccessKeyID string
	// Secret is called for each request.
	Secret func() (string, error)
	// CredentialsFile is a shared credentials file, and Profile one of its sections.
	CredentialsFile, Profile string
	// After says what happens to objects that are done: Keep, Move, Delete or Tag.
	After inbox.After
	// MovedPrefix is where Move moves objects.
	MovedPrefix string
	// RefusedPrefix is where refused objects move, below the reason. Empty leaves them
	// where they are, with a tag for Tag.
	RefusedPrefix string
}

// New returns a source that reads the objects of a bucket: mails that Amazon SES puts
// there, or whatever else is uploaded. Objects are known by key and ETag.
func New(c Config) (inbox.Source, error) {
	return inbox.NewSource(func(o ingest.Options) (ingest.Source, error) {
		return s3.New(s3.Config{
			Options: c.With(o), Endpoint: c.Endpoint, InsecureHTTP: c.InsecureHTTP, TLS: c.TLS, Region: c.Region, Bucket: c.Bucket, Prefix: c.Prefix,
			PathStyle:   c.PathStyle,
			Credentials: s3.Credentials{AccessKeyID: c.AccessKeyID, Secret: c.Secret, File: c.CredentialsFile, Profile: c.Profile},
			After:       ingest.After(c.After), MovedPrefix: c.MovedPrefix, RefusedPrefix: c.RefusedPrefix,
		})
	})
}
