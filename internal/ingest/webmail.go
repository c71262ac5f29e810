package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// WebmailConfig configures a Webmail.
type WebmailConfig struct {
	Options
	Actions
	// URL is the address of the service; empty means the public one. Only on
	// this machine it may be without TLS.
	URL string
	// User is the address of the mailbox.
	User string
	// Token returns an access token; renew is true after the last one was
	// refused, which then must not be returned again.
	Token func(ctx context.Context, renew bool) (string, error)
	// Folder is the folder or label that is read; empty means the inbox.
	Folder string
}

// CheckActions finds mistakes in the actions.
func (c *WebmailConfig) CheckActions() error {
	return c.Check([]After{AfterKeep, AfterMove, AfterDelete}, func(folder string) bool {
		return strings.EqualFold(folder, cmp.Or(c.Folder, inbox))
	})
}

// inbox is the folder that is read unless another one is named.
const inbox = "inbox"

// Webmail is a source that reads a mailbox over the HTTP interface of its service.
type Webmail struct {
	health
	config  WebmailConfig
	service webmailService
	trials  *Trials[string]
	notices *Notices
}

// webmailService is what differs between services. Mails are known by ids.
type webmailService interface {
	// list returns the ids of all mails in a folder.
	list(ctx context.Context, folder string) ([]string, error)
	// look asks for a folder. One that does not exist is an *absentError.
	look(ctx context.Context, folder string) error
	// fetch returns a mail as it was received. The caller closes it.
	fetch(ctx context.Context, id string) (io.ReadCloser, error)
	move(ctx context.Context, id, from, to string) error
	remove(ctx context.Context, id string) error
}

// The marks of mails: their outcome is durable, and there is nothing left to do with them.
const (
	markDone = "done"
	markKept = "kept"
)

// newWebmail checks the configuration and returns a Webmail without its service.
func newWebmail(kind string, c WebmailConfig, public string) (*Webmail, *webmailClient, error) {
	name := kind + ":" + c.User
	setDefault(&c.URL, public)
	setDefault(&c.Folder, inbox)
	setDefault(&c.Timeout, time.Minute)
	c.Options = c.Options.WithDefaults()
	if err := c.CheckActions(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if c.User == "" || c.Token == nil {
		return nil, nil, fmt.Errorf("%s: user or credentials are missing", name)
	}
	client, err := newWebmailClient(c.URL, c.Token, c.Timeout)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: url: %w", name, err)
	}
	return &Webmail{health: newHealth(name), config: c, trials: NewTrials[string](c.Options), notices: NewNotices(c.Logger.With("source", name))}, client, nil
}

