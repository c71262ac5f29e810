package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
)

// A file that another process, or another part of this one, has open as a store
// cannot be opened.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := sqlite.File{Path: filepath.Join(dir, "dmarc.db"), MaxBytes: 1 << 30}
	s, err := store.Open(context.Background(), file, store.Config{})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	fmt.Println(s.Snapshot().Identities, "reports")
	// Output: 0 reports
}
