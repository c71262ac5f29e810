package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
)

// TestDNSOutage requires authentic mails while there is no DNS: nothing is
// refused, however often it is tried, and all count when the DNS is back.
func TestDNSOutage(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	var mail bytes.Buffer
	err := dkim.Sign(&mail, bytes.NewReader(letter(t, "one", ingesttest.Report("one", 7), false)), &dkim.SignOptions{
		Domain: "mail.example", Selector: "s", Signer: key,
	})
	if err != nil {
		t.Fatal(err)
	}
	// The kernel says at once that nobody listens at the port of a closed socket.
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.LocalAddr().String()
	closed.Close()
	dir := t.TempDir()
	text := fmt.Sprintf("trust: {mode: require, resolver: %q}\nsources:\n  directories: [{path: in, rescan: 20ms}]\n", address)
	s, stop := runService(t, dir, map[string]string{"config.yml": text, "in/one.eml": mail.String()})
	defer stop()
	name := "dir:" + filepath.Join(dir, "in")
	eventually(t, "some attempts", func() bool { return s.Pipeline.Stats(name).Failures[ingest.FailureStore] >= 2 })
	if n := ingesttest.Sum(s.Store, tally.Refusals); n != 0 {
		t.Errorf("%d refusals while there is no DNS", n)
	}
	startDNS(t, address, map[string][]string{
		"s._domainkey.mail.example.": {"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))},
	})
	eventually(t, "counted", func() bool { return ingesttest.Sum(s.Store, tally.Messages) == 7 })
	if n := ingesttest.Sum(s.Store, tally.Authenticated, "pass"); n != 1 {
		t.Errorf("%d reports are authentic, want 1", n)
	}
}
