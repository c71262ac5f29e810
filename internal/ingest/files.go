package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	// FollowLinks reads what symbolic links lead to. Otherwise they are left alone.
	FollowLinks bool
	// Together is how many files are read one after the other into one
	// transaction; 0 means 256.
	Together int
	// Parallel is how many times as many are read at once; 0 means 4.
	Parallel int
}

func (c FileConfig) withDefaults() FileConfig {
	setDefault(&c.After, AfterKeep)
	setDefault(&c.Settle, time.Second)
	setDefault(&c.Patience, 5*time.Second)
	setDefault(&c.Poll, 30*time.Second)
	setDefault(&c.Timeout, 5*time.Second)
	setDefault(&c.Retry, time.Second)
	setDefault(&c.Together, 256)
	setDefault(&c.Parallel, 4)
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
	trials  *Trials[string] // by path
	notices *Notices
	queued  atomic.Int64
	linked  sync.Once // reports the first link that is left alone
	buffers sync.Pool // of what files are read into
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
	f.trials.Keep(present)
	for _, folder := range f.folders {
		n, err := countNames(folder)
		if err != nil {
			return err
		}
		f.queued.Add(int64(n))
		f.setBacklog(int(f.queued.Load()))
	}
	f.reach()
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
		names, err := dir.Readdirnames(2048)
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
				f.trials.Done(path) // It is another file now.
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

// readAll reads the files: some one after the other, which share a transaction,
// and several such groups side by side.
func (f *files) readAll(ctx context.Context, deliver Deliver, paths []string) error {
	all := len(paths)
	paths = slices.DeleteFunc(paths, func(path string) bool { return !f.wanted(path) })
	f.done(all - len(paths))
	keys := make([]string, len(paths))
	for i, path := range paths {
		keys[i] = f.key(path)
	}
	committed, err := f.config.Marks.LookupAll(ctx, f.status.Name, keys)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.config.Parallel)
	for paths := range slices.Chunk(paths, f.config.Together) {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			defer f.done(len(paths))
			return Guard(func() error { return f.read(ctx, deliver, paths, committed) })
		})
	}
	return group.Wait()
}

// done notes that files do not wait any more.
func (f *files) done(n int) {
	if left := f.queued.Add(-int64(n)); left >= 0 {
		f.setBacklog(int(left) + f.waiting.len())
	}
}

// input is a file that is ready.
type input struct {
	path  string
	mark  string
	quiet time.Duration
}

// read delivers the files that are ready and disposes of them. Its errors are
// those that stop the source.
func (f *files) read(ctx context.Context, deliver Deliver, paths []string, committed map[string]Committed) error {
	var inputs []input
	var deliveries []*Delivery
	for _, path := range paths {
		in, d, err := f.prepare(ctx, deliver, path, committed)
		if err != nil {
			return err
		}
		if d != nil {
			inputs, deliveries = append(inputs, in), append(deliveries, d)
		}
	}
	if len(deliveries) == 0 {
		return nil
	}
	results, err := deliver(ctx, deliveries...)
	if err != nil {
		return err
	}
	for i := range results {
		if err := f.delivered(ctx, deliver, &inputs[i], &results[i]); err != nil {
			return err
		}
	}
	return nil
}

// prepare looks at a file and returns its delivery, nil unless it is ready.
func (f *files) prepare(ctx context.Context, deliver Deliver, path string, committed map[string]Committed) (in input, d *Delivery, err error) {
	if f.waiting.pausing(path) || f.trials.Pausing(path) {
		return in, nil, nil
	}
	look := os.Lstat
	if f.config.FollowLinks {
		look = os.Stat
	}
	info, err := look(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return in, nil, f.failed(ctx, deliver, path, "", err)
	}
	if err != nil || !info.Mode().IsRegular() {
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			f.linked.Do(func() {
				f.config.Logger.Warn("symbolic links are left alone, set follow_links or --source.follow-links to read them", "source", f.status.Name, "path", path)
			})
		}
		f.waiting.drop(path)
		return in, nil, nil
	}
	in = input{path: path, mark: fingerprint(info), quiet: f.waiting.quiet(path, info)}
	if in.quiet < f.config.Settle {
		f.waiting.later(path, f.config.Settle-in.quiet)
		return in, nil, nil
	}
	key := f.key(path)
	if done, ok := committed[key]; ok && done.Value == in.mark {
		f.finish(path, done.Reason)
		return in, nil, nil
	}
	d = &Delivery{Source: f.status.Name, Name: path, Key: key, Mark: in.mark}
	if info.Size() > maxFile {
		d.Refused = &dmarc.Error{Reason: dmarc.ReasonTooLarge, Offset: -1, Err: fmt.Errorf("a file of %d bytes", info.Size())}
		return in, d, nil
	}
	d.Since = info.ModTime()
	d.Body, d.Size, d.Unsettled = f.open(ctx, path, info), info.Size(), in.quiet < f.config.Patience
	return in, d, nil
}

// open returns the content of a file. A file that does not answer is left alone
// until it does.
func (f *files) open(ctx context.Context, path string, info fs.FileInfo) *steadyFile {
	return &steadyFile{
		ctx: ctx, path: path, follow: f.config.FollowLinks, before: info, patience: f.config.Timeout, buffers: &f.buffers,
		stuck: func() { f.waiting.reading(path, true) }, freed: func() { f.waiting.reading(path, false) },
	}
}

// delivered does what is to be done with a file after its delivery.
func (f *files) delivered(ctx context.Context, deliver Deliver, in *input, r *Result) error {
	var unread *InputError
	switch {
	case r.Err == nil:
		f.finish(in.path, r.Reason())
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(r.Err, ErrUnsettled):
		f.waiting.later(in.path, f.config.Patience-in.quiet)
		return nil
	case errors.Is(r.Err, ErrNotNow) && !errors.As(r.Err, &unread):
		f.waiting.later(in.path, f.config.Poll)
		return nil
	case errors.As(r.Err, &unread):
		return f.failed(ctx, deliver, in.path, in.mark, r.Err)
	}
	return r.Err
}

// failed takes down that a file could not be read. What the disk, the network or
// its owner broke is no fault of the file: it stays until it can be read. A mail
// that cannot be authenticated is given up as those of servers are.
func (f *files) failed(ctx context.Context, deliver Deliver, path, mark string, cause error) error {
	if errors.Is(cause, fs.ErrNotExist) || errors.Is(cause, errChanged) {
		f.waiting.later(path, f.config.Settle)
		return nil
	}
	var unread *InputError
	if errors.As(cause, &unread) && !errors.Is(cause, ErrNotNow) {
		cause = unread.Err
	}
	pause := f.trials.Failed(path, cause)
	if !f.trials.GiveUp(path) {
		f.notices.Warn("cannot read a file, will try again", "path", path, "pause", pause, "err", cause)
		f.waiting.later(path, pause)
		return nil
	}
	f.config.Logger.Error("giving up on file", "source", f.status.Name, "path", path, "attempts", f.trials.Attempts(path), "err", cause)
	result, err := deliver.One(ctx, &Delivery{
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
	f.trials.Done(path)
}

// present reports whether there is something at a path, as far as one can tell.
func present(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// forget drops the marks of files that are gone.
func (f *files) forget(ctx context.Context) error {
	return f.config.Marks.Forget(ctx, f.status.Name, func(key string) bool {
		return present(filepath.Join(f.dispose.root, key))
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
