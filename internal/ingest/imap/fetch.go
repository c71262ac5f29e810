package imap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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
	// unreadable are mails that came, but could not be read.
	unreadable []imap.UID
}

// fail takes down that a mail could not be recorded, if the mail is to blame.
func (o *outcome) fail(uid imap.UID, err error) {
	var input *ingest.InputError
	if !errors.As(err, &input) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unreadable = append(o.unreadable, uid)
}

func (o *outcome) add(class ingest.Class, uid imap.UID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	set := o.classes[class]
	set.AddNum(uid)
	o.classes[class] = set
}

// deliverAll fetches and delivers the mails. What it returns is durable, even with an error.
func (f *folder) deliverAll(ctx context.Context, s *session, deliver ingest.Deliver, uids []imap.UID) (map[ingest.Class]imap.UIDSet, error) {
	done := &outcome{classes: make(map[ingest.Class]imap.UIDSet)}
	sizes, err := s.sizes(ctx, uids)
	if err != nil {
		return nil, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	var fetchErr error
	for _, uid := range f.troubleLast(uids) {
		size, ok := sizes[uid]
		if !ok {
			continue // Somebody else removed the mail.
		}
		if fetchErr = f.deliverOne(groupCtx, s, deliver, uid, size, done, group); fetchErr != nil {
			break
		}
	}
	err = errors.Join(fetchErr, group.Wait())
	for _, uid := range done.unreadable {
		f.attempts[uid]++
	}
	return done.classes, err
}

// troubleLast puts the mails that could not be fetched before behind the others.
func (f *folder) troubleLast(uids []imap.UID) []imap.UID {
	uids = slices.Clone(uids)
	slices.SortStableFunc(uids, func(a, b imap.UID) int { return cmp.Compare(f.attempts[a], f.attempts[b]) })
	return uids
}

// deliverOne fetches one mail and delivers it in the background.
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
	if f.attempts[uid] >= c.Attempts {
		c.Logger.Error("giving up on mail", "source", f.mailbox.name, "folder", f.name, "uid", uid, "attempts", f.attempts[uid])
		return finish(f.refuse(ctx, deliver, uid, dmarc.ReasonIO, errors.New("the mail cannot be read")))
	}
	spool, err := f.spool(ctx, s, uid, size)
	if err != nil {
		return err
	}
	group.Go(func() error {
		defer spool.Close()
		d := f.delivery(uid)
		d.Body, d.Size = spool, spool.Size
		result, err := deliver(ctx, d)
		done.fail(uid, err)
		return finish(result.Class(), err)
	})
	return nil
}

// spool fetches a mail whole. It counts the attempts that fail because of the
// mail or the server, not those that ctx or a full disk ended.
func (f *folder) spool(ctx context.Context, s *session, uid imap.UID, size int64) (*ingest.Spool, error) {
	var spool *ingest.Spool
	var input *ingest.InputError
	ours := false
	err := f.stream(ctx, s, uid, size, func(body io.Reader) (err error) {
		spool, err = ingest.NewSpool(body)
		ours = err != nil && !errors.As(err, &input)
		return err
	})
	if err != nil && !ours && ctx.Err() == nil {
		f.attempts[uid]++
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
	command := s.client.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{
		UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	})
	body, err := find(command)
	if err != nil {
		s.close()
		return fmt.Errorf("fetch mail: %w", err)
	}
	l := &literal{r: body, left: body.Size(), end: func() error {
		defer stop()
		return command.Close()
	}}
	if body.Size() > f.mailbox.config.MaxBytes {
		err = fmt.Errorf("%d bytes instead of %d", body.Size(), size)
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

// find returns the literal of the mail that a command fetches.
func find(command *imapclient.FetchCommand) (imap.LiteralReader, error) {
	if message := command.Next(); message != nil {
		for item := message.Next(); item != nil; item = message.Next() {
			body, ok := item.(imapclient.FetchItemDataBodySection)
			if ok && body.Literal != nil {
				return body.Literal, nil
			}
		}
	}
	if err := command.Close(); err != nil {
		return nil, err
	}
	return nil, errors.New("the server sent no content")
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
