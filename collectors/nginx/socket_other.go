//go:build !linux

package nginx

import "net"

// setReceiveBuffer asks for a buffer of size bytes. Only on Linux can what was granted be read.
func setReceiveBuffer(conn net.PacketConn, size int) (int, error) {
	if c, ok := conn.(interface{ SetReadBuffer(bytes int) error }); ok {
		return size, c.SetReadBuffer(size)
	}
	return size, nil
}

// drops is known on Linux only.
func (d *datagrams) drops() (n uint64, ok bool) { return 0, false }
