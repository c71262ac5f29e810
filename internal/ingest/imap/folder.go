package imap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// folder is one folder of a Mailbox with what is known of it. It is a source of
// its own, so that a folder that fails costs no other.
type folder struct {
	mailbox *Mailbox
	name    string
	// Guarded by mailbox.mu: what is left to read, and whether it can be.
	backlog int
	up      bool
	err     error
	// resumed says that the position was looked up, for validity: a server may
	// well have none, which is 0.
	resumed  bool
	validity uint32
	// last is the UID up to which everything is done, under validity.
	last imap.UID
	// finished are the mails behind last that are done; read are those that
	// are counted, but not where they should be.
	finished, read map[imap.UID]bool
	trials         *ingest.Trials[imap.UID]
}

// Run reads the folder until ctx ends or something fails.
func (f *folder) Run(ctx context.Context, deliver ingest.Deliver) error {
	err := f.run(ctx, deliver)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	f.mailbox.set(f, err)
	if err != nil {
		err = fmt.Errorf("folder %s: %w", f.name, err)
	}
	return err
}

// Status is that of the folder alone.
func (f *folder) Status() ingest.Status {
	f.mailbox.mu.Lock()
	defer f.mailbox.mu.Unlock()
	return ingest.Status{Name: f.mailbox.name, Up: f.up, Backlog: f.backlog, Err: f.err}
}

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
		all, err := s.search(ctx, f.last)
		if err != nil {
			return err
		}
		f.mailbox.set(f, nil)
		if err := f.round(ctx, s, deliver, all); err != nil {
			return err
		}
		if c.Once {
			return c.End(f.left(all))
		}
		if err := s.wait(ctx, f.trials.Next(c.Poll), !c.NoIdle); err != nil {
			return err
		}
	}
}

// round handles the mails behind the position that are not done and due.
func (f *folder) round(ctx context.Context, s *session, deliver ingest.Deliver, all []imap.UID) error {
	there := make(map[imap.UID]bool, len(all))
	var due []imap.UID
	for _, uid := range all {
		there[uid] = true
		if !f.finished[uid] && !f.trials.Pausing(uid) {
			due = append(due, uid)
		}
	}
	// Others may have removed mails that waited.
	f.trials.Keep(func(uid imap.UID) bool { return there[uid] })
	c := &f.mailbox.config
	due, healthy := f.troubleLast(due)
	for len(due) > 0 {
		f.mailbox.setBacklog(f, f.left(all))
		// A mail that failed may break the connection, which keeps those that are
		// handled with it from being put away.
		n := 1
		if healthy > 0 {
			n = min(healthy, batchSize(c.Batch, healthy))
			healthy -= n
		}
		if err := f.batch(ctx, s, deliver, due[:n], all); err != nil {
			return err
		}
		due = due[n:]
	}
	f.mailbox.setBacklog(f, f.left(all))
	return nil
}

// troubleLast puts the mails that failed before behind the others, and returns how
// many others there are.
func (f *folder) troubleLast(uids []imap.UID) (sorted []imap.UID, healthy int) {
	slices.SortStableFunc(uids, func(a, b imap.UID) int { return cmp.Compare(f.trials.Failures(a), f.trials.Failures(b)) })
	for healthy < len(uids) && f.trials.Failures(uids[healthy]) == 0 {
		healthy++
	}
	return uids, healthy
}

// left returns how many mails were neither read nor refused.
func (f *folder) left(all []imap.UID) int {
	n := 0
	for _, uid := range all {
		if uid > f.last && !f.finished[uid] && !f.read[uid] {
			n++
		}
	}
	return n
}

// finish takes down that there is nothing left to do with a mail.
func (f *folder) finish(uid imap.UID) {
	f.finished[uid] = true
	delete(f.read, uid)
	f.trials.Done(uid)
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
	if f.resumed && f.validity == validity {
		return nil
	}
	c := &f.mailbox.config
	committed, ok, err := c.Marks.Lookup(ctx, f.mailbox.name, f.positionKey())
	if err != nil {
		return err
	}
	f.resumed, f.validity, f.last = true, validity, 0
	f.finished, f.read = make(map[imap.UID]bool), make(map[imap.UID]bool)
	f.trials = ingest.NewTrials[imap.UID](c.Options)
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

// mailMark is what is stored of a single mail: UIDs are only unique under a validity.
func (f *folder) mailMark() string { return strconv.FormatUint(uint64(f.validity), 10) }

// batch handles some mails: fetch and deliver each, act on all, move the position.
func (f *folder) batch(ctx context.Context, s *session, deliver ingest.Deliver, uids, all []imap.UID) error {
	outcomes, deliverErr := f.deliverAll(ctx, s, deliver, uids)
	// What is durable is acted upon, also when a later mail failed.
	finished, err := f.act(ctx, s, outcomes)
	for _, uid := range finished {
		f.finish(uid)
	}
	if err := errors.Join(deliverErr, err); err != nil {
		return err
	}
	return f.advance(ctx, deliver, all)
}

// advance moves the position past the mails that are done, up to the first one
// that is not: nothing is passed over.
func (f *folder) advance(ctx context.Context, deliver ingest.Deliver, all []imap.UID) error {
	last := f.last
	for _, uid := range all {
		if uid > last && !f.finished[uid] {
			break
		}
		last = max(last, uid)
	}
	if last == f.last {
		return nil
	}
	_, err := deliver.One(ctx, &ingest.Delivery{
		Source: f.mailbox.name, Name: f.name, Key: f.positionKey(),
		Mark: f.mailMark() + "." + strconv.FormatUint(uint64(last), 10),
	})
	if err != nil {
		return fmt.Errorf("record position: %w", err)
	}
	f.last = last
	maps.DeleteFunc(f.finished, func(uid imap.UID, _ bool) bool { return uid <= last })
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
	result, err := deliver.One(ctx, d)
	return result.Class(), err
}

func (f *folder) delivery(uid imap.UID) *ingest.Delivery {
	return &ingest.Delivery{
		Source: f.mailbox.name, Name: f.name + "/" + strconv.FormatUint(uint64(uid), 10),
		Key: f.mailKey(uid), Mark: f.mailMark(), Mail: true,
	}
}

// after drops the UIDs that are not above last: a search for "5:*" finds the
// newest mail even when it is below 5.
func after(uids []imap.UID, last imap.UID) []imap.UID {
	uids = slices.DeleteFunc(uids, func(uid imap.UID) bool { return uid <= last })
	slices.Sort(uids)
	return uids
}
