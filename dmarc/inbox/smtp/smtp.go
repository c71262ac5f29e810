package smtp

import (
	"crypto/tls"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/smtp"
)

// Config configures a listener.
type Config struct {
	// Listen is a TCP address, or "unix:" and the path of a socket.
	Listen string
	// LMTP speaks LMTP (RFC 2033) instead of SMTP.
	LMTP bool
	// Hostname is what the server calls itself; empty means that of the machine.
	Hostname string
	// Recipients lists whose mail is accepted: addresses, or "@domain" for all of a
	// domain. Case does not matter. There is no mail without one.
	Recipients []string
	// MaxBytes is the size of the largest mail; 0 means about 64 MB.
	MaxBytes int64
	// Timeout is how long a client may take for a command, and for a whole mail; 0
	// means a minute. After five times as long without a mail its session ends.
	Timeout time.Duration
	// Connections is how many clients are served at once; 0 means 50. One more takes
	// the place of the one that is longest without a mail.
	Connections int
	// PerAddress is how many of them may come from one address, or from one network
	// of 64 bits; 0 means half of Connections. A socket has no addresses.
	PerAddress int
	// TLS offers STARTTLS when it is not nil.
	TLS *tls.Config
	// RequireTLS refuses mail that does not come over TLS.
	RequireTLS bool
}

// New returns a source that mail servers send reports to: it can be the address of
// rua itself, behind another mail server. A mail is confirmed (250) when it is done,
// refused for good (5xx) when it is refused, and else answered with 4xx, so that the
// queue of its sender keeps it.
func New(c Config) (inbox.Source, error) {
	return inbox.NewSource(func(o ingest.Options) (ingest.Source, error) {
		return smtp.New(smtp.Config{
			Listen: c.Listen, LMTP: c.LMTP, Hostname: c.Hostname, Recipients: c.Recipients, MaxBytes: c.MaxBytes, Timeout: c.Timeout,
			Connections: c.Connections, PerAddress: c.PerAddress, TLS: c.TLS, RequireTLS: c.RequireTLS, Logger: o.Logger,
		})
	})
}
