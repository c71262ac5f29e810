package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// FileConfig configures the sources that read files. The zero value works.
type FileConfig struct {
	Options
	// After says what happens to processed files; empty means AfterKeep.
	After After
	// KeepRefused leaves refused files where they are. Otherwise they move
	// to invalid/<reason>/, whatever After says.
	KeepRefused bool
	// Settle is how long a file must not change before it is read; 0 means a second.
	Settle time.Duration
	// Patience is how long after its last change a file is not refused,
	// because its writer may just be slow; 0 means five seconds.
	Patience time.Duration
	// Retry is the first pause after an input could not be read, which
	// doubles each time; 0 means a second.
	Retry time.Duration
	// Parallel is how many files are delivered at once, which share transactions; 0 means 32.
	Parallel int
}

func (c FileConfig) withDefaults() FileConfig {
	setDefault(&c.After, AfterKeep)
	setDefault(&c.Settle, time.Second)
	setDefault(&c.Patience, 5*time.Second)
	setDefault(&c.Poll, 30*time.Second)
	setDefault(&c.Retry, time.Second)
	setDefault(&c.Parallel, 32)
	c.Options = c.Options.WithDefaults()
	return c
}

// files is a source that reads every file of some folders. A Dir and a
// Maildir are both this, with other folders and another disposal.
type files struct {
	health
	config  FileConfig
	folders []string
	// wanted reports by the name of a file whether it is an input.
	wanted  func(path string) bool
	dispose disposal
	waiting waiting
	queued  atomic.Int64
}

// Run reads the folders until ctx ends. It returns an error when a folder or
// the store is out of order.
func (f *files) Run(ctx context.Context, deliver Deliver) error {
	for {
		if err := f.watched(ctx, deliver); err != nil {
			f.set(err)
			return err
		}
	}
}

// watched scans and follows the folders until they are replaced by others.
func (f *files) watched(ctx context.Context, deliver Deliver) error {
	w := newWatch(f.folders, f.config.Logger)
	defer w.close()
	for {
		if err := f.scan(ctx, deliver); err != nil {
			return err
		}
		f.set(nil)
		if replaced, err := f.follow(ctx, deliver, w); replaced || err != nil {
			return err
		}
	}
}

// scan looks at every file of every folder once.
func (f *files) scan(ctx context.Context, deliver Deliver) error {
	f.waiting.prune()
	for _, folder := range f.folders {
		n, err := countNames(folder)
		if err != nil {
			return err
		}
		f.queued.Add(int64(n))
		f.setBacklog(int(f.queued.Load()))
	}
	defer f.queued.Store(0)
	for _, folder := range f.folders {
		if err := f.scanFolder(ctx, deliver, folder); err != nil {
			return err
		}
	}
	return f.forget(ctx)
}

// scanFolder reads the names in pieces, so that memory does not grow with the folder.
func (f *files) scanFolder(ctx context.Context, deliver Deliver, folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("read directory: %w", err)
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1024)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read directory: %w", err)
		}
		for i, name := range names {
			names[i] = filepath.Join(folder, name)
		}
		if err := f.readAll(ctx, deliver, names); err != nil {
			return err
		}
	}
}

// countNames returns how many entries a folder has.
func countNames(folder string) (int, error) {
	dir, err := os.Open(folder)
	if err != nil {
		return 0, fmt.Errorf("read directory: %w", err)
	}
	defer dir.Close()
	total := 0
	for {
		names, err := dir.Readdirnames(1024)
		total += len(names)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read directory: %w", err)
		}
	}
}

// follow waits for changes until it is time for the next scan. It reports
// whether the folders need to be watched anew.
func (f *files) follow(ctx context.Context, deliver Deliver, w *watch) (replaced bool, err error) {
	rescan := time.NewTimer(f.config.Poll)
	defer rescan.Stop()
	for {
		f.setBacklog(f.waiting.len())
		due := time.NewTimer(f.waiting.next(f.config.Poll))
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-rescan.C:
			due.Stop()
			return false, nil
		case path, ok := <-w.changed():
			due.Stop()
			if path == "" {
				return !ok, nil
			}
			if f.wanted(path) {
				f.waiting.touch(path, f.config.Settle)
			}
		case <-due.C:
			err = f.readAll(ctx, deliver, f.waiting.due(time.Now()))
		}
		due.Stop()
		if err != nil {
			return false, err
		}
	}
}

// readAll reads the files side by side.
func (f *files) readAll(ctx context.Context, deliver Deliver, paths []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.config.Parallel)
	for _, path := range paths {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			defer func() {
				if n := f.queued.Add(-1); n >= 0 {
					f.setBacklog(int(n) + f.waiting.len())
				}
			}()
			if !f.wanted(path) {
				return nil
			}
			return Guard(func() error { return f.read(ctx, deliver, path) })
		})
	}
	return group.Wait()
}

