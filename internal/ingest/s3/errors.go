package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/minio/minio-go/v7"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// answerError is an answer that says no.
type answerError struct {
	status int
	code   string
	text   string // what the server says
	advice string // what to do about it; may be empty
}

// Error returns the status, the beginning of the answer and the advice.
func (e *answerError) Error() string {
	if e.advice != "" {
		return fmt.Sprintf("%s (the server answered %d %.50q: %.300q)", e.advice, e.status, e.code, e.text)
	}
	return fmt.Sprintf("the server answered %d %.50q: %.300q", e.status, e.code, e.text)
}

// explain makes of an error of the client library one of this package. permission is what
// the request needs.
func (c *Config) explain(err error, permission string) error {
	var r minio.ErrorResponse
	if err == nil || !errors.As(err, &r) {
		return err
	}
	e := &answerError{status: r.StatusCode, code: r.Code, text: r.Message}
	endpoint, _ := c.endpoint() // was checked
	switch {
	case r.Region != "" && r.Region != c.Region && r.StatusCode != http.StatusNotFound && r.StatusCode < 500:
		e.advice = fmt.Sprintf("the bucket is in the region %.50q, not in %s: change region", r.Region, c.Region)
	case r.Code == minio.NoSuchBucket:
		e.advice = fmt.Sprintf("there is no bucket %s at %s", c.Bucket, endpoint.Host)
	case r.Code == "RequestTimeTooSkewed":
		e.advice = "the clock of this machine and that of the server differ by more than 15 minutes"
	case r.Code == "InvalidAccessKeyId", r.Code == "XAdminUserNotFound": // the latter of versitygw
		e.advice = "the server does not know the access key id"
	case r.Code == "SignatureDoesNotMatch":
		e.advice = "the secret access key is not that of the access key id"
	case r.Code == "ExpiredToken":
		e.advice = "the credentials have expired"
	case r.Code == "InvalidObjectState":
		e.advice = "the object is archived and must be restored before it can be read"
	case r.StatusCode == http.StatusForbidden:
		e.advice = "access is denied: the credentials need the permission " + permission
	case r.StatusCode == http.StatusServiceUnavailable, r.StatusCode == http.StatusTooManyRequests:
		e.advice = "the server asks for fewer requests"
	}
	return e
}

// answer returns the answer in the chain of an error; the zero value if there is none.
func answer(err error) answerError {
	var e *answerError
	if errors.As(err, &e) {
		return *e
	}
	return answerError{}
}

// isGone reports whether an object does not exist any more. That a bucket or an
// access key does not exist has the same status.
func isGone(err error) bool {
	a := answer(err)
	return a.status == http.StatusNotFound && a.code == minio.NoSuchKey
}

// isChanged reports whether an object has another ETag by now.
func isChanged(err error) bool { return answer(err).status == http.StatusPreconditionFailed }

// blamesObject reports whether an answer is about this very object and stays so.
// Whatever may be the fault of the server, the network, the clock or the
// permissions is not among them: no object is refused for those.
func blamesObject(err error) bool {
	a := answer(err)
	return a.status >= 400 && a.status < 500 && slices.Contains([]string{
		"InvalidRequest",          // such as an object that is encrypted by a key of the client
		"KeyTooLongError",         // a key that the server lists, but does not take
		"XMinioInvalidObjectName", // a key that the client library does not take
	}, a.code)
}

// blamesService reports whether an error would be the same for each object.
func blamesService(err error) bool {
	var c *credentialsError
	a := answer(err)
	return errors.As(err, &c) || a.status == http.StatusNotFound && !isGone(err) || slices.Contains([]string{
		"RequestTimeTooSkewed", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed",
	}, a.code) || slices.Contains([]int{
		http.StatusMovedPermanently, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable,
	}, a.status)
}

// isFinal reports whether the server will not do something with an object, however
// often it is asked, so that others must not wait behind it.
func isFinal(err error) bool {
	a := answer(err)
	return a.status >= 400 && a.status < 500 && !blamesService(err) &&
		a.status != http.StatusRequestTimeout && a.status != http.StatusConflict
}

// objectError says that an object could not be read or put away now, whoever is
// to blame: it is an *ingest.InputError as well when the object is.
type objectError struct{ error }

func (e *objectError) Unwrap() error { return e.error }

// fetchError sorts an error of a request for an object.
func fetchError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case blamesObject(err):
		return &objectError{&ingest.InputError{Err: err}}
	}
	return &objectError{err}
}
