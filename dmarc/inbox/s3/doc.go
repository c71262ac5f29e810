// Package s3 has buckets of an object storage with the API of Amazon S3 as a source
// of package inbox.
package s3
