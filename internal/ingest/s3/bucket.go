package s3

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Bucket is a source that reads the objects of a bucket.
type Bucket struct {
	config  Config
	client  *client
	trials  *ingest.Trials[string] // by key
	notices *ingest.Notices
	seed    maphash.Seed

	mu     sync.Mutex
	status ingest.Status
}

// New checks the configuration and returns a Bucket. Its name is "s3:", the host
// of the endpoint if there is one, the bucket and the prefix.
func New(c Config) (*Bucket, error) {
	name := c.name()
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if c.Region == "" {
		c.Region = defaultRegion
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	c.Options = c.Options.WithDefaults()
	b := &Bucket{
		config: c, trials: ingest.NewTrials[string](c.Options), notices: ingest.NewNotices(c.Logger.With("source", name)),
		seed: maphash.MakeSeed(), status: ingest.Status{Name: name},
	}
	var err error
	if b.client, err = newClient(&b.config); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// Status returns a snapshot. The backlog is that of the page that is read, with
// what could not be read before it.
func (b *Bucket) Status() ingest.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

// set records whether the source works: nil means up.
func (b *Bucket) set(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	up := err == nil
	if up != b.status.Up || b.status.Since.IsZero() {
		b.status.Since = time.Now()
	}
	b.status.Up, b.status.Err = up, err
	b.status.Worked = b.status.Worked || up
}

func (b *Bucket) setBacklog(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.Backlog = n
}

// miss counts an object that was listed and went away unread.
func (b *Bucket) miss() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.Missed++
}

// Run lists the bucket again and again until ctx ends or the service is out of order.
func (b *Bucket) Run(ctx context.Context, deliver ingest.Deliver) error {
	for {
		err := b.session(ctx, deliver)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.set(err)
		if err != nil {
			b.client.credentials.Expire() // Those in a file may be others by now.
			return err
		}
		if b.config.Once {
			return b.config.End(b.Status().Backlog)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(b.config.Poll):
		}
	}
}

// maxListed is how many objects a listing may have.
const maxListed = 5_000_000

// session reads the bucket once. Of all keys only a digest is held, by which the
// marks of those are dropped that are gone.
func (b *Bucket) session(ctx context.Context, deliver ingest.Deliver) error {
	s := &session{bucket: b, deliver: deliver}
	var there []uint64
	var page []object
	for o, err := range b.client.list(ctx, b.config.Prefix, pageSize) {
		if err != nil {
			return fmt.Errorf("list objects: %w", err)
		}
		if there == nil {
			b.set(nil)
		}
		if len(there) == maxListed {
			return fmt.Errorf("list objects: more than %d", maxListed)
		}
		there = append(there, b.digest(o.key))
		if !b.wanted(o.key) {
			continue
		}
		if o.etag == "" {
			return errors.New("list objects: the server has no ETags, by which objects are recognised")
		}
		if page = append(page, o); len(page) < pageSize {
			continue
		}
		if err := s.read(ctx, page); err != nil {
			return err
		}
		page = page[:0]
	}
	b.set(nil)
	if err := s.read(ctx, page); err != nil {
		return err
	}
	slices.Sort(there)
	listed := func(key string) bool {
		_, found := slices.BinarySearch(there, b.digest(key))
		return found
	}
	b.trials.Keep(listed)
	return b.config.Marks.Forget(ctx, b.status.Name, listed)
}

func (b *Bucket) digest(key string) uint64 { return maphash.String(b.seed, key) }

// setupNotification is what Amazon SES writes when it may use a bucket.
const setupNotification = "AMAZON_SES_SETUP_NOTIFICATION"

// wanted reports by its key whether an object is an input.
func (b *Bucket) wanted(key string) bool {
	return strings.HasPrefix(key, b.config.Prefix) &&
		!strings.HasSuffix(key, "/") && path.Base(key) != setupNotification && // folders that consoles make have no content
		!within(key, b.config.MovedPrefix) && !within(key, b.config.RefusedPrefix)
}

func within(key, prefix string) bool { return prefix != "" && strings.HasPrefix(key, prefix) }
