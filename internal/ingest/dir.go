package ingest

import (
	"path/filepath"
)

// Dir is a source that reads the files of a directory: those directly in it
// and none of its subdirectories. Files that writers have not finished are
// left alone: temporary names (a leading dot, .tmp, .part and the like) and
// files that still change.
type Dir struct {
	files
}

// NewDir returns a source for the directory at path. Its name is "dir:" and the path.
func NewDir(path string, c FileConfig) *Dir {
	path = filepath.Clean(path)
	c = c.withDefaults()
	return &Dir{files{
		health:  newHealth("dir:" + path),
		config:  c,
		trials:  NewTrials[string](c.Options),
		notices: NewNotices(c.Logger.With("source", "dir:"+path)),
		folders: []string{path},
		wanted:  func(path string) bool { return !temporary(filepath.Base(path)) },
		dispose: disposal{root: path, after: c.After, keepRefused: c.KeepRefused},
	}}
}
