package ingest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// The folders that files are moved to, inside the folder of the source.
const (
	doneFolder    = "done"
	invalidFolder = "invalid"
)

// disposal is what happens to a file after its outcome became durable.
type disposal struct {
	// root holds done/ and invalid/.
	root        string
	after       After
	keepRefused bool
	// keep is what staying means; nil leaves the file untouched.
	keep func(path string) error
}

// apply disposes of the file. An empty reason means that it was accepted.
func (d *disposal) apply(path string, reason dmarc.Reason) error {
	switch {
	case reason != "" && !d.keepRefused:
		return moveInto(filepath.Join(d.root, invalidFolder, string(reason)), path)
	case reason == "" && d.after == AfterMove:
		return moveInto(filepath.Join(d.root, doneFolder), path)
	case reason == "" && d.after == AfterDelete:
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove processed file: %w", err)
		}
		return nil
	case d.keep != nil:
		return d.keep(path)
	}
	return nil
}

// moveInto moves the file into dir without overwriting anything: a name that
// is taken gets a number. A file that vanished is no error.
func moveInto(dir, path string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("move %s: %w", filepath.Base(path), err)
	}
	target, err := freeName(filepath.Join(dir, filepath.Base(path)))
	if err != nil {
		return err
	}
	if err := os.Rename(path, target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("move processed file: %w", err)
	}
	return nil
}

// freeName returns path, or path with the first number that is free.
func freeName(path string) (string, error) {
	const limit = 10_000
	candidate := path
	for n := 1; n < limit; n++ {
		_, err := os.Lstat(candidate)
		if errors.Is(err, fs.ErrNotExist) {
			return candidate, nil
		}
		if err != nil {
			return "", fmt.Errorf("find a free name: %w", err)
		}
		candidate = path + "." + strconv.Itoa(n)
	}
	return "", fmt.Errorf("find a free name: %d files are called %s", limit, filepath.Base(path))
}
