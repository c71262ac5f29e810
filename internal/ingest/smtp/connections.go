package smtp

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// The reasons for which clients are turned away or cut off.
const (
	crowded    = "crowded"     // another client took the place
	full       = "full"        // all places are taken by mails
	perAddress = "per_address" // all places of the address are taken by mails
	idle       = "idle"        // no command in time
	noMail     = "no_mail"     // a session without a mail for too long, or with too many commands
	manyErrors = "errors"      // too many commands that were refused
	longLine   = "long_line"   // a command of more than maxLine
	brokenBody = "broken_body" // a mail that did not come to its end
	startTLS   = "starttls"    // commands before the handshake, or none
	recipient  = "recipient"   // a recipient that is not ours
	tooLarge   = "too_large"   // a mail that is too large
)

// connections knows the clients that are connected. It is safe for concurrent use.
type connections struct {
	most, perAddress int

	mu    sync.Mutex
	conns map[*conn]bool
	count ingest.Listener
}

func newConnections(most, ofAddress int) *connections {
	rejections := make(map[string]uint64)
	for _, reason := range []string{crowded, full, perAddress, idle, noMail, manyErrors, longLine, brokenBody, startTLS, recipient, tooLarge} {
		rejections[reason] = 0 // so that an increase from nothing is seen
	}
	return &connections{most: most, perAddress: ofAddress, conns: make(map[*conn]bool), count: ingest.Listener{Rejections: rejections}}
}

// stats returns how many clients there are and were.
func (g *connections) stats() *ingest.Listener {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.count
	out.Open = len(g.conns)
	out.Rejections = make(map[string]uint64, len(g.count.Rejections))
	for reason, n := range g.count.Rejections {
		out.Rejections[reason] = n
	}
	return &out
}

// reject counts a client that is turned away or cut off.
func (g *connections) reject(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count.Rejections[reason]++
}

// origin is what counts as one address; "" is none.
func origin(nc net.Conn) string {
	address, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	if err != nil {
		return ""
	}
	bits := 64
	if address.Addr().Unmap().Is4() {
		bits = 32
	}
	network, _ := address.Addr().Unmap().WithZone("").Prefix(bits) // they fit
	return network.String()
}

// admit takes a client in, in place of another one when there is no room. It
// reports whether there is a place.
func (g *connections) admit(c *conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count.Accepted++
	from := make(map[string]int)
	crowd := c.origin
	for other := range g.conns {
		if from[other.origin]++; from[other.origin] > from[crowd] {
			crowd = other.origin
		}
	}
	reason := ""
	switch {
	case c.origin != "" && from[c.origin] >= g.perAddress:
		crowd, reason = c.origin, perAddress
	case len(g.conns) >= g.most:
		reason = full
	}
	if reason != "" {
		last := g.idlest(crowd, crowd != c.origin)
		if last == nil {
			g.count.Rejections[reason]++
			return false
		}
		g.count.Rejections[crowded]++
		delete(g.conns, last)
		last.evict()
	}
	g.conns[c] = true
	return true
}

// idlest returns the client of an origin that is longest without a mail. One
// that sends a mail counts only if it must.
func (g *connections) idlest(origin string, busy bool) (last *conn) {
	for _, sending := range []bool{false, busy} {
		for c := range g.conns {
			if c.origin == origin && c.busy.Load() == sending && (last == nil || c.since().Before(last.since())) {
				last = c
			}
		}
		if last != nil {
			return last
		}
	}
	return nil
}

// leave forgets a client.
func (g *connections) leave(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

// closeAll cuts all clients off.
func (g *connections) closeAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.evict()
	}
}

// since is when the client sent its last mail, or came.
func (c *conn) since() time.Time { return time.Unix(0, c.progress.Load()) }
