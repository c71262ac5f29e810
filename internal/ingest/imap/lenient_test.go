package imap

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
)

// fixed is a connection that has these bytes.
type fixed struct {
	net.Conn
	io.Reader
}

func (f fixed) Read(p []byte) (int, error) { return f.Reader.Read(p) }

// FuzzLenient reads anything without a panic, in lines that are whole, however
// the bytes come.
func FuzzLenient(f *testing.F) {
	for _, d := range servers.IMAPDeviations() {
		for _, said := range d.Said() {
			f.Add([]byte("* 2 FETCH (UID 3 BODY[] {3}\r\nabc)\r\n* OK [" + said + "] x\r\nT1 OK " + said))
		}
	}
	f.Add([]byte("* LIST (\\Noselect) \"/\" {4}\r\na\"b\\\r\n* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\n"))
	f.Add([]byte("* 1 FETCH (BODY[] {99999999999999999999}\r\n"))
	f.Add([]byte("* 1 FETCH (X {-1}\r\n* 1 FETCH (X {1048576}\r\n)"))
	f.Fuzz(func(t *testing.T, said []byte) {
		read := func(r io.Reader) string {
			l := newLenient(fixed{Reader: r})
			l.fetching.Store(3)
			got, _ := io.ReadAll(l)
			return string(got)
		}
		got := read(bytes.NewReader(said))
		if again := read(iotest.OneByteReader(bytes.NewReader(said))); again != got {
			t.Errorf("%q, byte by byte %q", got, again)
		}
		if !strings.Contains(got, "{") && got != "" && !strings.HasSuffix(got, "\r\n") {
			t.Errorf("no whole lines: %q", got)
		}
	})
}
