package imap

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Mailbox is a source that reads folders of an IMAP account.
type Mailbox struct {
	config     Config
	name       string
	folders    []*folder
	supervisor ingest.Supervisor // of the folders, when there are several
	notices    *ingest.Notices

	mu     sync.Mutex
	status ingest.Status
}

// New checks the configuration and returns a Mailbox. Its name is "imap:",
// the user and the host.
func New(c Config) (*Mailbox, error) {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		host = c.Address
	}
	name := "imap:" + c.User + "@" + host
	c, err = c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	m := &Mailbox{config: c, name: name, status: ingest.Status{Name: name}, supervisor: ingest.Supervisor{Logger: c.Logger}, notices: ingest.NewNotices(c.Logger.With("source", name))}
	for _, f := range c.Folders {
		m.folders = append(m.folders, &folder{mailbox: m, name: f})
	}
	return m, nil
}

// Run reads all folders until ctx ends. A folder that fails is started again by
// itself, and costs the others nothing; one that is alone ends the run.
func (m *Mailbox) Run(ctx context.Context, deliver ingest.Deliver) error {
	if len(m.folders) == 1 {
		return m.folders[0].Run(ctx, deliver)
	}
	folders := make(map[string]ingest.Source)
	for _, f := range m.folders {
		folders[f.name] = f
	}
	m.supervisor.Run(ctx, deliver, folders)
	return ctx.Err()
}

// Status returns a snapshot; the mailbox is up when every folder was searched.
func (m *Mailbox) Status() ingest.Status {
	panics := m.supervisor.Panics(m.name)
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.status
	s.Panics = panics
	for _, f := range m.folders {
		s.Backlog += f.backlog
	}
	return s
}

// set records whether a folder works: nil means up.
func (m *Mailbox) set(f *folder, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.up, f.err = err == nil, err
	up, first := true, error(nil)
	for _, one := range m.folders {
		up = up && one.up
		first = cmp.Or(first, one.err)
	}
	if up != m.status.Up || m.status.Since.IsZero() {
		m.status.Since = time.Now()
	}
	m.status.Up, m.status.Err = up, first
	m.status.Worked = m.status.Worked || up
}

func (m *Mailbox) setBacklog(f *folder, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.backlog = n
}

// miss counts a mail that was listed and went away unread.
func (m *Mailbox) miss() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Missed++
}
