package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

const (
	// parallel is how many requests are made at once, and together how many
	// objects share a transaction.
	parallel = 8
	together = 16
	// outOfOrder is how many objects must fail in a row to take the service for down.
	outOfOrder = 3
)

// session is one pass over the bucket.
type session struct {
	bucket  *Bucket
	deliver ingest.Deliver

	left int // objects that wait for another session

	mu    sync.Mutex
	inRow int // objects that failed in a row
	stays int // objects that could not be put away, however often
}

// read reads the objects of a page that were not counted before, and puts away
// those that were.
func (s *session) read(ctx context.Context, page []object) error {
	b := s.bucket
	keys := make([]string, 0, len(page))
	for i := range page {
		keys = append(keys, page[i].key)
	}
	committed, err := b.config.Marks.LookupAll(ctx, b.status.Name, keys)
	if err != nil {
		return err
	}
	var unread []object
	var counted []outcome
	seen := make(map[string]bool, len(page))
	for _, o := range page {
		if seen[o.key] {
			continue // A server that lists something twice.
		}
		seen[o.key] = true
		m := readMark(committed[o.key])
		done := m.etag == o.etag
		switch {
		case b.trials.Pausing(o.key):
			if !done {
				s.left++
			}
		case !done:
			unread = append(unread, o)
		case b.action(&m) != "":
			counted = append(counted, outcome{object: o, mark: m})
		}
	}
	b.setBacklog(s.left + len(unread))
	if err := s.putAway(ctx, counted); err != nil {
		return err
	}
	waiting := len(unread)
	for objects := range slices.Chunk(unread, together) {
		if err := s.count(ctx, objects); err != nil {
			return err
		}
		waiting -= len(objects)
		b.setBacklog(s.left + waiting)
	}
	return nil
}

// input is an object that was fetched, or is not to be.
type input struct {
	object   object
	delivery *ingest.Delivery
	spool    *ingest.Spool
}

// count fetches and delivers some objects, and puts them away. Those that cannot
// be fetched do not keep the others from being counted.
func (s *session) count(ctx context.Context, objects []object) error {
	inputs := make([]input, len(objects))
	errs := make([]error, len(objects))
	defer func() {
		for _, in := range inputs {
			if in.spool != nil {
				in.spool.Close()
			}
		}
	}()
	var group errgroup.Group
	group.SetLimit(parallel)
	for i := range objects {
		group.Go(func() error {
			errs[i] = ingest.Guard(func() (err error) {
				inputs[i], err = s.bucket.fetch(ctx, &objects[i])
				return err
			})
			return nil
		})
	}
	_ = group.Wait() // The errors are those of the objects.
	var fetched []input
	var stop error
	for i, err := range errs {
		switch {
		case err == nil:
			fetched = append(fetched, inputs[i])
		case isGone(err):
			s.bucket.trials.Done(objects[i].key)
			s.bucket.miss() // Somebody else removed it.
		case isChanged(err):
			s.changed(&objects[i])
			s.left++
		default:
			stop = cmp.Or(stop, s.failed(ctx, &objects[i], err))
			s.left++
		}
	}
	if ctx.Err() != nil || len(fetched) == 0 {
		return cmp.Or(ctx.Err(), stop)
	}
	return cmp.Or(s.commit(ctx, fetched), stop)
}

// commit delivers what was fetched, and puts away what is durable.
func (s *session) commit(ctx context.Context, fetched []input) error {
	deliveries := make([]*ingest.Delivery, len(fetched))
	for i := range fetched {
		deliveries[i] = fetched[i].delivery
	}
	results, err := s.deliver(ctx, deliveries...)
	if err != nil {
		return err
	}
	var done []outcome
	var stop error
	for i := range results {
		o := fetched[i].object
		var unread *ingest.InputError
		switch err := results[i].Err; {
		case err == nil:
			s.succeeded(&o)
			done = append(done, outcome{object: o, mark: mark{etag: o.etag, reason: results[i].Reason()}})
		case errors.As(err, &unread), errors.Is(err, ingest.ErrNotNow):
			stop = cmp.Or(stop, s.failed(ctx, &o, &objectError{err}))
			s.left++
		default:
			stop = cmp.Or(stop, err)
		}
	}
	return cmp.Or(s.putAway(ctx, done), stop)
}

// succeeded takes down that an object was read or put away.
func (s *session) succeeded(o *object) {
	s.bucket.trials.Done(o.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inRow = 0
}

// changed takes down that an object has another ETag than the listing says. The
// next session reads it, unless the server always does that.
func (s *session) changed(o *object) {
	s.bucket.trials.Done(o.key)
	s.bucket.notices.Warn("an object has another ETag than the listing says, will look at it again", "key", o.key, "etag", o.etag)
}

// failed takes down that an object failed. It returns an error if that ends the
// session: others need not wait for one object, unless it is the service that fails.
func (s *session) failed(ctx context.Context, o *object, err error) error {
	var one *objectError
	if ctx.Err() != nil || !errors.As(err, &one) {
		return cmp.Or(ctx.Err(), err)
	}
	b := s.bucket
	b.trials.Failed(o.key, err)
	b.notices.Warn("cannot read or put away an object, will try again", "key", o.key, "attempts", b.trials.Attempts(o.key), "err", err)
	if errors.Is(err, ingest.ErrNotNow) {
		return nil // The service has done its part.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inRow++; s.inRow >= outOfOrder || blamesService(err) {
		return err
	}
	return nil
}

// fetch makes the delivery of an object. What cannot be fetched for a day, and is
// to blame for that itself, is refused.
func (b *Bucket) fetch(ctx context.Context, o *object) (input, error) {
	d := &ingest.Delivery{Source: b.status.Name, Name: o.key, Key: o.key, Mark: o.etag, Since: o.modified}
	in := input{object: *o, delivery: d}
	if b.trials.GiveUp(o.key) {
		b.config.Logger.Error("giving up on object", "source", b.status.Name, "key", o.key, "attempts", b.trials.Attempts(o.key))
		d.Refused = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: errors.New("the object cannot be fetched")}
		return in, nil
	}
	if o.size > b.config.MaxBytes {
		d.Refused = &dmarc.Error{Reason: dmarc.ReasonTooLarge, Offset: -1, Err: fmt.Errorf("an object of %d bytes", o.size)}
		return in, nil
	}
	content, err := b.client.get(ctx, o)
	if err != nil {
		return in, fetchError(ctx, fmt.Errorf("fetch object: %w", err))
	}
	defer content.Close()
	in.spool, err = ingest.NewSpool(io.LimitReader(content, b.config.MaxBytes+1))
	var broken *ingest.InputError
	switch {
	case errors.As(err, &broken):
		// The object is not to blame for the network.
		return in, fetchError(ctx, fmt.Errorf("fetch object: %w", broken.Err))
	case err != nil:
		return in, err
	case in.spool.Size != o.size:
		return in, &objectError{fmt.Errorf("fetch object: %d bytes came of %d", in.spool.Size, o.size)}
	}
	d.Body, d.Size = in.spool, in.spool.Size
	return in, nil
}

// mark is what is remembered of an object that was counted or refused.
type mark struct {
	etag   string
	reason dmarc.Reason // why it was refused, if it was
	tagged bool
}

// tagMark follows the ETag of an object that has its tag.
const tagMark = " tagged "

func readMark(c ingest.Committed) mark {
	m := mark{etag: c.Value, reason: c.Reason}
	if etag, reason, tagged := strings.Cut(c.Value, tagMark); tagged {
		m = mark{etag: etag, reason: dmarc.Reason(reason), tagged: true}
	}
	return m
}
