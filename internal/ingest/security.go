package ingest

import (
	"crypto/tls"
	"errors"
	"net"
)

// Security says how the connection to a mail server is protected.
type Security string

// The kinds of protection. The empty value means SecurityTLS.
const (
	SecurityTLS      Security = "tls"
	SecuritySTARTTLS Security = "starttls"
	SecurityInsecure Security = "insecure-none"
)

// Check reports whether there is such a kind.
func (s Security) Check() error {
	switch s {
	case "", SecurityTLS, SecuritySTARTTLS, SecurityInsecure:
		return nil
	}
	return errors.New("must be one of tls, starttls, insecure-none")
}

// CheckAddress reports whether an address is a host and a port.
func CheckAddress(address string) error {
	if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
		return errors.New("must be a host and a port, such as mail.example.com:993")
	}
	return nil
}

// ClientTLS completes the configuration for a host; nil means the default one.
func ClientTLS(c *tls.Config, host string) *tls.Config {
	if c == nil {
		c = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c = c.Clone()
	setDefault(&c.ServerName, host)
	return c
}
