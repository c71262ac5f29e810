package dmarcconfig

import (
	"errors"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/s3"
)

// S3 is a bucket of an object storage with the API of Amazon S3.
type S3 struct {
	ingest.Options `yaml:",inline"`
	Bucket         string `yaml:"bucket"`
	Prefix         string `yaml:"prefix"`
	Region         string `yaml:"region"`
	// Endpoint is the address of the service, if it is not Amazon S3.
	Endpoint     string     `yaml:"endpoint"`
	PathStyle    *bool      `yaml:"path_style"`
	InsecureHTTP bool       `yaml:"insecure_http"`
	TLS          config.TLS `yaml:"tls"`
	// AccessKeyID and SecretAccessKey are a key; without one, the credentials are
	// those of the environment, of the shared credentials file or of the machine.
	AccessKeyID     string        `yaml:"access_key_id"`
	SecretAccessKey config.Secret `yaml:"secret_access_key"`
	// CredentialsFile and Profile name a shared credentials file and its section.
	CredentialsFile config.Path  `yaml:"credentials_file"`
	Profile         string       `yaml:"profile"`
	After           ingest.After `yaml:"after"`
	MovedPrefix     string       `yaml:"moved_prefix"`
	RefusedPrefix   string       `yaml:"refused_prefix"`
}

// Check finds what is missing or contradicts itself.
func (c *S3) Check() error {
	switch {
	case (c.AccessKeyID == "") != !c.SecretAccessKey.IsSet():
		return errors.New("access_key_id and secret_access_key belong together")
	case c.AccessKeyID != "" && (c.CredentialsFile != "" || c.Profile != ""):
		return errors.New("give either access_key_id or credentials_file and profile")
	}
	b := c.bucket()
	err := b.Check()
	if field, ok := errors.AsType[*s3.FieldError](err); ok {
		return config.At(field.Field, field.Err)
	}
	return err
}

// bucket is the configuration without the files of certificates.
func (c *S3) bucket() s3.Config {
	return s3.Config{
		Options: c.Options, Endpoint: c.Endpoint, InsecureHTTP: c.InsecureHTTP, Region: c.Region, Bucket: c.Bucket, Prefix: c.Prefix, PathStyle: c.PathStyle,
		Credentials: s3.Credentials{AccessKeyID: c.AccessKeyID, Secret: c.SecretAccessKey.Read, File: string(c.CredentialsFile), Profile: c.Profile},
		After:       c.After, MovedPrefix: c.MovedPrefix, RefusedPrefix: c.RefusedPrefix,
	}
}

func (b *builder) s3(c *S3) (ingest.Source, error) {
	client, err := c.TLS.Client()
	if err != nil {
		return nil, err
	}
	bucket := c.bucket()
	bucket.Options, bucket.TLS = b.options(c.Options), client
	return s3.New(bucket)
}
