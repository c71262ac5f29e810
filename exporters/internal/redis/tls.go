package redis

import (
	"crypto/tls"
	"sync/atomic"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// tlsFiles is a configuration made of files, which can be loaded again.
type tlsFiles struct {
	config config.TLS
	loaded atomic.Pointer[tls.Config]
}

// load reads the files. On an error the configuration stays as it was.
func (t *tlsFiles) load() error {
	c, err := t.config.Client()
	if err != nil {
		return err
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
