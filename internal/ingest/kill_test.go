package ingest_test

import (
	"context"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("INGEST_TEST_CHILD"); mode != "" {
		if err := child(mode, os.Getenv("INGEST_TEST_DIR"), os.Getenv("INGEST_TEST_STATE")); err != nil {
			log.Fatal(err)
		}
	}
	os.Exit(m.Run())
}

// The modes of the child: the right order, and the two mistakes that the kill test must find.
const (
	modeRight    = "right"
	modeAckFirst = "acknowledge before commit"
	modeNoDedupe = "no dedupe"
)

// child reads a directory until it is killed.
func child(mode, dir, state string) error {
	t, err := store.Open(context.Background(), sqlite.File{Path: state}, store.Config{})
	if err != nil {
		return err
	}
	trap := ingesttest.Trap(state + ".trap")
	var store ingest.Store = t
	if mode == modeNoDedupe {
		store = ingesttest.NoDedupe{Store: t, Trap: trap}
	}
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	deliver := ingest.Deliver(pipeline.Deliver)
	if mode == modeAckFirst {
		deliver = ingesttest.AcknowledgeFirst(pipeline.Deliver, trap)
	}
	source := ingest.NewDir(dir, ingest.FileConfig{After: ingest.AfterMove, Options: ingest.Options{Marks: pipeline, Poll: time.Second}})
	(&ingest.Supervisor{}).Run(context.Background(), deliver, map[string]ingest.Source{"dir": source})
	return nil
}

// TestKill makes sure that the driver of the kill tests finds what it is for:
// reports that are lost, and reports that are counted twice.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, mode string) (want, got ingesttest.Counts) {
		dir, state := t.TempDir(), filepath.Join(t.TempDir(), "state.db")
		k := ingesttest.Kill{
			Dir: dir, State: state, Kills: 6, Inputs: 120, Longest: 150 * time.Millisecond,
			Command: func() *exec.Cmd {
				cmd := exec.Command(self)
				cmd.Env = append(os.Environ(), "INGEST_TEST_CHILD="+mode, "INGEST_TEST_DIR="+dir, "INGEST_TEST_STATE="+state)
				return cmd
			},
		}
		if mode != modeRight {
			k.Trap, k.Acknowledges, k.Kills = ingesttest.Trap(state+".trap"), mode == modeAckFirst, 3
		}
		want, got = k.Run(t)
		t.Logf("%s: got %+v, want %+v", mode, got, want)
		return want, got
	}
	t.Run(modeRight, func(t *testing.T) {
		t.Parallel()
		if want, got := run(t, modeRight); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run(modeAckFirst, func(t *testing.T) {
		t.Parallel()
		if want, got := run(t, modeAckFirst); got.Counted >= want.Counted {
			t.Errorf("%d reports counted of %d, want some lost", got.Counted, want.Counted)
		}
	})
	t.Run(modeNoDedupe, func(t *testing.T) {
		t.Parallel()
		if want, got := run(t, modeNoDedupe); got.Messages <= want.Messages {
			t.Errorf("%d messages counted, want more than the %d there are", got.Messages, want.Messages)
		}
	})
}
