package imap

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// act does with the mails of a batch what the configuration says, and returns
// those that are finished. What the server refuses to do is logged and tried
// again later: the mails are counted, their marks say so, and others must not
// wait behind them.
func (f *folder) act(ctx context.Context, s *session, done map[ingest.Class]imap.UIDSet) (finished []imap.UID, err error) {
	c := &f.mailbox.config
	for class, set := range done {
		uids, _ := set.Nums()
		if len(uids) == 0 {
			continue
		}
		action := c.Of(class)
		err := s.apply(ctx, action, set)
		if _, refused := refusal(err); refused {
			c.Logger.Warn("cannot move, delete or flag processed mails, they stay", "source", f.mailbox.name, "folder", f.name,
				"action", action.Kind, "uids", set.String(), "err", err)
			for _, uid := range uids {
				f.read[uid] = true
				f.trials.Failed(uid, err)
			}
			continue
		}
		if err != nil {
			return finished, fmt.Errorf("%s %s mails: %w", action.Kind, class, err)
		}
		finished = append(finished, uids...)
	}
	return finished, nil
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

// flag marks mails as seen and processed, or at least as seen where the server
// has no keywords.
func (s *session) flag(ctx context.Context, uids imap.UIDSet) error {
	err := s.store(ctx, uids, imap.FlagSeen, imap.Flag(Keyword))
	if _, refused := refusal(err); refused {
		return s.store(ctx, uids, imap.FlagSeen)
	}
	return err
}

func (s *session) store(ctx context.Context, uids imap.UIDSet, flags ...imap.Flag) error {
	change := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: flags}
	return s.do(ctx, "store flags", func() error { return s.client.Store(uids, change, nil).Close() })
}

// move moves mails in one step where the server can, and else by copy and
// remove. A folder that is not there is created, whether the server says that
// this would help or not.
func (s *session) move(ctx context.Context, uids imap.UIDSet, folder string) error {
	name, exists, err := s.find(ctx, folder)
	if err != nil {
		return err
	}
	err = s.moveOnce(ctx, uids, name)
	answer, refused := refusal(err)
	if !refused || exists && answer.Code != imap.ResponseCodeTryCreate {
		return err
	}
	// The reader of another folder may have created it just now, which is a
	// refusal as well: whether the folder is there is for the move to tell.
	created := s.do(ctx, "create folder "+name, func() error { return s.client.Create(name, nil).Wait() })
	if _, refused := refusal(created); created != nil && !refused {
		return created
	}
	if again := s.moveOnce(ctx, uids, name); again != nil {
		return errors.Join(created, again)
	}
	s.names.know(folder, name)
	return nil
}

func (s *session) moveOnce(ctx context.Context, uids imap.UIDSet, folder string) error {
	if s.client.Caps().Has(imap.CapMove) {
		err := s.do(ctx, "move", func() error {
			_, err := s.client.Move(uids, folder).Wait()
			return err
		})
		if answer, refused := refusal(err); !refused || answer.Type != imap.StatusResponseTypeBad {
			return err
		}
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
