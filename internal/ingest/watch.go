package ingest

import (
	"errors"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/fsnotify/fsnotify"
)

// watch reports which files changed, as far as the kernel does. Network file
// systems and exhausted inotify limits make it silent; the periodic scan does
// not depend on it.
type watch struct {
	watcher *fsnotify.Watcher
	folders []string
	paths   chan string
}

// newWatch watches folders. It always returns a watch, maybe a silent one.
func newWatch(folders []string, logger *slog.Logger) *watch {
	w := &watch{folders: folders, paths: make(chan string)}
	watcher, err := fsnotify.NewBufferedWatcher(256)
	if err != nil {
		logger.Warn("file notifications do not work, new files are found by the next scan", "err", err)
		return w
	}
	for _, folder := range folders {
		err := watcher.Add(folder)
		// A folder that cannot be read is the business of the scan.
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			logger.Warn("file notifications do not work, new files are found by the next scan", "path", folder, "err", err)
		}
	}
	w.watcher = watcher
	go w.forward()
	return w
}

// changed yields the paths of files that were created or written. An empty
// path means that notifications were lost; the channel is closed when a
// watched folder went away.
func (w *watch) changed() <-chan string { return w.paths }

// forward translates events until the watcher is closed or useless.
func (w *watch) forward() {
	defer close(w.paths)
	for {
		select {
		case event, ok := <-w.watcher.Events:
			if !ok {
				return
			}
			gone := event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename)
			if gone && slices.Contains(w.folders, event.Name) {
				return
			}
			if event.Has(fsnotify.Create) || event.Has(fsnotify.Write) {
				w.paths <- event.Name
			}
		case _, ok := <-w.watcher.Errors:
			if !ok {
				return
			}
			w.paths <- ""
		}
	}
}

// close ends the watch and waits for its goroutine.
func (w *watch) close() {
	if w.watcher == nil {
		return
	}
	// Closing cannot fail in a way that matters: the descriptor is gone.
	_ = w.watcher.Close()
	for range w.paths {
		continue
	}
}
