package s3

import (
	"context"

	"github.com/minio/minio-go/v7"
)

// RemoveIfMatch deletes an object by one request with a condition.
func RemoveIfMatch(ctx context.Context, c Config, key, etag string) error {
	b, err := New(c)
	if err != nil {
		return err
	}
	return b.config.explain(b.client.core.RemoveObject(withMatch(ctx, etag), b.config.Bucket, key, minio.RemoveObjectOptions{}), "s3:DeleteObject")
}
