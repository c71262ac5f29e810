package realtest

import (
	"net"
	"testing"
)

// Listen starts a server on a free loopback port that talks with each client in a
// goroutine of its own, and returns its address. Connections end with the talk
// or the test.
func Listen(t testing.TB, talk func(net.Conn)) string {
	t.Helper()
	return listenAt(t, "tcp", "127.0.0.1:0", talk)
}

// listenAt is Listen at any address.
func listenAt(t testing.TB, network, address string, talk func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go func() {
				defer conn.Close()
				talk(conn)
			}()
		}
	}()
	return listener.Addr().String()
}
