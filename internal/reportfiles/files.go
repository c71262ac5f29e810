package reportfiles

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

const (
	// ahead is how many files may be under way before the first of them is printed.
	ahead = 64
	// linesAhead is how much output of one file may wait for its turn.
	linesAhead = 32
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
	opened, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	return sized{opened, f.size}, nil
}

// sized is a file that tells unpack.Walker how long it is expected to be.
type sized struct {
	*os.File
	size int64
}

// Len is 0 when the size is not known.
func (s sized) Len() int { return int(min(max(s.size, 0), math.MaxInt)) }

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
	// turn is closed when all files before this one are printed.
	turn chan struct{}
}

// newWorker makes the function that reads a file, with a walker.
type newWorker[T any] func(w *unpack.Walker) func(f file, emit func(T))

// readAll reads the files that the paths name, on every processor, and calls
// write with what each produced, in the order of the paths. Memory is bounded:
// workers wait when write does not keep up, and only the file whose turn it is
// to be printed may take much.
func readAll[T any](ctx context.Context, paths []string, newWorker newWorker[T], write func(T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	jobs, order := make(chan job[T]), make(chan job[T], ahead)
	group.Go(func() {
		defer close(jobs)
		defer close(order)
		// The only error is the end of ctx, which the caller knows.
		_ = find(paths, func(f file) error {
			j := job[T]{file: f, lines: make(chan T, linesAhead), turn: make(chan struct{})}
			if !send(ctx, order, j) || !send(ctx, jobs, j) {
				return ctx.Err()
			}
			return nil
		})
	})
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() { work(ctx, newWorker, jobs) })
	}
	defer cancel()
	for j := range order {
		close(j.turn)
		if err := drain(ctx, j.lines, write); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// work reads one file after the other.
func work[T any](ctx context.Context, newWorker newWorker[T], jobs <-chan job[T]) {
	var current job[T]
	large := false
	walker := newWalker()
	walker.Large = func() error {
		large = true
		select {
		case <-current.turn:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	read := newWorker(walker)
	for current = range jobs {
		large = false
		read(current.file, func(line T) { send(ctx, current.lines, line) })
		if large {
			debug.FreeOSMemory() // The next one may be large, too.
		}
		close(current.lines)
	}
}

func newWalker() *unpack.Walker { return unpack.NewWalker(ingest.Limits()) }

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
