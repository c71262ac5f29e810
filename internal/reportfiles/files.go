package reportfiles

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/semaphore"
)

const (
	// ahead is how many files may be under way before the first of them is printed.
	ahead = 64
	// linesAhead is how much output of one file may wait for its turn.
	linesAhead = 32
	// largeFile is the size from which a file is read with no other beside
	// it: containers are unpacked in memory, and two large ones are too many.
	largeFile = 4 << 20
)

// file is one input of check and parse.
type file struct {
	path string
	// err says why the file cannot be read.
	err error
	// size is -1 when it is not known.
	size int64
}

// open opens the file; "-" is stdin.
func (f file) open(stdin io.Reader) (io.ReadCloser, error) {
	if f.err != nil {
		return nil, f.err
	}
	if f.path == "-" {
		return io.NopCloser(stdin), nil
	}
	return os.Open(f.path)
}

// find calls visit for every file that the paths name, directories included
// with all below them, in order. What cannot be read is visited with its error.
func find(paths []string, visit func(file) error) error {
	for _, path := range paths {
		if path == "-" {
			if err := visit(file{path: path, size: -1}); err != nil {
				return err
			}
			continue
		}
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return visit(file{path: name, err: err})
			}
			if entry.IsDir() {
				return nil
			}
			info, err := os.Stat(name)
			switch {
			case err != nil:
				return visit(file{path: name, err: err})
			case info.IsDir() || !info.Mode().IsRegular() && name != path:
				return nil // A link to a directory may lead in a circle, and a pipe may never end.
			case !info.Mode().IsRegular():
				return visit(file{path: name, size: -1})
			}
			return visit(file{path: name, size: info.Size()})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// job is a file and what came out of it so far.
type job[T any] struct {
	file  file
	lines chan T
	// weight is the share of memory that the file was given.
	weight int64
}

// readAll reads the files that the paths name, on every processor, and calls
// write with what each produced, in the order of the paths. newWorker makes
// the function that reads a file; each goroutine has its own. Memory is
// bounded: workers wait when write does not keep up.
func readAll[T any](ctx context.Context, paths []string, newWorker func() func(f file, emit func(T)), write func(T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	jobs, order := make(chan job[T]), make(chan job[T], ahead)
	memory := semaphore.NewWeighted(largeFile)
	group.Go(func() {
		defer close(jobs)
		defer close(order)
		// The only error is the end of ctx, which the caller knows.
		_ = find(paths, func(f file) error {
			j := job[T]{file: f, lines: make(chan T, linesAhead), weight: f.size}
			if f.size < 0 || f.size > largeFile {
				j.weight = largeFile
			}
			// Memory is given out in the order of the paths: whoever waits
			// for it waits for files whose turn comes before its own.
			if err := memory.Acquire(ctx, j.weight); err != nil {
				return err
			}
			if !send(ctx, order, j) || !send(ctx, jobs, j) {
				return ctx.Err()
			}
			return nil
		})
	})
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			read := newWorker()
			for j := range jobs {
				read(j.file, func(line T) { send(ctx, j.lines, line) })
				close(j.lines)
				if j.weight == largeFile {
					debug.FreeOSMemory() // The next one may be large, too.
				}
				memory.Release(j.weight)
			}
		})
	}
	defer cancel()
	for j := range order {
		if err := drain(ctx, j.lines, write); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// drain writes the lines of one file until they end.
func drain[T any](ctx context.Context, lines <-chan T, write func(T) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case line, ok := <-lines:
			if !ok {
				return nil
			}
			if err := write(line); err != nil {
				return fmt.Errorf("write output: %w", err)
			}
		}
	}
}

// send sends v unless ctx ends first.
func send[T any](ctx context.Context, c chan<- T, v T) bool {
	select {
	case c <- v:
		return true
	case <-ctx.Done():
		return false
	}
}
