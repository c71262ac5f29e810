package s3

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Tag is the key of the tag of AfterTag, and TagCounted and TagRefused are its values.
const (
	Tag        = "dmarc_exporter"
	TagCounted = "counted"
	TagRefused = "refused"
)

// outcome is an object whose outcome is durable.
type outcome struct {
	object object
	mark   mark
}

// action returns what is left to be done with an object; empty means nothing.
func (b *Bucket) action(m *mark) ingest.After {
	switch {
	case m.reason != "" && b.config.RefusedPrefix != "":
		return ingest.AfterMove
	case b.config.After == ingest.AfterTag && !m.tagged:
		return ingest.AfterTag
	case m.reason != "", b.config.After == ingest.AfterKeep, b.config.After == ingest.AfterTag:
		return ""
	}
	return b.config.After
}

// maxStays is how many objects of a session are tried that cannot be put away.
const maxStays = 20

// putAway does with objects what is to be done. What fails stays: its mark keeps it
// from being counted again.
func (s *session) putAway(ctx context.Context, objects []outcome) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, o := range objects {
		group.Go(func() error {
			return ingest.Guard(func() error { return s.putAwayOne(ctx, &o) })
		})
	}
	return group.Wait()
}

func (s *session) putAwayOne(ctx context.Context, o *outcome) error {
	b := s.bucket
	action := b.action(&o.mark)
	if action == "" || s.hopeless() {
		return nil
	}
	err := b.putAway(ctx, s.deliver, o, action)
	switch {
	case err == nil, isGone(err):
		s.succeeded(&o.object)
		return nil
	case isChanged(err):
		s.changed(&o.object) // What was written again is another input.
		return nil
	case isFinal(err):
		b.trials.Failed(o.object.key, err)
		b.notices.Warn("cannot put away a processed object, it stays", "key", o.object.key, "action", action, "err", err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stays++
		return nil
	}
	return s.failed(ctx, &o.object, err)
}

// hopeless reports whether this session puts nothing away any more.
func (s *session) hopeless() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stays >= maxStays
}

// putAway does one thing with an object.
func (b *Bucket) putAway(ctx context.Context, deliver ingest.Deliver, o *outcome, action ingest.After) error {
	switch action {
	case ingest.AfterMove:
		target := b.config.MovedPrefix
		if o.mark.reason != "" {
			target = b.config.RefusedPrefix + string(o.mark.reason) + "/"
		}
		return putAwayError(b.move(ctx, &o.object, target+b.relative(o.object.key)))
	case ingest.AfterDelete:
		return putAwayError(b.client.remove(ctx, &o.object))
	}
	value := TagCounted
	if o.mark.reason != "" {
		value = TagRefused
	}
	if err := b.client.tag(ctx, &o.object, Tag, value); err != nil {
		return putAwayError(err)
	}
	_, err := deliver.One(ctx, &ingest.Delivery{
		Source: b.status.Name, Name: o.object.key, Key: o.object.key, Mark: o.mark.etag + tagMark + string(o.mark.reason),
	})
	return err
}

// putAwayError is an error of a request for a processed object.
func putAwayError(err error) error {
	if err == nil {
		return nil
	}
	return &objectError{fmt.Errorf("put away object: %w", err)}
}

// relative returns a key without the folders of the prefix.
func (b *Bucket) relative(key string) string {
	return key[strings.LastIndexByte(b.config.Prefix, '/')+1:]
}

// move copies an object and deletes it where it was. Nothing is overwritten: when
// another object has the key, a part of the ETag follows it. A copy with the same
// ETag is one of a session that was interrupted.
func (b *Bucket) move(ctx context.Context, o *object, target string) error {
	const suffix = 12
	have, _, err := b.client.stat(ctx, target, "")
	switch {
	case isGone(err):
	case err != nil:
		return err
	case have != o.etag:
		target += "." + o.etag[:min(suffix, len(o.etag))]
	}
	if have != o.etag {
		if err := b.client.copy(ctx, o, target); err != nil {
			return err
		}
	}
	return b.client.remove(ctx, o)
}
