package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSteadyFileStuck gives up a call that does not return, in time or when ctx
// ends, and frees the file when it returns after all.
func TestSteadyFileStuck(t *testing.T) {
	for name, patience := range map[string]time.Duration{"in time": time.Millisecond, "when ctx ends": time.Hour} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a")
			if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			stuck, freed, answer := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
			f := &steadyFile{
				ctx: ctx, path: path, patience: time.Hour,
				stuck: func() { stuck <- struct{}{} }, freed: func() { close(freed) },
			}
			if err := f.open(); err != nil {
				t.Fatal(err)
			}
			f.patience = patience
			want := errStuck
			if patience == time.Hour {
				want = context.Canceled
			}
			begun := make(chan struct{})
			go func() {
				<-begun
				if patience == time.Hour {
					cancel()
				}
			}()
			if err := f.call(func() error { close(begun); <-answer; return nil }); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			<-stuck
			if _, err := f.Read(make([]byte, 1)); err == nil {
				t.Error("a file that did not answer is read on")
			}
			close(answer)
			<-freed
			cancel()
			if _, err := f.file.Stat(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("error %v, want that the file is closed", err)
			}
		})
	}
}

// TestSteadyFile reads a file whole, in any pieces, and notices a change.
func TestSteadyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	content := bytes.Repeat([]byte("0123456789"), steadyBuffer/5)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *steadyFile { return &steadyFile{ctx: t.Context(), path: path, patience: time.Minute} }
	f := open()
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, error %v, want %d", len(got), err, len(content))
	}
	f.release()
	f = open()
	long := make([]byte, len(content))
	if n, err := f.ReadAt(long, 0); n != len(content) || err != nil || !bytes.Equal(long, content) {
		t.Errorf("%d bytes, error %v, want %d", n, err, len(content))
	}
	if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(f); !errors.Is(err, errChanged) {
		t.Errorf("error %v, want %v", err, errChanged)
	}
	f.release()
}

// TestSteadyFileMemory holds that a small file takes little memory while it is read,
// and none once it was: its delivery may wait for hundreds of others.
func TestSteadyFileMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, size := range []int{0, 1, 1000, steadyBuffer - 1, steadyBuffer, steadyBuffer + 1, 3 * steadyBuffer} {
		want := bytes.Repeat([]byte("x"), size)
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		f := &steadyFile{ctx: t.Context(), path: path, before: info, patience: time.Hour}
		got, err := io.ReadAll(io.LimitReader(f, int64(size)+1))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: read %d, error %v", size, len(got), err)
		}
		if most := min(size+1, steadyBuffer); cap(f.buf) > most {
			t.Errorf("%d bytes are read with a buffer of %d, want at most %d", size, cap(f.buf), most)
		}
		f.release()
		if f.buf != nil {
			t.Errorf("%d bytes: %d are kept after they were read", size, cap(f.buf))
		}
	}
}
