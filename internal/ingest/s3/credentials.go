package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Credentials say how requests are signed. The zero value looks for keys in the
// environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), then in the shared
// credentials file, and then for the role of the container or the machine.
type Credentials struct {
	// AccessKeyID, if it is set, and Secret are a key that is used as it is.
	AccessKeyID string
	// Secret returns the secret access key; it is called for each request.
	Secret func() (string, error)
	// File is a shared credentials file, and Profile one of its sections; with
	// either of them nothing else is looked at.
	File, Profile string

	// role is where the role of a machine is asked for, in tests.
	role string
}

// credentialsTimeout bounds a request for the credentials of a role.
const credentialsTimeout = 5 * time.Second

// provider returns what signs the requests.
func (c Credentials) provider(region string) *credentials.Credentials {
	file := &credentials.FileAWSCredentials{Filename: c.File, Profile: c.Profile}
	switch {
	case c.AccessKeyID != "":
		return credentials.New(&static{id: c.AccessKeyID, secret: c.Secret})
	case c.File != "" || c.Profile != "":
		return credentials.New(&first{ways: []way{{"the shared credentials file", file}}})
	}
	return credentials.New(&first{ways: []way{
		{"the environment", &credentials.EnvAWS{}},
		{"the shared credentials file", file},
		{"the role of the machine", &credentials.IAM{Region: region, Endpoint: c.role, Client: roleClient()}},
	}})
}

// roleClient asks for the credentials of a role: at the machine, which no proxy
// knows, or at a service of Amazon.
func roleClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	proxy := transport.Proxy
	transport.DisableKeepAlives = true
	transport.Proxy = nil
	if proxy != nil {
		transport.Proxy = proxyUnlessNear(proxy)
	}
	return &http.Client{Transport: transport, Timeout: credentialsTimeout}
}

// static is a key whose secret may be in a file that changes.
type static struct {
	id     string
	secret func() (string, error)
}

// RetrieveWithCredContext reads the secret.
func (s *static) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	secret, err := s.secret()
	if err == nil && secret == "" {
		err = errors.New("the secret access key is empty")
	}
	if err != nil {
		return credentials.Value{}, &credentialsError{err}
	}
	return credentials.Value{AccessKeyID: s.id, SecretAccessKey: secret, SignerType: credentials.SignatureV4}, nil
}

// Retrieve reads the secret.
func (s *static) Retrieve() (credentials.Value, error) { return s.RetrieveWithCredContext(nil) }

// IsExpired makes each request read it again.
func (s *static) IsExpired() bool { return true }

// way is a place that may have credentials.
type way struct {
	name     string
	provider credentials.Provider
}

// first takes the credentials of the first place that has some. Without any it is
// an error: a request that is not signed would only be told that access is denied.
type first struct {
	ways []way
	used credentials.Provider
}

// RetrieveWithCredContext tries the places in order.
func (f *first) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	var tried []error
	for _, w := range f.ways {
		value, err := w.provider.RetrieveWithCredContext(cc)
		if err == nil && value.AccessKeyID != "" && value.SecretAccessKey != "" {
			f.used = w.provider
			return value, nil
		}
		tried = append(tried, fmt.Errorf("%s has no credentials%s", w.name, reason(err)))
	}
	return credentials.Value{}, &credentialsError{errors.Join(tried...)}
}

// reason tells as much of an error as cannot hold a secret: answers and files
// that cannot be read may.
func reason(err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, os.ErrNotExist):
		return ": there is no such file"
	case errors.Is(err, os.ErrPermission):
		return ": it cannot be read"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ": no answer in time"
	}
	var operation *net.OpError
	if errors.As(err, &operation) {
		return ": " + operation.Error()
	}
	return ": it cannot be used"
}

// Retrieve tries the places in order.
func (f *first) Retrieve() (credentials.Value, error) { return f.RetrieveWithCredContext(nil) }

// IsExpired reports whether the credentials in use must be renewed.
func (f *first) IsExpired() bool { return f.used == nil || f.used.IsExpired() }

// credentialsError says why there are no credentials, for whatever request.
type credentialsError struct{ err error }

// Error returns the cause.
func (e *credentialsError) Error() string { return "get credentials: " + e.err.Error() }

// Unwrap returns the cause.
func (e *credentialsError) Unwrap() error { return e.err }
