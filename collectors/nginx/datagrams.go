package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// maxDatagram is the largest datagram that UDP can carry.
const maxDatagram = 64 << 10

// datagrams receives log lines as syslog datagrams.
type datagrams struct {
	conn     net.PacketConn
	logger   *slog.Logger
	address  string
	received atomic.Uint64
	buffer   int // of the socket, in bytes, as the kernel granted it
}

// parseListen reads udp://host:port or unixgram:///path.
func parseListen(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("not an address: udp://127.0.0.1:5514 or unixgram:///path is wanted")
	}
	if u.Scheme != "udp" && u.Scheme != "unixgram" {
		return nil, fmt.Errorf("scheme %q is unknown: udp or unixgram", u.Scheme)
	}
	return u, nil
}

// listen opens an address that parseListen reads.
func listen(address string, config AccessLogConfig) (*datagrams, error) {
	u, err := parseListen(address)
	if err != nil {
		return nil, err
	}
	d := &datagrams{logger: config.Logger, address: address}
	if u.Scheme == "udp" {
		d.conn, err = net.ListenPacket("udp", u.Host)
	} else {
		warnUnixgram(config.Logger, address)
		// A socket that a crash left behind would keep the address.
		if err := os.Remove(u.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		d.conn, err = net.ListenPacket("unixgram", u.Path)
	}
	if err != nil {
		return nil, err
	}
	if d.buffer, err = setReceiveBuffer(d.conn, config.ReceiveBuffer); err != nil {
		_ = d.conn.Close()
		return nil, fmt.Errorf("set the receive buffer: %w", err)
	}
	if d.buffer < config.ReceiveBuffer {
		config.Logger.Warn("the kernel grants a smaller receive buffer: raise net.core.rmem_max or give CAP_NET_ADMIN",
			"input", address, "wanted_bytes", config.ReceiveBuffer, "granted_bytes", d.buffer)
	}
	return d, nil
}

// qlenPath is the file of Linux with the number of datagrams a unix socket may hold.
const qlenPath = "/proc/sys/net/unix/max_dgram_qlen"

// minQueue is the length below which nginx, which never waits, loses lines in silence.
const minQueue = 512

func warnUnixgram(logger *slog.Logger, address string) {
	text, err := os.ReadFile(qlenPath)
	if err != nil {
		return
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n < minQueue {
		logger.Warn("nginx loses lines in silence on a unix socket with this queue: use UDP or a file, or raise net.unix.max_dgram_qlen",
			"input", address, "max_dgram_qlen", n, "wanted", minQueue)
	}
}

// run receives until ctx ends. feed gets one log line with syslog's header.
func (d *datagrams) run(ctx context.Context, feed func([]byte)) {
	// A deadline in the past frees the blocked read.
	stop := context.AfterFunc(ctx, func() { _ = d.conn.SetReadDeadline(time.Now()) })
	defer stop()
	buffer := make([]byte, maxDatagram)
	for {
		n, _, err := d.conn.ReadFrom(buffer)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			d.logger.Warn("cannot receive access log lines", "input", d.address, "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		d.received.Add(1)
		if line := bytes.TrimRight(buffer[:n], "\n\x00"); len(line) > 0 {
			feed(line)
		}
	}
}

func (d *datagrams) close() { _ = d.conn.Close() }
