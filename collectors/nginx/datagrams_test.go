package nginx

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// send sends n lines to a socket.
func send(t *testing.T, socket *datagrams, n int) {
	t.Helper()
	conn, err := net.Dial("udp", socket.conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line := []byte("<190>Nov 24 18:00:00 web1 nginx: " + kv("GET", "200", "0.1", "-"))
	for range n {
		if _, err := conn.Write(line); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDatagramsAccounted sends more than the socket holds while nobody reads:
// every line is either counted or counted as dropped.
func TestDatagramsAccounted(t *testing.T) {
	const sent = 5000
	a, err := NewAccessLog(AccessLogConfig{Inputs: []Input{{Listen: "udp://127.0.0.1:0"}}, ReceiveBuffer: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	socket := a.inputs[0].socket
	send(t, socket, sent)
	dropped, ok := socket.drops()
	if !ok {
		t.Skip("the kernel does not count drops here")
	}
	if dropped == 0 || dropped >= sent {
		t.Fatalf("%d datagrams dropped of %d: the test wants some of them", dropped, sent)
	}
	start(t, a)
	await(t, a, sent-dropped)
	time.Sleep(20 * time.Millisecond)
	if got := a.Lines() + dropped; got != sent {
		t.Errorf("%d lines counted and %d dropped, %d were sent", a.Lines(), dropped, sent)
	}
	text := expose(t, a)
	if !strings.Contains(text, "nginx_access_log_datagrams_dropped_total") {
		t.Errorf("no drop counter in\n%s", text)
	}
}

// TestDatagramsStalled holds that the default buffer takes what comes in one
// second at 20,000 lines a second while nobody reads.
func TestDatagramsStalled(t *testing.T) {
	const sent = 20_000
	a, err := NewAccessLog(AccessLogConfig{Inputs: []Input{{Listen: "udp://127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	socket := a.inputs[0].socket
	if socket.buffer < 8<<20 {
		t.Skipf("the kernel grants a receive buffer of %d bytes", socket.buffer)
	}
	send(t, socket, sent)
	if dropped, ok := socket.drops(); dropped != 0 {
		t.Errorf("%d datagrams dropped (counted: %t)", dropped, ok)
	}
	start(t, a)
	await(t, a, sent)
}

func TestUnixgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	a, err := NewAccessLog(AccessLogConfig{Inputs: []Input{{Listen: "unixgram://" + path}}})
	if err != nil {
		t.Fatal(err)
	}
	start(t, a)
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("<190>Nov 24 18:00:00 nginx: " + kv("GET", "200", "0.1", "-") + "\n")); err != nil {
		t.Fatal(err)
	}
	await(t, a, 1)
	want(t, expose(t, a), `nginx_access_requests_total{method="GET",route="other",server="shop.example",status="200"} 1`)
}
