package imap

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// act does with the mails of a batch what the configuration says. What the
// server refuses to do is logged and left: the mails are counted, their marks
// say so, and others must not wait behind them.
func (f *folder) act(ctx context.Context, s *session, done map[ingest.Class]imap.UIDSet) error {
	c := &f.mailbox.config
	for class, uids := range done {
		if len(uids) == 0 {
			continue
		}
		action := c.Of(class)
		err := s.apply(ctx, action, uids)
		var refused *imap.Error
		switch {
		case errors.As(err, &refused):
			c.Logger.Warn("cannot move, delete or flag processed mails, they stay", "source", f.mailbox.name, "folder", f.name,
				"action", action.Kind, "uids", uids.String(), "err", err)
		case err != nil:
			return fmt.Errorf("%s %s mails: %w", action.Kind, class, err)
		}
	}
	return nil
}

// apply does one thing to a set of mails.
func (s *session) apply(ctx context.Context, action ingest.Action, uids imap.UIDSet) error {
	switch action.Kind {
	case ingest.AfterFlag:
		return s.flag(ctx, uids)
	case ingest.AfterMove:
		return s.move(ctx, uids, action.Folder)
	case ingest.AfterDelete:
		return s.remove(ctx, uids)
	}
	return nil
}

// flag marks mails as seen and processed.
func (s *session) flag(ctx context.Context, uids imap.UIDSet) error {
	return s.store(ctx, uids, imap.FlagSeen, imap.Flag(Keyword))
}

func (s *session) store(ctx context.Context, uids imap.UIDSet, flags ...imap.Flag) error {
	change := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: flags}
	return s.do(ctx, "store flags", func() error { return s.client.Store(uids, change, nil).Close() })
}

// move moves mails in one step where the server can, and else by copy and
// remove. The folder is created when the server says that this would help.
func (s *session) move(ctx context.Context, uids imap.UIDSet, folder string) error {
	err := s.moveOnce(ctx, uids, folder)
	var refused *imap.Error
	if !errors.As(err, &refused) || refused.Code != imap.ResponseCodeTryCreate {
		return err
	}
	// The reader of another folder may have created it just now, which is a
	// refusal as well: whether the folder is there is for the move to tell.
	err = s.do(ctx, "create folder", func() error { return s.client.Create(folder, nil).Wait() })
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	return s.moveOnce(ctx, uids, folder)
}

func (s *session) moveOnce(ctx context.Context, uids imap.UIDSet, folder string) error {
	if s.client.Caps().Has(imap.CapMove) {
		return s.do(ctx, "move", func() error {
			_, err := s.client.Move(uids, folder).Wait()
			return err
		})
	}
	if !s.client.Caps().Has(imap.CapUIDPlus) {
		// A copy would stay beside the mail: there is no way to remove it alone.
		return s.flag(ctx, uids)
	}
	err := s.do(ctx, "copy", func() error {
		_, err := s.client.Copy(uids, folder).Wait()
		return err
	})
	if err != nil {
		return err
	}
	return s.remove(ctx, uids)
}

// remove expunges mails, and no others: without UIDPLUS the server could only
// expunge everything that anybody marked as deleted, so mails are flagged instead.
// A mail stays marked as deleted when the process is killed before the expunge.
func (s *session) remove(ctx context.Context, uids imap.UIDSet) error {
	if !s.client.Caps().Has(imap.CapUIDPlus) {
		return s.flag(ctx, uids)
	}
	if err := s.store(ctx, uids, imap.FlagDeleted); err != nil {
		return err
	}
	return s.do(ctx, "expunge", func() error { return s.client.UIDExpunge(uids).Close() })
}
