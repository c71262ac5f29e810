package s3

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Config configures a Bucket.
type Config struct {
	ingest.Options
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
	// PathStyle puts the bucket into the path of requests instead of the name of
	// the host; nil means that for all services but Amazon S3.
	PathStyle   *bool
	Credentials Credentials
	// After says what happens to counted and known objects; empty means AfterKeep.
	After ingest.After
	// MovedPrefix is where AfterMove moves objects.
	MovedPrefix string
	// RefusedPrefix is where refused objects move, below the reason. Empty leaves
	// them where they are, with a tag for AfterTag.
	RefusedPrefix string
}

// FieldError is a mistake in a field of the configuration.
type FieldError struct {
	// Field is its name in a configuration file.
	Field string
	Err   error
}

// Error returns the mistake and where it is.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the mistake.
func (e *FieldError) Unwrap() error { return e.Err }

// defaultRegion is what services of one region expect in signatures.
const defaultRegion = "us-east-1"

var errMissing = errors.New("is missing")

// Check finds mistakes: each is a *FieldError.
func (c *Config) Check() error {
	fail := func(field string, err error) error { return &FieldError{field, err} }
	switch {
	case c.Bucket == "":
		return fail("bucket", errMissing)
	case s3utils.CheckValidBucketName(c.Bucket) != nil:
		return fail("bucket", fmt.Errorf("%.100q is no name of a bucket, such as dmarc-reports", c.Bucket))
	case c.Region == "" && c.Endpoint == "":
		return fail("region", errors.New("is missing: name the region of the bucket, such as eu-west-1, or an endpoint"))
	case strings.Trim(c.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return fail("region", errors.New("must be the name of a region, such as eu-west-1"))
	case strings.HasPrefix(c.Prefix, "/"):
		return fail("prefix", errors.New("must not begin with a slash: keys do not; an example is inbox/"))
	case s3utils.CheckValidObjectNamePrefix(c.Prefix) != nil:
		return fail("prefix", errors.New("must be UTF-8 of 1024 bytes at most"))
	}
	if _, err := c.endpoint(); err != nil {
		return fail("endpoint", err)
	}
	if err := c.After.Check(ingest.AfterKeep, ingest.AfterMove, ingest.AfterDelete, ingest.AfterTag); err != nil {
		return fail("after", err)
	}
	switch {
	case c.After == ingest.AfterMove && c.MovedPrefix == "":
		return fail("moved_prefix", errors.New("after: move needs a prefix, such as done/"))
	case c.After != ingest.AfterMove && c.MovedPrefix != "":
		return fail("moved_prefix", errors.New("only after: move has one"))
	}
	if err := c.checkTarget(c.MovedPrefix); err != nil {
		return fail("moved_prefix", err)
	}
	if err := c.checkTarget(c.RefusedPrefix); err != nil {
		return fail("refused_prefix", err)
	}
	return nil
}

// checkTarget finds prefixes that objects cannot move to. Below one that is
// read, those that moved are passed over; above it they would be found as new
// ones, and move again for ever.
func (c *Config) checkTarget(target string) error {
	const longest = 512 // leaves room for the rest of a key
	switch {
	case target == "":
		return nil
	case strings.HasPrefix(target, "/") || !strings.HasSuffix(target, "/") || strings.Contains(target, "//"):
		return errors.New("must end with a slash and not begin with one, such as done/")
	case len(target) > longest || s3utils.CheckValidObjectNamePrefix(target) != nil:
		return fmt.Errorf("must be UTF-8 of %d bytes at most", longest)
	case strings.HasPrefix(c.Prefix+"/", target):
		return fmt.Errorf("objects would move into %s, which is read itself, again and again; name a prefix that is not read, such as done/", target)
	}
	return nil
}

// endpoint returns the address of the service.
func (c *Config) endpoint() (*url.URL, error) {
	if c.Endpoint == "" {
		host := "s3." + c.Region + ".amazonaws.com"
		if strings.HasPrefix(c.Region, "cn-") {
			host += ".cn"
		}
		return &url.URL{Scheme: "https", Host: host}, nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		// The address may hold a password.
		return nil, errors.New("must be a URL with nothing behind the host, such as https://s3.example.com:9000; the bucket has a key of its own")
	}
	local := u.Hostname() == "localhost"
	if ip := net.ParseIP(u.Hostname()); ip != nil {
		local = ip.IsLoopback()
	}
	switch {
	case u.Scheme == "https", u.Scheme == "http" && (local || c.InsecureHTTP):
		return u, nil
	case u.Scheme == "http":
		return nil, errors.New("must begin with https://, or insecure_http must be true")
	}
	return nil, errors.New("must begin with https://, such as https://s3.example.com:9000")
}

// name is the name of the source.
func (c *Config) name() string {
	name := "s3:"
	if u, err := c.endpoint(); err == nil && c.Endpoint != "" {
		name += u.Host + "/"
	}
	return name + c.Bucket + "/" + c.Prefix
}
