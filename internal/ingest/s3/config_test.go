package s3

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

func TestConfig(t *testing.T) {
	good := Config{Region: "eu-west-1", Bucket: "dmarc-reports"}
	for _, tt := range []struct {
		change func(*Config)
		want   string // empty: no mistake
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Region, c.Endpoint = "", "https://s3.example.com:9000/" }, ""},
		{func(c *Config) { c.Endpoint = "http://[::1]:9000" }, ""},
		{func(c *Config) { c.Endpoint, c.InsecureHTTP = "http://minio:9000", true }, ""},
		{func(c *Config) { c.After, c.MovedPrefix = ingest.AfterMove, "done/" }, ""},
		{func(c *Config) { c.Prefix, c.After, c.MovedPrefix = "in/", ingest.AfterMove, "in/done/" }, ""},
		{func(c *Config) { c.Bucket = "" }, "bucket: is missing"},
		{func(c *Config) { c.Bucket = "Reports?" }, `bucket: "Reports?" is no name of a bucket, such as dmarc-reports`},
		{func(c *Config) { c.Region = "" }, "region: is missing: name the region of the bucket, such as eu-west-1, or an endpoint"},
		{func(c *Config) { c.Region = "eu.evil/" }, "region: must be the name of a region, such as eu-west-1"},
		{func(c *Config) { c.Region = "xx-future-9" }, "region: Amazon S3 has no region xx-future-9 that this version knows"},
		{func(c *Config) { c.Endpoint = "s3.example.com" }, "endpoint: must be a URL with nothing behind the host"},
		{func(c *Config) { c.Endpoint = "https://s3.example.com/reports" }, "endpoint: must be a URL with nothing behind the host"},
		{func(c *Config) { c.Endpoint = "https://id:s3cr3t@s3.example.com" }, "endpoint: must be a URL with nothing behind the host"},
		{func(c *Config) { c.Endpoint = "http://minio:9000" }, "endpoint: must begin with https://, or insecure_http must be true"},
		{func(c *Config) { c.Endpoint = "s3://reports" }, "endpoint: must begin with https://, such as"},
		{func(c *Config) { c.Prefix = "/in" }, "prefix: must not begin with a slash"},
		{func(c *Config) { c.Prefix = "\xff" }, "prefix: must be UTF-8"},
		{func(c *Config) { c.After = ingest.AfterFlag }, "after: must be one of keep, move, delete, tag"},
		{func(c *Config) { c.After = ingest.AfterMove }, "moved_prefix: after: move needs a prefix, such as done/"},
		{func(c *Config) { c.MovedPrefix = "done/" }, "moved_prefix: only after: move has one"},
		{func(c *Config) { c.After, c.MovedPrefix = ingest.AfterMove, "done" }, "moved_prefix: must end with a slash"},
		{func(c *Config) { c.Prefix, c.After, c.MovedPrefix = "in/", ingest.AfterMove, "in/" }, "moved_prefix: objects would move into in/, which is read itself"},
		{func(c *Config) { c.Prefix, c.After, c.MovedPrefix = "in", ingest.AfterMove, "in/" }, "moved_prefix: objects would move into in/, which is read itself"},
		{func(c *Config) { c.Prefix, c.RefusedPrefix = "a/in/", "a/" }, "refused_prefix: objects would move into a/"},
		{func(c *Config) { c.RefusedPrefix = strings.Repeat("x", 600) + "/" }, "refused_prefix: must be UTF-8 of 512 bytes at most"},
	} {
		c := good
		tt.change(&c)
		_, err := New(c)
		var field *FieldError
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%+v: %v", c, err)
		case tt.want != "" && (!errors.As(err, &field) || !strings.HasPrefix(field.Error(), tt.want) || strings.Contains(err.Error(), "s3cr3t")):
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
}

