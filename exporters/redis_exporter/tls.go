package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// tlsConfig says how the server is verified, and how it verifies us.
type tlsConfig struct {
	CAFile             string `yaml:"ca_file"`
	CertFile           string `yaml:"cert_file"`
	KeyFile            string `yaml:"key_file"`
	ServerName         string `yaml:"server_name"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// tlsFiles is a configuration made of files, which can be loaded again.
type tlsFiles struct {
	config tlsConfig
	loaded atomic.Pointer[tls.Config]
}

// load reads the files. On an error the configuration stays as it was.
func (t *tlsFiles) load() error {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.config.ServerName, InsecureSkipVerify: t.config.InsecureSkipVerify}
	if t.config.CAFile != "" {
		pem, err := os.ReadFile(t.config.CAFile)
		if err != nil {
			return fmt.Errorf("read CA certificates: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("read CA certificates: none in %s", t.config.CAFile)
		}
	}
	if (t.config.CertFile == "") != (t.config.KeyFile == "") {
		return errors.New("a client certificate needs both its file and that of its key")
	}
	if t.config.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.config.CertFile, t.config.KeyFile)
		if err != nil {
			return fmt.Errorf("read the client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	t.loaded.Store(c)
	return nil
}

// forHost returns the configuration for a server.
func (t *tlsFiles) forHost(host string) *tls.Config {
	c := t.loaded.Load().Clone()
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c
}
