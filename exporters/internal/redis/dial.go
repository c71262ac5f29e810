package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/redis"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

const (
	// maxConnections is how many connections an exporter opens to a server: one
	// for scrapes, one for the background, one to stop a script.
	maxConnections = 3
	// maxReply is how much a server may answer to what was last asked.
	maxReply = 64 << 20
	// forever is longer than any scrape: deadlines come with contexts.
	forever = time.Hour
)

// errTooLong is why a connection is closed when a server answers without end.
var errTooLong = &collect.Error{Reason: collect.Protocol, Err: errors.New("the server answers more than it may")}

// credentials are how to introduce oneself to servers.
type credentials struct {
	user               string
	password, sentinel config.Secret
	tls                *tlsFiles
	timeout            time.Duration // of connecting
	name               string        // of connections, "" for none
}

// options returns the options of a client for a server at a, known by names.
func (c *credentials) options(a address, names []string) *redis.Options {
	user, password := c.user, c.password
	if a.user != "" {
		user = a.user
	}
	if a.password.IsSet() {
		password = a.password
	}
	return &redis.Options{
		Network: a.network, Addr: a.hosts[0], DB: a.db,
		Dialer: c.dialer(a.tls), OnConnect: c.setName,
		CredentialsProviderContext: func(context.Context) (string, string, error) {
			text, err := passwordFor(password, names...)
			if err != nil {
				return "", "", &collector.CredentialsError{Err: err}
			}
			return user, text, nil
		},
		Protocol: 2, DisableIdentity: true, MaintNotificationsConfig: noNotifications(),
		MaxRetries: -1, DialerRetries: 1, DialTimeout: c.timeout, ReadTimeout: forever, WriteTimeout: forever,
		ContextTimeoutEnabled: true,
		// A pool that has failed to dial as often as it is large stops trying.
		PoolSize: 1000, MaxActiveConns: maxConnections, PipelinePoolSize: -1,
	}
}

// client returns a client for a server. It connects when it is used.
func (c *credentials) client(a address, names []string) redis.UniversalClient {
	o := c.options(a, names)
	if a.master == "" {
		return redis.NewClient(o)
	}
	sentinel, err := passwordFor(c.sentinel, a.hosts...)
	if err != nil {
		sentinel = "" // The sentinels will say so.
	}
	return redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: a.master, SentinelAddrs: a.hosts, SentinelPassword: sentinel,
		DB: o.DB, OnConnect: o.OnConnect, Dialer: o.Dialer, CredentialsProviderContext: o.CredentialsProviderContext,
		Protocol: o.Protocol, DisableIdentity: true,
		MaxRetries: o.MaxRetries, DialerRetries: o.DialerRetries, DialTimeout: o.DialTimeout,
		ReadTimeout: forever, WriteTimeout: forever, ContextTimeoutEnabled: true,
		PoolSize: o.PoolSize, MaxActiveConns: o.MaxActiveConns, PipelinePoolSize: -1,
	})
}

// clusterClient returns a client for all nodes of the cluster of a server.
func (c *credentials) clusterClient(a address, names []string) redis.UniversalClient {
	o := c.options(a, names)
	return redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: a.hosts, OnConnect: o.OnConnect, Dialer: o.Dialer, CredentialsProviderContext: o.CredentialsProviderContext,
		Protocol: o.Protocol, DisableIdentity: true, MaintNotificationsConfig: noNotifications(),
		MaxRetries: o.MaxRetries, DialerRetries: o.DialerRetries, DialTimeout: o.DialTimeout,
		ReadTimeout: forever, WriteTimeout: forever, ContextTimeoutEnabled: true,
		PoolSize: o.PoolSize, MaxActiveConns: o.MaxActiveConns, PipelinePoolSize: -1,
	})
}

// setName gives a connection its name. A server that does not let the user do so, or has
// no such command, goes without.
func (c *credentials) setName(ctx context.Context, conn *redis.Conn) error {
	if c.name == "" {
		return nil
	}
	err := conn.ClientSetName(ctx, c.name).Err()
	switch collector.ReasonOf(err) {
	case collect.Denied, collector.ReasonUnsupported:
		return nil
	}
	return err
}

// dialer returns a dialer that honours its context, also while it shakes hands.
func (c *credentials) dialer(useTLS bool) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		raw, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		conn := limit(raw)
		if !useTLS {
			return conn, nil
		}
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			host = addr
		}
		secured := tls.Client(conn, c.tls.forHost(host))
		if err := secured.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, fmt.Errorf("tls: %w", err)
		}
		return secured, nil
	}
}

// limited is a connection on which a reply has a limit.
type limited struct {
	socket
	left atomic.Int64 // bytes the server may send until it is asked again
}

// socket is what a client needs to look whether a connection is still open.
type socket interface {
	net.Conn
	SyscallConn() (syscall.RawConn, error)
}

// limit bounds what the server may send.
func limit(c net.Conn) net.Conn {
	s, ok := c.(socket)
	if !ok {
		return c
	}
	l := &limited{socket: s}
	l.left.Store(maxReply)
	return l
}

func (l *limited) Read(b []byte) (int, error) {
	if l.left.Load() <= 0 {
		return 0, errTooLong
	}
	n, err := l.socket.Read(b)
	l.left.Add(-int64(n))
	return n, err
}

func (l *limited) Write(b []byte) (int, error) {
	l.left.Store(maxReply)
	return l.socket.Write(b)
}

// noNotifications spares servers a command that few know.
func noNotifications() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}
