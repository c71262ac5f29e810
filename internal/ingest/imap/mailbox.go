package imap

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Mailbox is a source that reads folders of an IMAP account.
type Mailbox struct {
	config  Config
	name    string
	folders []*folder

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
	m := &Mailbox{config: c, name: name, status: ingest.Status{Name: name}}
	for _, f := range c.Folders {
		m.folders = append(m.folders, &folder{mailbox: m, name: f})
	}
	return m, nil
}

// Run reads all folders until ctx ends or one of them fails.
func (m *Mailbox) Run(ctx context.Context, deliver ingest.Deliver) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for _, f := range m.folders {
		group.Go(func() error {
			if err := f.run(groupCtx, deliver); err != nil {
				return fmt.Errorf("folder %s: %w", f.name, err)
			}
			return nil
		})
	}
	err := group.Wait()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	m.set(err)
	return err
}

// Status returns a snapshot; the mailbox is up when every folder was searched.
func (m *Mailbox) Status() ingest.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.status
	for _, f := range m.folders {
		s.Backlog += f.backlog
	}
	return s
}

func (m *Mailbox) set(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	up := err == nil
	if up != m.status.Up || m.status.Since.IsZero() {
		m.status.Since = time.Now()
	}
	m.status.Up, m.status.Err = up, err
}

func (m *Mailbox) setBacklog(f *folder, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.backlog = n
}