// TestAddresses holds where requests go and what sources are called.
func TestAddresses(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		config     Config
		host, name string
	}{
		{Config{Region: "eu-west-1"}, "reports.s3.dualstack.eu-west-1.amazonaws.com", "s3:reports/in/"},
		{Config{Region: "cn-north-1"}, "reports.s3.dualstack.cn-north-1.amazonaws.com.cn", "s3:reports/in/"},
		{Config{Region: "eu-west-1", PathStyle: &yes}, "s3.dualstack.eu-west-1.amazonaws.com/reports", "s3:reports/in/"},
		{Config{Endpoint: "https://s3.example.com:9000"}, "s3.example.com:9000/reports", "s3:s3.example.com:9000/reports/in/"},
		{Config{Endpoint: "https://s3.example.com", PathStyle: &no}, "reports.s3.example.com", "s3:s3.example.com/reports/in/"},
	} {
		tt.config.Bucket, tt.config.Prefix = "reports", "in/"
		tt.config.Credentials = Credentials{AccessKeyID: "id", Secret: func() (string, error) { return "secret", nil }}
		b, err := New(tt.config)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		u, err := b.client.core.PresignedGetObject(t.Context(), "reports", "key", time.Minute, nil)
		if err != nil {
			t.Errorf("%s: %v", tt.host, err)
			continue
		}
		if got := u.Scheme + "://" + u.Host + u.Path; got != "https://"+tt.host+"/key" || b.Status().Name != tt.name {
			t.Errorf("requests go to %s, want %s; the name is %q", got, tt.host, b.Status().Name)
		}
	}
}

// TestCredentials finds credentials in the environment, in a file, and at the
// machine, in this order, and names what it looked at without showing it.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "credentials")
	write := func(id string) {
		text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = s3cr3t\n[other]\naws_access_key_id = %[1]s-other\naws_secret_access_key = s3cr3t\n", id)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/latest/api/token":
			fmt.Fprint(w, "a-token")
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			fmt.Fprint(w, "the-role")
		case strings.HasSuffix(r.URL.Path, "/the-role"):
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":"of-the-role","SecretAccessKey":"s3cr3t","Token":"t","Expiration":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		default:
			http.NotFound(w, r)
		}
	}))
	defer machine.Close()
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "none"))
	want := func(c Credentials, id string) {
		t.Helper()
		value, err := c.provider("eu-west-1").GetWithContext(nil)
		if err != nil || value.AccessKeyID != id || value.SecretAccessKey != "s3cr3t" {
			t.Errorf("key %q, error %v; want %q", value.AccessKeyID, err, id)
		}
	}
	wantError := func(c Credentials, parts ...string) {
		t.Helper()
		_, err := c.provider("eu-west-1").GetWithContext(nil)
		for _, part := range parts {
			if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("error %v, want %q", err, part)
			}
		}
	}
	wantError(Credentials{role: empty.URL}, "the environment has no credentials", "the shared credentials file has no credentials: there is no such file", "the role of the machine has no credentials")
	want(Credentials{role: machine.URL}, "of-the-role")
	write("of-the-file")
	want(Credentials{role: machine.URL}, "of-the-file")
	want(Credentials{Profile: "other"}, "of-the-file-other")
	want(Credentials{File: file}, "of-the-file")
	wantError(Credentials{File: filepath.Join(dir, "none"), role: machine.URL}, "the shared credentials file has no credentials: there is no such file")
	t.Setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
	want(Credentials{role: machine.URL}, "of-the-environment")
	want(Credentials{File: file}, "of-the-file")
	if err := os.WriteFile(file, []byte("[default\ns3cr3t"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(Credentials{File: file}, "it cannot be used")
	// A secret in a file is read for each request.
	secret := "s3cr3t"
	p := Credentials{AccessKeyID: "id", Secret: func() (string, error) { return secret, nil }}.provider("eu-west-1")
	for _, secret = range []string{"s3cr3t", "renewed"} {
		if value, err := p.GetWithContext(nil); err != nil || value.SecretAccessKey != secret {
			t.Errorf("secret %q, error %v; want %q", value.SecretAccessKey, err, secret)
		}
	}
}
