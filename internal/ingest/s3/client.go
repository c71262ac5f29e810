package s3

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/tags"
)

// object is as much of an object as a listing has.
type object struct {
	key, etag string
	size      int64
	modified  time.Time
}

// client makes the requests of a Bucket.
type client struct {
	config      *Config
	core        *minio.Core
	credentials *credentials.Credentials
}

func newClient(c *Config) (*client, error) {
	endpoint, err := c.endpoint()
	if err != nil {
		return nil, err
	}
	// A bucket with dots in its name is no part of a certificate.
	style := minio.BucketLookupPath
	if c.PathStyle == nil && s3utils.IsAmazonEndpoint(*endpoint) {
		style = minio.BucketLookupAuto
	}
	if c.PathStyle != nil && !*c.PathStyle {
		style = minio.BucketLookupDNS
	}
	options := minio.Options{
		Creds: c.Credentials.provider(c.Region), Secure: endpoint.Scheme == "https", Transport: newTransport(c),
		Region: c.Region, BucketLookup: style,
		MaxRetries: 1, // Whoever calls knows better when to try again.
	}
	core, err := minio.NewCore(endpoint.Host, &options)
	if err != nil {
		return nil, err
	}
	if s3utils.IsAmazonEndpoint(*endpoint) && !knownRegion(endpoint.Host, options) {
		return nil, &FieldError{"region", fmt.Errorf("Amazon S3 has no region %s that this version knows; an example is eu-west-1", c.Region)}
	}
	return &client{config: c, core: core, credentials: options.Creds}, nil
}

// knownRegion reports whether requests go to the region: of one that it does not
// know, the library sends them to another one.
func knownRegion(host string, options minio.Options) bool {
	options.Creds = credentials.NewStaticV4("id", "secret", "")
	core, err := minio.NewCore(host, &options)
	if err != nil {
		return false
	}
	u, err := core.PresignedGetObject(context.Background(), "bucket", "key", time.Minute, nil) // no request is made
	return err == nil && strings.Contains(u.Host, "."+options.Region+".")
}

// list returns the objects in the order of the server, page by page: the next one
// is asked for when all of a page were taken. An error is the last.
func (c *client) list(ctx context.Context, prefix string, most int) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		list := &pages{tokens: make(map[string]bool)}
		owner := false
		all := c.core.ListObjectsIter(context.WithValue(ctx, pagesKey{}, list), c.config.Bucket, minio.ListObjectsOptions{
			Prefix: prefix, Recursive: true, MaxKeys: min(most, pageSize), FetchOwner: &owner,
		})
		for o := range all {
			if o.Err != nil {
				yield(object{}, c.config.explain(o.Err, "s3:ListBucket for the bucket"))
				return
			}
			list.found()
			if !yield(object{key: o.Key, etag: o.ETag, size: o.Size, modified: o.LastModified}, nil) {
				return
			}
		}
		// The library ends the listing without a word when ctx does.
		if err := ctx.Err(); err != nil {
			yield(object{}, err)
		}
	}
}

// get returns the content of an object that still has its ETag. The caller closes it.
func (c *client) get(ctx context.Context, o *object) (io.ReadCloser, error) {
	var options minio.GetObjectOptions
	if err := options.SetMatchETag(o.etag); err != nil {
		return nil, err
	}
	content, _, _, err := c.core.GetObject(ctx, c.config.Bucket, o.key, options)
	if err != nil {
		return nil, c.config.explain(err, "s3:GetObject for objects")
	}
	return content, nil
}

// stat returns the ETag and the version of an object. Unless match is empty, it
// must have that ETag.
func (c *client) stat(ctx context.Context, key, match string) (etag, version string, err error) {
	var options minio.StatObjectOptions
	if match != "" {
		if err := options.SetMatchETag(match); err != nil {
			return "", "", err
		}
	}
	info, err := c.core.StatObject(ctx, c.config.Bucket, key, options)
	if err == nil && match != "" && info.ETag != match {
		// A server that does not know conditions.
		return "", "", &answerError{status: http.StatusPreconditionFailed, code: minio.PreconditionFailed, text: "the object has another ETag"}
	}
	return info.ETag, info.VersionID, c.config.explain(err, "s3:GetObject for objects, and s3:ListBucket for the bucket")
}

// copy copies an object that still has its ETag.
func (c *client) copy(ctx context.Context, o *object, target string) error {
	_, err := c.core.Client.CopyObject(ctx,
		minio.CopyDestOptions{Bucket: c.config.Bucket, Object: target},
		minio.CopySrcOptions{Bucket: c.config.Bucket, Object: o.key, MatchETag: o.etag})
	return c.config.explain(err, "s3:GetObject, s3:GetObjectTagging, s3:PutObject and s3:PutObjectTagging for objects")
}

// remove deletes an object that still has its ETag. Not every server takes a
// condition for this: one that passes over it is asked just before, and so is one
// that knows none, which leaves the moment in between.
func (c *client) remove(ctx context.Context, o *object) error {
	if _, _, err := c.stat(ctx, o.key, o.etag); err != nil {
		return err
	}
	const permission = "s3:DeleteObject for objects"
	err := c.config.explain(c.core.RemoveObject(withMatch(ctx, o.etag), c.config.Bucket, o.key, minio.RemoveObjectOptions{}), permission)
	if answer(err).status == http.StatusNotImplemented {
		err = c.config.explain(c.core.RemoveObject(ctx, c.config.Bucket, o.key, minio.RemoveObjectOptions{}), permission)
	}
	return err
}

// tag adds a tag to an object that still has its ETag, beside those that it has.
func (c *client) tag(ctx context.Context, o *object, key, value string) error {
	_, version, err := c.stat(ctx, o.key, o.etag)
	if err != nil {
		return err
	}
	const permission = "s3:GetObjectTagging and s3:PutObjectTagging for objects"
	have, err := c.core.GetObjectTagging(ctx, c.config.Bucket, o.key, minio.GetObjectTaggingOptions{VersionID: version})
	if err != nil {
		return c.config.explain(err, permission)
	}
	all := have.ToMap()
	if all[key] == value {
		return nil
	}
	all[key] = value
	set, err := tags.NewTags(all, true)
	if err != nil {
		return &answerError{status: http.StatusBadRequest, code: "BadRequest", text: fmt.Sprintf("add a tag: %v", err)}
	}
	return c.config.explain(c.core.PutObjectTagging(ctx, c.config.Bucket, o.key, set, minio.PutObjectTaggingOptions{VersionID: version}), permission)
}
