package ingest

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// patience is how old an input gets that holds a report from the future.
const patience = 30 * 24 * time.Hour

// early returns ErrNotNow for a report from the future, unless nothing is early by
// a clock that is in doubt: that is then the error, whatever the report. Our
// clock may be wrong without doubt as well, so the input waits until the report is
// not early any more, or until the input is old: then the report is recorded as
// tally.OutcomeFuture. What is read in order, and stays where it is, does not wait:
// whoever sends such a report could hold up all others.
func (p *Pipeline) early(ctx context.Context, d *Delivery, mail *unpack.Mail, e *tally.Entry) error {
	now := p.config.Now()
	if d.InOrder || !e.Early(now) {
		return nil
	}
	if _, err := p.store.Peek(ctx, e); errors.Is(err, store.ErrClock) {
		return fmt.Errorf("record reports: %w", err)
	}
	if since := arrival(d, mail); !since.IsZero() && now.Sub(since) > patience {
		return nil
	}
	return fmt.Errorf("%w: the report ends in the future, at %s", ErrNotNow, e.End.UTC().Format(time.RFC3339))
}

// arrival returns when an input came: as the server says that took the mail, or
// else as its sender does, or as the source does.
func arrival(d *Delivery, mail *unpack.Mail) time.Time {
	if mail == nil {
		return d.Since
	}
	for mail.Outer != nil {
		mail = mail.Outer
	}
	received := mail.Field("Received")
	for _, text := range []string{received[strings.LastIndexByte(received, ';')+1:], mail.Field("Date")} {
		if t, err := netmail.ParseDate(strings.TrimSpace(text)); err == nil {
			return t
		}
	}
	return d.Since
}
