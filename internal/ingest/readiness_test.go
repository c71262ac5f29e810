package ingest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// switched is a source that works when it is told to.
type switched struct{ worked atomic.Bool }

func (s *switched) Run(ctx context.Context, _ Deliver) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *switched) Status() Status {
	return Status{Name: "imap:late", Worked: s.worked.Load(), Err: errors.New("wrong password")}
}

// TestReadiness waits for the sources, names the one that does not work, and
// stays when another set comes.
func TestReadiness(t *testing.T) {
	var log bytes.Buffer
	r := &Readiness{Supervisor: &Supervisor{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if err := r.Ready(); err == nil {
		t.Error("ready before the sources have started")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	source := &switched{}
	go func() {
		defer close(done)
		r.Supervisor.Run(ctx, nil, map[string]Source{})
	}()
	if err := r.Supervisor.Exchange(ctx, map[string]Source{"a": source}); err != nil {
		t.Fatal(err)
	}
	if err := r.Ready(); err == nil || !strings.Contains(err.Error(), "since the start: imap:late;") {
		t.Errorf("error %v, want the source that does not work", err)
	}
	r.tell(time.Minute)
	if line := log.String(); !strings.Contains(line, `source=imap:late for=1m0s err="wrong password"`) {
		t.Errorf("log %q", line)
	}
	source.worked.Store(true)
	if err := r.Ready(); err != nil {
		t.Error(err)
	}
	if err := r.Supervisor.Exchange(ctx, map[string]Source{"b": &switched{}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Ready(); err != nil {
		t.Errorf("not ready after an exchange: %v", err)
	}
	r.Run(ctx) // It has nothing to wait for.
	cancel()
	<-done
}
