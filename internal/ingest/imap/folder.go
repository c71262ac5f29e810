package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// folder is one folder of a Mailbox with what is known of it.
type folder struct {
	mailbox *Mailbox
	name    string
	backlog int // guarded by mailbox.mu
	// last is the UID up to which everything is done, under validity.
	last     imap.UID
	validity uint32
	// attempts counts the failures of single mails.
	attempts map[imap.UID]int
}

// run reads the folder until ctx ends or something fails.
func (f *folder) run(ctx context.Context, deliver ingest.Deliver) error {
	c := &f.mailbox.config
	s, err := connect(ctx, c, f.name)
	if err != nil {
		return err
	}
	defer s.close()
	if err := f.resume(ctx, s.validity); err != nil {
		return err
	}
	for {
		uids, err := s.search(ctx, f.last)
		if err != nil {
			return err
		}
		f.mailbox.set(nil)
		for len(uids) > 0 {
			f.mailbox.setBacklog(f, len(uids))
			n := min(len(uids), batchSize(c.Batch, len(uids)))
			if err := f.batch(ctx, s, deliver, uids[:n]); err != nil {
				return err
			}
			uids = uids[n:]
		}
		f.mailbox.setBacklog(f, 0)
		if err := s.wait(ctx, c.Poll, !c.NoIdle); err != nil {
			return err
		}
	}
}

// batchSize returns how many mails are handled together: up to ten times as
// many when many wait, because some servers read the whole folder for each move.
func batchSize(usual, waiting int) int { return max(usual, min(waiting/10, 10*usual)) }

// The keys of a folder in the marks: one for the position, one for each mail
// between its commit and the end of its batch.
func (f *folder) positionKey() string { return f.name + "\x00last" }

func (f *folder) mailKey(uid imap.UID) string {
	return f.name + "\x00" + strconv.FormatUint(uint64(uid), 10)
}

// resume takes up the committed position if the UIDs still mean the same.
func (f *folder) resume(ctx context.Context, validity uint32) error {
	if f.validity == validity {
		return nil
	}
	c := &f.mailbox.config
	committed, ok, err := c.Marks.Lookup(ctx, f.mailbox.name, f.positionKey())
	if err != nil {
		return err
	}
	f.validity, f.last, f.attempts = validity, 0, make(map[imap.UID]int)
	if !ok {
		return nil
	}
	known, last, _ := strings.Cut(committed.Value, ".")
	uid, err := strconv.ParseUint(last, 10, 32)
	if err != nil || known != strconv.FormatUint(uint64(validity), 10) {
		c.Logger.Warn("the server has renumbered the mails, reading all of them again", "source", f.mailbox.name, "folder", f.name)
		return nil
	}
	f.last = imap.UID(uid)
	return nil
}

// mailMark is the mark of a single mail: UIDs are only unique under a validity.
func (f *folder) mailMark() string { return strconv.FormatUint(uint64(f.validity), 10) }

// batch handles some mails: fetch and deliver each, act on all, move the position.
func (f *folder) batch(ctx context.Context, s *session, deliver ingest.Deliver, uids []imap.UID) error {
	outcomes, deliverErr := f.deliverAll(ctx, s, deliver, uids)
	// What is durable is acted upon, also when a later mail failed.
	if err := f.act(ctx, s, outcomes); err != nil {
		return errors.Join(deliverErr, err)
	}
	if deliverErr != nil {
		return deliverErr
	}
	last := uids[len(uids)-1]
	_, err := deliver(ctx, &ingest.Delivery{
		Source: f.mailbox.name, Name: f.name, Key: f.positionKey(),
		Mark: f.mailMark() + "." + strconv.FormatUint(uint64(last), 10),
	})
	if err != nil {
		return fmt.Errorf("record position: %w", err)
	}
	f.last = last
	clear(f.attempts)
	return f.mailbox.config.Marks.Forget(ctx, f.mailbox.name, func(key string) bool {
		uid, ok := strings.CutPrefix(key, f.name+"\x00")
		n, err := strconv.ParseUint(uid, 10, 32)
		return !ok || err != nil || imap.UID(n) > last
	})
}

// refuse records a mail as refused without reading it.
func (f *folder) refuse(ctx context.Context, deliver ingest.Deliver, uid imap.UID, reason dmarc.Reason, cause error) (ingest.Class, error) {
	d := f.delivery(uid)
	d.Refused = &dmarc.Error{Reason: reason, Offset: -1, Err: cause}
	result, err := deliver(ctx, d)
	return result.Class(), err
}

func (f *folder) delivery(uid imap.UID) *ingest.Delivery {
	return &ingest.Delivery{
		Source: f.mailbox.name, Name: f.name + "/" + strconv.FormatUint(uint64(uid), 10),
		Key: f.mailKey(uid), Mark: f.mailMark(),
	}
}

// after drops the UIDs that are not above last: a search for "5:*" finds the
// newest mail even when it is below 5.
func after(uids []imap.UID, last imap.UID) []imap.UID {
	uids = slices.DeleteFunc(uids, func(uid imap.UID) bool { return uid <= last })
	slices.Sort(uids)
	return uids
}
