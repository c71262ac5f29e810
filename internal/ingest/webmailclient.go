package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// webmailClient makes the requests of a Webmail.
type webmailClient struct {
	base    string
	token   func(ctx context.Context, renew bool) (string, error)
	timeout time.Duration
	http    *http.Client
}

func newWebmailClient(base string, token func(context.Context, bool) (string, error), timeout time.Duration) (*webmailClient, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, errors.New("is not a URL")
	}
	local := u.Hostname() == "localhost"
	if ip := net.ParseIP(u.Hostname()); ip != nil {
		local = ip.IsLoopback()
	}
	if u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return nil, errors.New("must begin with https://")
	}
	return &webmailClient{
		base: strings.TrimSuffix(base, "/"), token: token, timeout: timeout,
		// The token must not follow a redirect, and none is part of the services.
		http: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// statusError is an answer that says no.
type statusError struct {
	status int
	after  time.Duration // when to come again, as far as the server says
	text   string
}

// Error returns the status and the beginning of the answer.
func (e *statusError) Error() string {
	return fmt.Sprintf("the server answered %d: %.300q", e.status, e.text)
}

// statusOf returns the status of an answer that says no, 0 for any other error or none.
func statusOf(err error) int {
	var status *statusError
	if errors.As(err, &status) {
		return status.status
	}
	return 0
}

func isGone(err error) bool {
	return statusOf(err) == http.StatusNotFound || statusOf(err) == http.StatusGone
}

// errNoToken says that there is no access token, for whatever request.
var errNoToken = errors.New("get access token")

// retryAfter returns how long the server wants to be left alone.
func retryAfter(err error) time.Duration {
	const longest = 5 * time.Minute
	var status *statusError
	if errors.As(err, &status) {
		return min(status.after, longest)
	}
	return 0
}

// request asks once more with a fresh token when the last one is refused. A
// path that is a whole address must be one of the service: it gets the token.
func (c *webmailClient) request(ctx context.Context, method, path string, body any) (*http.Response, error) {
	resp, err := c.once(ctx, method, path, body)
	if statusOf(err) != http.StatusUnauthorized {
		return resp, err
	}
	if _, err := c.token(ctx, true); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoToken, err)
	}
	return c.once(ctx, method, path, body)
}

func (c *webmailClient) once(ctx context.Context, method, path string, body any) (*http.Response, error) {
	address := path
	if strings.HasPrefix(path, "/") {
		address = c.base + path
	} else if !strings.HasPrefix(path, c.base+"/") {
		return nil, fmt.Errorf("%.100q does not belong to the service", path)
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return nil, err
	}
	token, err := c.token(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoToken, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Prefer", `IdType="ImmutableId"`) // of Microsoft; others ignore it
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // what there is
	return nil, &statusError{status: resp.StatusCode, after: pauseOf(resp.Header.Get("Retry-After"), time.Now()), text: string(text)}
}

// pauseOf reads a Retry-After: seconds, or a date (RFC 9110, section 10.2.3).
func pauseOf(text string, now time.Time) time.Duration {
	const longest = 24 * 60 * 60
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(max(0, min(seconds, longest))) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// maxAnswer bounds an answer that is no mail.
const maxAnswer = 8 << 20

// call makes a request within the time for one and decodes the answer, unless it is nil.
func (c *webmailClient) call(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	resp, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() {
		// A connection can be used again when all of the answer was read.
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
		resp.Body.Close()
	}()
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
