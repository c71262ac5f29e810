package ingest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// mboxKey is the only key of an mbox in the marks: how far it was read.
const mboxKey = "offset"

// Mbox is a source that reads a file in mbox format, which it never changes.
// Each mail is one delivery, and the offset behind it is committed with it;
// some mails share a transaction.
// A file that was replaced or shortened is read again from its start.
type Mbox struct {
	health
	path   string
	config FileConfig
	trials *Trials[string] // by the name of a delivery
	// stuck says that a call of the file did not return yet.
	stuck atomic.Bool
}

// NewMbox returns a source for the file at path. Its name is "mbox:" and the
// path. Of the disposals it knows only AfterKeep; refused mails stay too.
func NewMbox(path string, c FileConfig) (*Mbox, error) {
	c = c.withDefaults()
	if c.After != AfterKeep {
		return nil, fmt.Errorf("mbox %s: mails in an mbox cannot be moved or deleted, so that after must be keep", path)
	}
	path = filepath.Clean(path)
	return &Mbox{health: newHealth("mbox:" + path), path: path, config: c, trials: NewTrials[string](c.Options)}, nil
}

// Run reads the file as it grows until ctx ends.
func (m *Mbox) Run(ctx context.Context, deliver Deliver) error {
	w := newWatch([]string{filepath.Dir(m.path)}, m.config.Logger)
	defer w.close()
	for {
		pause, err := m.read(ctx, deliver)
		m.set(err)
		if err != nil {
			return err
		}
		if err := m.wait(ctx, w, pause); err != nil {
			return err
		}
	}
}

// wait returns when the file may have grown, after the pause at the latest.
func (m *Mbox) wait(ctx context.Context, w *watch, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case path, ok := <-w.changed():
			if !ok {
				return fmt.Errorf("watch %s: the directory was removed", m.path)
			}
			if path == m.path || path == "" {
				timer.Reset(min(m.config.Settle, pause))
			}
		}
	}
}

// read delivers the mails that were not read yet and returns when to look again.
func (m *Mbox) read(ctx context.Context, deliver Deliver) (time.Duration, error) {
	if m.stuck.Load() {
		return 0, fmt.Errorf("read mbox: %w", errStuck)
	}
	file := &steadyFile{
		ctx: ctx, path: m.path, follow: m.config.FollowLinks, patience: m.config.Timeout,
		stuck: func() { m.stuck.Store(true) }, freed: func() { m.stuck.Store(false) },
	}
	defer file.release()
	if err := file.open(); err != nil {
		return 0, fmt.Errorf("read mbox: %w", err)
	}
	m.reach()
	info := file.before
	offset, err := m.resume(ctx, file, info.Size())
	if err != nil {
		return 0, err
	}
	if unread := info.Size() - offset; unread > maxFile {
		return 0, fmt.Errorf("read mbox: %d bytes to read are more than any mailbox has", unread)
	}
	for offset < info.Size() && ctx.Err() == nil {
		m.setBacklog(1)
		mails, end, settled, err := m.mails(file, info, offset)
		if err == nil {
			err = m.deliver(ctx, deliver, mails)
		}
		if err != nil {
			return 0, err
		}
		if !settled {
			return m.config.Settle, nil
		}
		offset = end
	}
	m.setBacklog(0)
	return m.config.Poll, ctx.Err()
}

// mboxBatch bounds the bytes of the mails that share a transaction.
const mboxBatch = 8 << 20

// mails returns the deliveries of the next mails, in order, and where they end.
// It is not settled when the last mail may still be written.
func (m *Mbox) mails(file io.ReaderAt, info fs.FileInfo, start int64) (mails []*Delivery, end int64, settled bool, err error) {
	end = start
	for end < info.Size() && len(mails) < m.config.Together && end-start < mboxBatch {
		size, closed, err := mailEnd(io.NewSectionReader(file, end, info.Size()-end))
		if err != nil {
			return nil, 0, false, fmt.Errorf("read mbox: %w", err)
		}
		if !closed && time.Since(info.ModTime()) < m.config.Settle {
			return mails, end, false, nil
		}
		mark, err := mboxMark(file, end+size)
		if err != nil {
			return nil, 0, false, err
		}
		mails = append(mails, &Delivery{
			Source: m.status.Name, Name: m.path + "@" + strconv.FormatInt(end, 10),
			Body: io.NewSectionReader(file, end, size), Size: size, Key: mboxKey, Mark: mark, InOrder: true,
		})
		end += size
	}
	return mails, end, true, nil
}

// deliver delivers mails. One that cannot be authenticated is tried again from
// the committed offset, for a day. What the disk breaks is no fault of a mail.
func (m *Mbox) deliver(ctx context.Context, deliver Deliver, mails []*Delivery) error {
	if len(mails) == 0 {
		return nil
	}
	results, err := deliver(ctx, mails...)
	if err != nil {
		return err
	}
	for i := range results {
		d, result := mails[i], &results[i]
		var input *InputError
		if errors.As(result.Err, &input) && errors.Is(input, ErrNotNow) {
			if m.trials.Failed(d.Name, input); !m.trials.GiveUp(d.Name) {
				return result.Err
			}
			m.trials.Done(d.Name)
			d.Refused = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: result.Err}
			if _, err = deliver.One(ctx, d); err != nil {
				return err
			}
			return m.deliver(ctx, deliver, mails[i+1:])
		}
		if result.Err != nil {
			return result.Err
		}
	}
	return nil
}

// resume returns the offset to read from: the committed one, if the file still has the bytes before it.
func (m *Mbox) resume(ctx context.Context, file io.ReaderAt, size int64) (int64, error) {
	committed, ok, err := m.config.Marks.Lookup(ctx, m.status.Name, mboxKey)
	if err != nil || !ok {
		return 0, err
	}
	text, _, _ := strings.Cut(committed.Value, ".")
	offset, err := strconv.ParseInt(text, 10, 64)
	if err != nil || offset < 0 || offset > size {
		return 0, nil
	}
	mark, err := mboxMark(file, offset)
	if err != nil {
		return 0, err
	}
	if mark != committed.Value {
		m.config.Logger.Info("mbox was replaced, reading it from its start", "source", m.status.Name)
		return 0, nil
	}
	return offset, nil
}

// mboxMark describes a position: the offset and a digest of the bytes before it.
func mboxMark(file io.ReaderAt, offset int64) (string, error) {
	const window = 512
	start := max(offset-window, 0)
	buf := make([]byte, offset-start)
	if _, err := file.ReadAt(buf, start); err != nil {
		return "", fmt.Errorf("read mbox: %w", err)
	}
	sum := sha256.Sum256(buf)
	return strconv.FormatInt(offset, 10) + "." + hex.EncodeToString(sum[:8]), nil
}

// mailEnd returns the length of the first mail in r and whether another
// follows. A mail ends before a line that starts with "From " after an empty line.
func mailEnd(r io.Reader) (end int64, closed bool, err error) {
	buf := bufio.NewReaderSize(r, 64<<10)
	lineStart, blank := true, false
	for {
		line, err := buf.ReadSlice('\n')
		if lineStart && blank && bytes.HasPrefix(line, []byte("From ")) {
			return end, true, nil
		}
		if lineStart {
			text := bytes.TrimRight(line, "\r\n")
			blank = len(text) == 0
		} else {
			blank = false
		}
		end += int64(len(line))
		lineStart = err == nil
		switch {
		case errors.Is(err, io.EOF):
			return end, false, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return 0, false, err
		}
	}
}
