package ingest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Checker is a source that can be tried before it runs. Check logs in, looks for
// folders, or listens for a moment, and calls report for each thing that it tried,
// with a nil error if that works. It reads no input and changes none.
type Checker interface {
	Check(ctx context.Context, report func(what string, err error))
}

// Check tries to read the folders, and to write them if files are to be moved,
// renamed or deleted.
func (f *files) Check(_ context.Context, report func(what string, err error)) {
	for _, folder := range f.folders {
		err := canRead(folder)
		report("read "+folder, err)
		if err != nil {
			return
		}
	}
	d := &f.dispose
	if d.after == AfterKeep && d.keepRefused && d.keep == nil {
		return
	}
	written := slices.Clone(f.folders)
	for _, folder := range []string{d.root, filepath.Join(d.root, doneFolder), filepath.Join(d.root, invalidFolder)} {
		if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) && !slices.Contains(written, folder) {
			written = append(written, folder)
		}
	}
	for _, folder := range written {
		report("write "+folder, CanWrite(folder))
	}
}

func canRead(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	_, err = dir.Stat()
	return err
}

// CanWrite tries to make and remove an entry of a directory, whose name no source reads.
func CanWrite(folder string) error {
	entry, err := os.MkdirTemp(folder, ".check-*")
	if err != nil {
		return err
	}
	return os.Remove(entry)
}

// Check tries to open the file.
func (m *Mbox) Check(ctx context.Context, report func(what string, err error)) {
	file := &steadyFile{ctx: ctx, path: m.path, follow: m.config.FollowLinks, patience: m.config.Timeout}
	defer file.release()
	report("read "+m.path, file.open())
}

// Check logs in and counts the mails.
func (p *POP3) Check(ctx context.Context, report func(what string, err error)) {
	c, err := p.dial(ctx)
	if err != nil {
		report("log in", err)
		return
	}
	raw := c.conn
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	err = p.login(c)
	report("log in", err)
	if err == nil {
		_, err := c.command("STAT")
		report("count the mails", err)
		_, _ = c.command("QUIT") // Nothing depends on the goodbye.
	}
}

// Check gets a token and asks for the folders.
func (w *Webmail) Check(ctx context.Context, report func(what string, err error)) {
	_, err := w.config.Token(ctx, false)
	report("get a token", err)
	if err != nil {
		return
	}
	report("look at folder "+w.config.Folder, w.service.look(ctx, w.config.Folder))
	for _, folder := range w.config.Targets() {
		err := w.service.look(ctx, folder)
		if _, absent := errors.AsType[*absentError](err); absent {
			report("folder "+folder+" does not exist, it will be created", nil)
			continue
		}
		report("look at folder "+folder, err)
	}
}

// absentError names a folder or a label that does not exist.
type absentError struct{ kind, name string }

// Error names it.
func (e *absentError) Error() string { return "there is no " + e.kind + " " + e.name }
