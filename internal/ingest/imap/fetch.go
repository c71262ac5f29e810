package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"golang.org/x/sync/errgroup"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

const (
	// inFlight is how many mails are counted at once.
	inFlight = 16
	// slowestRate is the rate, in bytes a second, at which a server must at least send a mail.
	slowestRate = 16 << 10
)

// outcome collects what became of the mails of a batch.
type outcome struct {
	mu      sync.Mutex
	classes map[ingest.Class]imap.UIDSet
}

func (o *outcome) add(class ingest.Class, uid imap.UID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	set := o.classes[class]
	set.AddNum(uid)
	o.classes[class] = set
}

// deliverAll fetches and delivers the mails. What it returns is durable, even
// with an error. A mail that fails waits, and the others go on.
func (f *folder) deliverAll(ctx context.Context, s *session, deliver ingest.Deliver, uids []imap.UID) (map[ingest.Class]imap.UIDSet, error) {
	done := &outcome{classes: make(map[ingest.Class]imap.UIDSet)}
	sizes, err := s.sizes(ctx, uids)
	if err != nil {
		return nil, err
	}
	if err := f.findGone(ctx, s, uids, sizes); err != nil {
		return nil, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	var fetchErr error
	for _, uid := range uids {
		size, ok := sizes[uid]
		if !ok {
			continue
		}
		if fetchErr = f.deliverOne(groupCtx, s, deliver, uid, size, done, group); fetchErr != nil {
			break
		}
	}
	return done.classes, errors.Join(fetchErr, group.Wait())
}

// findGone sorts out the mails that the server told no size of. Those that a
// search does not find either are gone, and nobody read them; the others have
// a size that nobody knows.
func (f *folder) findGone(ctx context.Context, s *session, uids []imap.UID, sizes map[imap.UID]int64) error {
	var missing []imap.UID
	for _, uid := range uids {
		if _, ok := sizes[uid]; !ok {
			missing = append(missing, uid)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	there, err := s.present(ctx, missing)
	if err != nil {
		return err
	}
	for _, uid := range missing {
		if there[uid] {
			sizes[uid] = 0
			continue
		}
		_, committed, err := f.mailbox.config.Marks.Lookup(ctx, f.mailbox.name, f.mailKey(uid))
		if err != nil {
			return err
		}
		if !committed && !f.read[uid] {
			f.mailbox.miss()
		}
		f.finish(uid)
	}
	return nil
}

// deliverOne fetches one mail and delivers it in the background. Its errors are
// those that end the session.
func (f *folder) deliverOne(ctx context.Context, s *session, deliver ingest.Deliver, uid imap.UID, size int64, done *outcome, group *errgroup.Group) error {
	c := &f.mailbox.config
	finish := func(class ingest.Class, err error) error {
		if err == nil {
			done.add(class, uid)
		}
		return err
	}
	committed, ok, err := c.Marks.Lookup(ctx, f.mailbox.name, f.mailKey(uid))
	if err != nil {
		return err
	}
	if ok && committed.Value == f.mailMark() {
		class := ingest.ClassCounted
		if committed.Reason != "" {
			class = ingest.ClassRefused
		}
		return finish(class, nil)
	}
	if size > c.MaxBytes {
		return finish(f.refuse(ctx, deliver, uid, dmarc.ReasonTooLarge, fmt.Errorf("a mail of %d bytes", size)))
	}
	if f.trials.GiveUp(uid) {
		c.Logger.Error("giving up on mail", "source", f.mailbox.name, "folder", f.name, "uid", uid, "attempts", f.trials.Attempts(uid))
		return finish(f.refuse(ctx, deliver, uid, dmarc.ReasonIO, errors.New("the mail cannot be read")))
	}
	spool, err := f.spool(ctx, s, uid, size)
	var large *tooLargeError
	if errors.As(err, &large) {
		_, refuseErr := f.refuse(ctx, deliver, uid, dmarc.ReasonTooLarge, large)
		return errors.Join(err, refuseErr) // The connection is gone; the next one finds what is stored.
	}
	if err != nil {
		return f.fault(ctx, s, uid, err)
	}
	group.Go(func() error {
		return ingest.Guard(func() error {
			defer spool.Close()
			d := f.delivery(uid)
			d.Body, d.Size = spool, spool.Size
			result, err := deliver.One(ctx, d)
			var input *ingest.InputError
			if errors.As(err, &input) || errors.Is(err, ingest.ErrNotNow) {
				return f.fault(ctx, nil, uid, err)
			}
			return finish(result.Class(), err)
		})
	})
	return nil
}

// fault takes down that a mail failed. It returns the error when the session
// cannot go on: when ctx ended, the disk is full or the connection is gone.
func (f *folder) fault(ctx context.Context, s *session, uid imap.UID, err error) error {
	var disk *diskError
	if ctx.Err() != nil || errors.As(err, &disk) {
		return err
	}
	f.trials.Failed(uid, err)
	f.mailbox.notices.Warn("cannot read a mail, will try again", "folder", f.name, "uid", uid,
		"attempts", f.trials.Attempts(uid), "err", err)
	if s == nil {
		return nil
	}
	var input *ingest.InputError
	if _, refused := refusal(err); refused || errors.As(err, &input) && !s.closed() {
		return nil
	}
	return err
}

// diskError is a mail that could not be spooled because of the local disk.
type diskError struct{ error }

func (e *diskError) Unwrap() error { return e.error }

// spool fetches a mail whole.
func (f *folder) spool(ctx context.Context, s *session, uid imap.UID, size int64) (*ingest.Spool, error) {
	var spool *ingest.Spool
	err := f.stream(ctx, s, uid, size, func(body io.Reader) (err error) {
		spool, err = ingest.NewSpool(body)
		var input *ingest.InputError
		switch {
		case errors.As(err, &input):
			return input.Err // The network, or the server: no mail is to blame.
		case err != nil:
			return &diskError{err}
		}
		return nil
	})
	if err == nil && spool.Size == 0 && size > 0 {
		spool.Close()
		return nil, &ingest.InputError{Err: fmt.Errorf("the server sent nothing of %d bytes", size)}
	}
	return spool, err
}

// sizes asks for the sizes of mails; those that are gone are missing.
func (s *session) sizes(ctx context.Context, uids []imap.UID) (map[imap.UID]int64, error) {
	sizes := make(map[imap.UID]int64, len(uids))
	err := s.do(ctx, "fetch sizes", func() error {
		command := s.client.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, RFC822Size: true})
		for message := command.Next(); message != nil; message = command.Next() {
			var uid imap.UID
			size := int64(-1)
			for item := message.Next(); item != nil; item = message.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					uid = item.UID
				case imapclient.FetchItemDataRFC822Size:
					size = item.Size
				}
			}
			if size >= 0 {
				sizes[uid] = size
			}
		}
		return command.Close()
	})
	return sizes, err
}

