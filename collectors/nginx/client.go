package nginx

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ClientConfig says how the server of a Target is reached. Its zero value
// dials the address of the URL.
type ClientConfig struct {
	// Socket is the path of a unix socket that is dialled in place of the address.
	Socket string
	// Host is the Host of the Target: redirects to that name stay at its address.
	Host string
	// ProxyProtocol begins connections with a header of the PROXY protocol.
	ProxyProtocol bool
	// TLS is for https; nil verifies certificates by the roots of the system.
	TLS *tls.Config
}

// NewClient returns a client for one Target. It opens three connections at
// most, and follows redirects within the host of the target only.
func NewClient(c ClientConfig) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: c.TLS, MaxIdleConnsPerHost: 2, MaxConnsPerHost: 3, DisableCompression: true, DialContext: c.dial,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: c.checkRedirect,
	}
}

// maxHeader bounds the header of an answer.
const maxHeader = 64 << 10

// dial opens a connection.
func (c ClientConfig) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c.Socket != "" {
		network, address = "unix", c.Socket
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil || !c.ProxyProtocol {
		return conn, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetWriteDeadline(deadline) // of the header alone: net/http bounds what follows
		defer func() { _ = conn.SetWriteDeadline(time.Time{}) }()
	}
	if _, err := conn.Write(proxyHeader(conn)); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("write the header of the PROXY protocol: %w", err)
	}
	return conn, nil
}

// proxyHeader returns the header of the PROXY protocol, version 1, for a
// connection that nobody passes on: its own addresses, where it has some.
func proxyHeader(conn net.Conn) []byte {
	from, isTCP := conn.LocalAddr().(*net.TCPAddr)
	to, _ := conn.RemoteAddr().(*net.TCPAddr)
	if !isTCP {
		return []byte("PROXY UNKNOWN\r\n")
	}
	family := "TCP6"
	if from.IP.To4() != nil {
		family = "TCP4"
	}
	return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, from.IP, to.IP, from.Port, to.Port)
}

// maxRedirects bounds the redirects of one scrape.
const maxRedirects = 5

// checkRedirect follows to another path, port or scheme of the same host, but
// not to http after https. Any other place would get the credentials, or would
// answer in the name of the target.
func (c ClientConfig) checkRedirect(next *http.Request, earlier []*http.Request) error {
	first := earlier[0].URL
	if scheme := next.URL.Scheme; scheme != "https" && (scheme != "http" || first.Scheme == "https") {
		return http.ErrUseLastResponse
	}
	if name := next.URL.Hostname(); !strings.EqualFold(name, first.Hostname()) {
		asked := url.URL{Host: c.Host}
		if !strings.EqualFold(name, asked.Hostname()) {
			return http.ErrUseLastResponse
		}
		// The server calls itself by the name it was asked for; its address is still that of the target.
		next.Host = next.URL.Host
		next.URL.Host = net.JoinHostPort(first.Hostname(), redirectPort(first, next.URL))
		// net/http takes credentials away when the name changes.
		if credentials := earlier[0].Header.Get("Authorization"); credentials != "" {
			next.Header.Set("Authorization", credentials)
		}
	}
	next.URL.User = first.User
	if len(earlier) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	return nil
}

// redirectPort returns the port of a redirect, which without a port of its own
// stays on that of the target or goes to the usual one of another scheme.
func redirectPort(first, next *url.URL) string {
	switch port := next.Port(); {
	case port != "":
		return port
	case next.Scheme == first.Scheme && first.Port() != "":
		return first.Port()
	case next.Scheme == "https":
		return "443"
	}
	return "80"
}
