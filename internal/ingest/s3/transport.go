package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// transport bounds each request in time and each answer in size, and adds to
// requests what the client library has no options for.
type transport struct {
	next    http.RoundTripper
	timeout time.Duration
	limit   int64 // of an answer that is no page of a listing
}

const (
	// pageSize is how many objects are asked for at once.
	pageSize = 500
	// maxPage is the size of a page: keys have up to 1024 bytes, which may be
	// escaped, and the memory that it takes is a multiple of this.
	maxPage = pageSize * 4 << 10
	// maxAnswer is the size of any other answer that is no object.
	maxAnswer = 1 << 20
)

// newTransport returns a transport for the configuration.
func newTransport(c *Config) *transport {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = c.TLS
	base.DisableCompression = true // Content is stored as it is counted.
	base.MaxIdleConnsPerHost = parallel
	return &transport{next: base, timeout: c.Timeout, limit: max(c.MaxBytes+1, maxAnswer)}
}

// matchKey has the ETag that an object must have in the context of a request.
type matchKey struct{}

// withMatch makes a request fail when the object has another ETag by now.
func withMatch(ctx context.Context, etag string) context.Context {
	return context.WithValue(ctx, matchKey{}, etag)
}

// pagesKey has the *pages of a listing in the context of its requests.
type pagesKey struct{}

// pages are those of one listing.
type pages struct {
	mu     sync.Mutex
	tokens map[string]bool
	empty  int // requests since there was an object
}

// maxEmpty is how many pages in a row may be without an object: a bucket with
// versions may have some.
const maxEmpty = 100

// next takes down that a page is asked for.
func (p *pages) next(token string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tokens[token] {
		return errors.New("the server lists the same page again and again")
	}
	if p.empty++; p.empty > maxEmpty {
		return fmt.Errorf("the server lists more than %d pages without an object", maxEmpty)
	}
	p.tokens[token] = true
	return nil
}

// found takes down that a page had an object.
func (p *pages) found() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.empty = 0
}

// RoundTrip makes a request.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	parent := r.Context()
	list, listing := parent.Value(pagesKey{}).(*pages)
	if listing {
		if err := list.next(r.URL.Query().Get("continuation-token")); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(parent, t.timeout)
	r = r.Clone(ctx)
	if etag, ok := parent.Value(matchKey{}).(string); ok {
		r.Header.Set("If-Match", `"`+etag+`"`)
	}
	resp, err := t.next.RoundTrip(r)
	if err == nil && listing && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		resp.Body.Close()
		err = errors.New("the answer is a web page: the endpoint is not that of an object storage")
	}
	if err != nil {
		if ctx.Err() != nil && parent.Err() == nil {
			err = fmt.Errorf("no answer within %s", t.timeout)
		}
		cancel()
		return nil, err
	}
	limit := t.limit
	if listing {
		limit = maxPage
	}
	resp.Body = &body{ReadCloser: resp.Body, cancel: cancel, left: limit}
	return resp, nil
}

// body is an answer with a limit, that frees the time of its request.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
	left   int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the answer is too long")
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Close ends the request.
func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// proxyUnlessNear asks what is only near this machine without a proxy.
func proxyUnlessNear(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if ip := net.ParseIP(r.URL.Hostname()); ip != nil && (ip.IsLinkLocalUnicast() || ip.IsLoopback()) {
			return nil, nil
		}
		return proxy(r)
	}
}