// Run lists the folder again and again until ctx ends or the service is out of order.
func (w *Webmail) Run(ctx context.Context, deliver Deliver) error {
	for {
		err := w.session(ctx, deliver)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		w.set(err)
		if w.config.Once && err == nil {
			return w.config.End(w.Status().Backlog)
		}
		pause := w.config.Poll
		if err != nil {
			pause = retryAfter(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		if err != nil {
			return err
		}
	}
}

// session reads the folder once.
func (w *Webmail) session(ctx context.Context, deliver Deliver) error {
	ids, err := w.service.list(ctx, w.config.Folder)
	if err != nil {
		return fmt.Errorf("list mails: %w", err)
	}
	w.set(nil)
	there := make(map[string]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	w.trials.Keep(func(id string) bool { return there[id] })
	left, inRow := len(ids), 0
	for _, id := range ids {
		w.setBacklog(left)
		if w.trials.Pausing(id) {
			continue
		}
		err := w.mail(ctx, deliver, id)
		var failed *mailError
		switch {
		case err == nil:
			left--
			inRow = 0
			w.trials.Done(id)
		case ctx.Err() == nil && errors.As(err, &failed):
			// The others need not wait for it, unless it is the service that fails.
			w.trials.Failed(id, err)
			w.notices.Warn("cannot read a mail, will try again", "id", id, "attempts", w.trials.Attempts(id), "err", err)
			if inRow++; inRow == outOfOrder {
				return err
			}
		default:
			return err
		}
	}
	w.setBacklog(left)
	return w.config.Marks.Forget(ctx, w.status.Name, func(id string) bool { return there[id] })
}

// outOfOrder is how many mails must fail in a row to take the service for down.
const outOfOrder = 3

// mailError says that a mail could not be read, whoever is to blame: it is an
// *InputError as well when the mail is.
type mailError struct{ error }

func (e *mailError) Unwrap() error { return e.error }

// mail delivers one mail, unless that was done before, and does with it what should be done.
func (w *Webmail) mail(ctx context.Context, deliver Deliver, id string) error {
	committed, done, err := w.config.Marks.Lookup(ctx, w.status.Name, id)
	if err != nil {
		return err
	}
	if done && committed.Value == markKept {
		return nil
	}
	class := ClassCounted
	if committed.Reason != "" {
		class = ClassRefused
	}
	if !done {
		result, err := w.deliver(ctx, deliver, id)
		if isGone(err) {
			w.miss() // Somebody else removed the mail.
			return nil
		}
		if err != nil {
			return err
		}
		class = result.Class()
	}
	action := w.config.Of(class)
	switch action.Kind {
	case AfterMove:
		err = w.service.move(ctx, id, w.config.Folder, action.Folder)
	case AfterDelete:
		err = w.service.remove(ctx, id)
	default:
		// The next list has it again, and its class is not known then.
		_, err = deliver.One(ctx, &Delivery{Source: w.status.Name, Name: id, Key: id, Mark: markKept})
	}
	if status := statusOf(err); status >= 400 && status < 500 && status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
		// The mail is counted, its mark says so, and others must not wait behind it.
		w.config.Logger.Warn("cannot move or delete a processed mail, it stays", "source", w.status.Name, "id", id, "action", action.Kind, "err", err)
		return nil
	}
	return err
}

// deliver fetches and delivers one mail. What cannot be read for a day is refused.
func (w *Webmail) deliver(ctx context.Context, deliver Deliver, id string) (Result, error) {
	d := &Delivery{Source: w.status.Name, Name: id, Key: id, Mark: markDone, Mail: true}
	if w.trials.GiveUp(id) {
		w.config.Logger.Error("giving up on mail", "source", w.status.Name, "id", id, "attempts", w.trials.Attempts(id))
		d.Refused = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: errors.New("the mail cannot be fetched")}
	} else {
		spool, err := w.spool(ctx, id)
		if err != nil {
			return Result{}, err
		}
		defer spool.Close()
		d.Body, d.Size = spool, spool.Size
		if spool.Size > w.config.MaxBytes {
			d.Body = nil
			d.Refused = &dmarc.Error{Reason: dmarc.ReasonTooLarge, Offset: -1, Err: fmt.Errorf("a mail of more than %d bytes", w.config.MaxBytes)}
		}
	}
	result, err := deliver.One(ctx, d)
	var input *InputError
	if errors.As(err, &input) || errors.Is(err, ErrNotNow) {
		err = &mailError{err}
	}
	return result, err
}

// spool fetches a mail whole, or a little more than the largest allowed. Only a
// refusal of this very mail counts against it: what the network or the server
// broke does not, nor a mail that did not come whole.
func (w *Webmail) spool(ctx context.Context, id string) (*Spool, error) {
	ctx, cancel := context.WithTimeout(ctx, w.config.Timeout)
	defer cancel()
	body, err := w.service.fetch(ctx, id)
	if err != nil {
		err = fmt.Errorf("fetch mail: %w", err)
		switch status := statusOf(err); {
		case isGone(err), errors.Is(err, errNoToken), status == http.StatusUnauthorized, status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
			return nil, err
		case status == http.StatusRequestTimeout, status == http.StatusLocked, status == http.StatusTooEarly:
			return nil, &mailError{err}
		case status >= 400 && status < 500:
			return nil, &mailError{&InputError{Err: err}}
		}
		return nil, &mailError{err}
	}
	defer body.Close()
	spool, err := NewSpool(io.LimitReader(body, w.config.MaxBytes+1))
	var input *InputError
	if errors.As(err, &input) {
		return nil, &mailError{fmt.Errorf("fetch mail: %w", input.Err)}
	}
	return spool, err
}