// read delivers one file if it is ready and disposes of it. Its errors are those that stop the source.
func (f *files) read(ctx context.Context, deliver Deliver, path string) error {
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f.failed(ctx, deliver, path, "", err)
	}
	if err != nil || !info.Mode().IsRegular() {
		f.waiting.drop(path)
		return nil
	}
	if f.waiting.pausing(path) {
		return nil
	}
	quiet := f.waiting.quiet(path, info)
	if quiet < f.config.Settle {
		f.waiting.later(path, f.config.Settle-quiet)
		return nil
	}
	mark := fingerprint(info)
	committed, ok, err := f.config.Marks.Lookup(ctx, f.status.Name, f.key(path))
	if err != nil {
		return err
	}
	if ok && committed.Value == mark {
		f.finish(path, committed.Reason)
		return nil
	}
	result, err := f.deliverFile(ctx, deliver, path, info, quiet < f.config.Patience)
	var input *InputError
	switch {
	case err == nil:
		f.report(path, &result)
		f.finish(path, result.Reason())
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrUnsettled):
		f.waiting.later(path, f.config.Patience-quiet)
		return nil
	case errors.As(err, &input):
		return f.failed(ctx, deliver, path, mark, input)
	}
	return err
}

// report logs a file that was refused, in whole or in part.
func (f *files) report(path string, r *Result) {
	for _, item := range r.Items {
		if item.Err != nil {
			f.config.Logger.Warn("input refused", "source", f.status.Name, "path", path, "document", item.Name,
				"refused", r.Refused, "accepted", r.Counted+r.Known, "err", item.Err)
			return
		}
	}
}

// deliverFile hands one file to deliver and makes sure that it did not change meanwhile.
func (f *files) deliverFile(ctx context.Context, deliver Deliver, path string, info fs.FileInfo, young bool) (Result, error) {
	if info.Size() > maxFile {
		return deliver(ctx, &Delivery{
			Source: f.status.Name, Name: path, Key: f.key(path), Mark: fingerprint(info),
			Refused: &dmarc.Error{Reason: dmarc.ReasonTooLarge, Offset: -1, Err: fmt.Errorf("a file of %d bytes", info.Size())},
		})
	}
	// It may have become a pipe since it was looked at, which must not block.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Result{}, &InputError{Err: err}
	}
	defer file.Close()
	if now, err := file.Stat(); err != nil || !os.SameFile(now, info) {
		return Result{}, &InputError{Err: errChanged}
	}
	return deliver(ctx, &Delivery{
		Source: f.status.Name, Name: path, Body: &steadyReader{ctx: ctx, file: file, before: info}, Size: info.Size(),
		Unsettled: young, Key: f.key(path), Mark: fingerprint(info),
	})
}

// failed counts an attempt at a file that cannot be read. After the last one
// the file is recorded as refused, so that it is not tried for ever.
func (f *files) failed(ctx context.Context, deliver Deliver, path, mark string, cause error) error {
	if errors.Is(cause, fs.ErrNotExist) || errors.Is(cause, errChanged) {
		f.waiting.later(path, f.config.Settle)
		return nil
	}
	attempt := f.waiting.failed(path)
	if attempt < f.config.Attempts {
		f.config.Logger.Warn("cannot read a file, will try again", "source", f.status.Name, "path", path, "attempt", attempt, "err", cause)
		f.waiting.later(path, f.config.Retry<<(attempt-1))
		return nil
	}
	if attempt > f.config.Attempts {
		return nil // Given up before, and it could not be moved away.
	}
	f.config.Logger.Error("giving up on file", "source", f.status.Name, "path", path, "attempts", attempt, "err", cause)
	result, err := deliver(ctx, &Delivery{
		Source: f.status.Name, Name: path, Key: f.key(path), Mark: mark,
		Refused: &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: cause},
	})
	if err != nil {
		return err
	}
	f.finish(path, result.Reason())
	return nil
}

// finish disposes of a file whose outcome is durable. When that fails the
// file stays and its mark keeps it from being counted again.
func (f *files) finish(path string, reason dmarc.Reason) {
	if err := f.dispose.apply(path, reason); err != nil {
		if f.waiting.stuck(path) {
			f.config.Logger.Warn("cannot move or delete a processed file, it stays", "source", f.status.Name, "path", path, "err", err)
		}
		return
	}
	f.waiting.drop(path)
}

// forget drops the marks of files that are gone.
func (f *files) forget(ctx context.Context) error {
	return f.config.Marks.Forget(ctx, f.status.Name, func(key string) bool {
		_, err := os.Lstat(filepath.Join(f.dispose.root, key))
		return !errors.Is(err, fs.ErrNotExist)
	})
}

// key names a file in the marks.
func (f *files) key(path string) string {
	rel, err := filepath.Rel(f.dispose.root, path)
	if err != nil {
		return path
	}
	return rel
}

// fingerprint tells whether a file was replaced or changed.
func fingerprint(info fs.FileInfo) string {
	return strconv.FormatInt(info.Size(), 36) + "." + strconv.FormatInt(info.ModTime().UnixNano(), 36)
}

// temporary reports whether a name is one that writers use for unfinished files.
func temporary(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
		return true
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp":
		return true
	}
	return false
}

// errChanged says that a file changed while it was read.
var errChanged = errors.New("file changed while it was read")

// maxFile is the size of the largest file that is read: beyond any mailbox, and
// far below what a sparse file may claim.
const maxFile = 16 << 30

// steadyReader reads a file until ctx ends, and fails at its end when the file
// is not what it was before.
type steadyReader struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no other way to end a long read.
	file   *os.File
	before fs.FileInfo
}

func (r *steadyReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.file.Read(p)
	if errors.Is(err, io.EOF) {
		now, statErr := r.file.Stat()
		if statErr != nil {
			return n, statErr
		}
		if fingerprint(now) != fingerprint(r.before) {
			return n, errChanged
		}
	}
	return n, err
}
