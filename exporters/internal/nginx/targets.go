package nginx

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/nginx"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// uri is where a stub_status is: a URL and, for unix sockets, the socket's path.
type uri struct{ url, socket string }

// parseURI reads http://host/path, https://host/path and the form that nginx
// itself uses for sockets, unix:/path/of/socket:/path/of/location.
func parseURI(s string) (uri, error) {
	if rest, ok := strings.CutPrefix(s, "unix:"); ok {
		socket, location, _ := strings.Cut(rest, ":")
		if socket == "" {
			return uri{}, errors.New("unix:/path/of/socket:/stub_status is wanted")
		}
		if location == "" {
			location = "/"
		}
		return uri{url: "http://unix" + location, socket: socket}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return uri{}, errors.New("http://host/path, https://host/path or unix:/socket:/path is wanted")
	}
	return uri{url: s}, nil
}

// newTarget opens nothing but the files of its configuration. The client
// belongs to this target alone.
func newTarget(c targetConfig) (nginx.Target, error) {
	where, err := parseURI(c.URI)
	if err != nil {
		return nginx.Target{}, err
	}
	tlsConfig, err := c.TLS.Client()
	if err != nil {
		return nginx.Target{}, err
	}
	t := nginx.Target{
		URL: where.url, Host: c.Host, Username: c.BasicAuth.Username, Labels: prometheus.Labels(c.Labels),
		Client: nginx.NewClient(nginx.ClientConfig{Socket: where.socket, Host: c.Host, ProxyProtocol: c.ProxyProtocol, TLS: tlsConfig}),
	}
	if password := config.SecretFile(c.BasicAuth.PasswordFile); password.IsSet() {
		t.Password = password.Read
	}
	return t, nil
}

// newTargets makes all targets have the same label names: addr, which upstream
// adds when there are several, and those of the configuration.
func newTargets(configs []targetConfig) ([]nginx.Target, error) {
	names := map[string]bool{}
	if len(configs) > 1 {
		names["addr"] = true
	}
	for _, c := range configs {
		for name := range c.Labels {
			names[name] = true
		}
	}
	seen := map[string]bool{}
	var targets []nginx.Target
	for _, c := range configs {
		if seen[c.URI] {
			return nil, fmt.Errorf("%s: the target is configured twice", c.URI)
		}
		seen[c.URI] = true
		t, err := newTarget(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.URI, err)
		}
		labels := prometheus.Labels{}
		for name := range names {
			labels[name] = c.Labels[name]
		}
		if names["addr"] && labels["addr"] == "" {
			labels["addr"] = address(c.URI)
		}
		t.Labels = labels
		targets = append(targets, t)
	}
	return targets, nil
}

// address is a URI as a label value, without credentials.
func address(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	u.User = nil
	return u.String()
}
