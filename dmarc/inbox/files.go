package inbox

import (
	"fmt"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// After says what happens to an input that is done.
type After string

// The choices. The empty value means Keep. Not every source has all of them.
const (
	Keep   After = "keep"   // the input stays as it is
	Flag   After = "flag"   // the mail is marked as read and processed
	Move   After = "move"   // the file moves to done/ beside it, the mail to a folder
	Delete After = "delete" // the input is removed
	Tag    After = "tag"    // the object gets a tag
)

// FileConfig configures the sources that read files. The zero value works.
type FileConfig struct {
	// After says what happens to files that are done: Keep, Move or Delete.
	After After
	// KeepRefused leaves refused files where they are. Otherwise they move to
	// invalid/<reason>/, whatever After says.
	KeepRefused bool
	// Poll is how often the folder is looked at, besides when the system notifies of
	// changes; 0 means 30 seconds.
	Poll time.Duration
	// Settle is how long a file must not change before it is read; 0 means a second.
	Settle time.Duration
	// Patience is how long after its last change a file is not refused, because its
	// writer may just be slow; 0 means five seconds.
	Patience time.Duration
	// Parallel is how many files are handed out at once; 0 means one.
	Parallel int
	// FollowLinks reads what symbolic links lead to. Otherwise they are left alone.
	FollowLinks bool
}

func (c FileConfig) with(o ingest.Options) ingest.FileConfig {
	o.Poll = c.Poll
	return ingest.FileConfig{
		Options: o, After: ingest.After(c.After), KeepRefused: c.KeepRefused, Settle: c.Settle, Patience: c.Patience, FollowLinks: c.FollowLinks,
		Together: 1, Parallel: max(c.Parallel, 1),
	}
}

// check finds mistakes of files that may be moved and deleted.
func (c FileConfig) check(path string) error {
	if err := ingest.After(c.After).Check(ingest.AfterKeep, ingest.AfterMove, ingest.AfterDelete); err != nil {
		return fmt.Errorf("%s: After %q: %w", path, c.After, err)
	}
	return nil
}

// Dir reads the files of a directory: those directly in it and none of its
// subdirectories. Files that writers have not finished are left alone: temporary
// names (a leading dot, .tmp, .part and the like) and files that still change.
func Dir(path string, c FileConfig) (Source, error) {
	return NewSource(func(o ingest.Options) (ingest.Source, error) {
		return ingest.NewDir(path, c.with(o)), c.check(path)
	})
}

// Maildir reads a Maildir: every mail in new/, and those in cur/ that nobody has
// seen. A mail that is done and stays becomes a seen one in cur/.
func Maildir(path string, c FileConfig) (Source, error) {
	return NewSource(func(o ingest.Options) (ingest.Source, error) {
		return ingest.NewMaildir(path, c.with(o)), c.check(path)
	})
}

// Mbox reads a file in mbox format, which it never changes: After must be Keep.
// Its mails are handed out in order, and one that waits holds up those behind it. A
// file that was replaced or shortened is read again from its start.
func Mbox(path string, c FileConfig) (Source, error) {
	return NewSource(func(o ingest.Options) (ingest.Source, error) { return ingest.NewMbox(path, c.with(o)) })
}