// stream fetches a mail without marking it as seen and calls read with its
// bytes, which end in io.EOF only when all of them came and the server said so.
func (f *folder) stream(ctx context.Context, s *session, uid imap.UID, size int64, read func(io.Reader) error) error {
	timeout := s.timeout + time.Duration(size/slowestRate)*time.Second
	stop := closeLate(ctx, timeout, s.close)
	defer stop()
	s.conn.fetching.Store(uint32(uid))
	defer s.conn.fetching.Store(0)
	command := s.client.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{
		UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	})
	body, err := findBody(command)
	if err != nil {
		return fmt.Errorf("fetch mail: %w", err)
	}
	l := &literal{r: body, left: body.Size(), end: func() error {
		defer stop()
		return command.Close()
	}}
	if body.Size() > f.mailbox.config.MaxBytes {
		err = &tooLargeError{body.Size()}
	} else {
		err = read(l)
	}
	if err != nil {
		s.close() // There is no other way past a literal.
		l.drain()
		return fmt.Errorf("fetch mail: %w", err)
	}
	return nil
}

// tooLargeError says that a mail is larger than the server said before.
type tooLargeError struct{ size int64 }

func (e *tooLargeError) Error() string { return fmt.Sprintf("a mail of %d bytes", e.size) }

// findBody returns the literal of the mail that a command fetches. A server
// that ends the command without one has no such mail, as far as it knows.
func findBody(command *imapclient.FetchCommand) (imap.LiteralReader, error) {
	for message := command.Next(); message != nil; message = command.Next() {
		for item := message.Next(); item != nil; item = message.Next() {
			body, ok := item.(imapclient.FetchItemDataBodySection)
			if ok && body.Literal != nil {
				return body.Literal, nil
			}
		}
	}
	err := command.Close()
	answer, refused := refusal(err)
	switch {
	case err == nil:
		return nil, &ingest.InputError{Err: errors.New("the server sent no content")}
	case refused && !passing[answer.Code]:
		return nil, &ingest.InputError{Err: err}
	}
	return nil, err
}

// passing are the codes of refusals for which no mail is to blame (RFC 9051, section 7.1).
var passing = map[imap.ResponseCode]bool{
	imap.ResponseCodeUnavailable: true, imap.ResponseCodeServerBug: true, imap.ResponseCodeInUse: true, imap.ResponseCodeLimit: true,
	imap.ResponseCodeContactAdmin: true, imap.ResponseCodeOverQuota: true, imap.ResponseCodeExpired: true,
}

// literal reads a mail. The library ends a literal that was cut off with
// io.EOF, and tells of errors only at the end of the command. After such an end
// or an error it must not be asked again: its decoder has taken over.
type literal struct {
	r     io.Reader
	left  int64
	end   func() error
	ended bool
	err   error
}

func (l *literal) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	if err == nil {
		return n, nil
	}
	l.ended, l.err = true, err
	switch {
	case !errors.Is(err, io.EOF):
	case l.left != 0:
		l.err = io.ErrUnexpectedEOF
	default:
		if ended := l.end(); ended != nil {
			l.err = ended
		}
	}
	return n, l.err
}

// drain frees the decoder of a closed connection, which waits for the literal to be read.
func (l *literal) drain() {
	if !l.ended {
		_, _ = io.Copy(io.Discard, l.r)
	}
}
