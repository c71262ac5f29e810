//go:build unix

package sqlite

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// lockTimeout is how long Open waits for another process, such as one that is
// being replaced, to close the file.
const lockTimeout = 2 * time.Second

// lock locks a file until it is closed or the process ends. The locks of
// SQLite are of another kind, and so other programs may read the file.
func lock(file *os.File) error {
	for limit := time.Now().Add(lockTimeout); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return err
		case time.Now().After(limit):
			return store.ErrLocked
		}
	}
}
