package imap_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestInterrupted stops everything at random moments, between any two steps,
// and opens the state anew, until the mailbox is empty: each report counts
// once. IMAP_INTERRUPTIONS sets how often. The exporter is killed for good in
// TestKillIMAP of exporters/dmarc_exporter.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	rounds := realtest.Count(t, "IMAP_INTERRUPTIONS", 8)
	for name, settings := range map[string]string{"move": "", "copy": bare + " UIDPLUS", "bare": bare} {
		t.Run(name, func(t *testing.T) {
			server := realtest.Dovecot(t, settings)
			w := &interrupted{server: server, path: filepath.Join(t.TempDir(), "state.db")}
			for round := range rounds {
				w.offer(t)
				w.run(t, rand.N(400*time.Millisecond), nil)
				if t.Failed() {
					t.Fatalf("failed in round %d", round)
				}
			}
			w.drain(t)
		})
	}
}

// TestControl shows that TestInterrupted would notice: a mail that is
// acknowledged before its commit is lost when the process ends in between.
func TestControl(t *testing.T) {
	t.Parallel()
	w := &interrupted{server: realtest.Dovecot(t), path: filepath.Join(t.TempDir(), "state.db")}
	w.offer(t)
	w.run(t, 3*time.Second, func(deliver ingest.Deliver) ingest.Deliver {
		return ingesttest.Single(func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error) {
			if d.Body == nil {
				return deliver.One(ctx, d)
			}
			// Never committed: the process has ended.
			return ingest.Result{Counted: 1}, nil
		})
	})
	store, pipeline, source := w.open(t)
	defer store.Close()
	stop := run(t, source, pipeline.Deliver)
	w.server.Seed(t, user, "INBOX", report("last", 1000))
	realtest.Eventually(t, "the last mail counted", func() bool { return ingesttest.Sum(store, tally.Messages) >= 1000 })
	stop()
	if n := ingesttest.Sum(store, tally.Messages); n != 1000 {
		t.Errorf("%d messages, want 1000: the others were to be lost", n)
	}
}

// interrupted is a mailbox that is read by one process after the other.
type interrupted struct {
	server  *realtest.DovecotServer
	path    string
	offered int
	// messages is what all reports offered so far sum up to.
	messages int64
}

// offer adds five reports, one of them for the second time.
func (w *interrupted) offer(t *testing.T) {
	var mails [][]byte
	for range 5 {
		w.offered++
		w.messages += int64(w.offered)
		mails = append(mails, report(fmt.Sprint(w.offered), w.offered))
	}
	mails = append(mails, mails[rand.N(len(mails))])
	w.server.Seed(t, user, "INBOX", mails...)
}

// open opens the state and the mailbox.
func (w *interrupted) open(t *testing.T) (*store.Store, *ingest.Pipeline, *imap.Mailbox) {
	t.Helper()
	store, err := store.Open(t.Context(), sqlite.File{Path: w.path}, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	c := moving(config(w.server, pipeline))
	c.Batch = 4
	return store, pipeline, open(t, c)
}

// run reads for a while. Nothing may ever count twice. wrap, if not nil,
// stands between the source and the pipeline.
func (w *interrupted) run(t *testing.T, limit time.Duration, wrap func(ingest.Deliver) ingest.Deliver) {
	store, pipeline, source := w.open(t)
	defer store.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	deliver := ingest.Deliver(pipeline.Deliver)
	if wrap != nil {
		deliver = wrap(deliver)
	}
	_ = source.Run(ctx, deliver)
	if n := ingesttest.Sum(store, tally.Messages); n > w.messages {
		t.Errorf("%d messages, want %d at most", n, w.messages)
	}
}

// drain reads to the end. Nothing may be lost.
func (w *interrupted) drain(t *testing.T) {
	store, pipeline, source := w.open(t)
	defer store.Close()
	stop := run(t, source, pipeline.Deliver)
	realtest.Eventually(t, "everything put away", func() bool {
		away := flagged(t, w.server, "INBOX", "S") + flagged(t, w.server, "INBOX", "T")
		return len(w.server.Mails(t, user, "INBOX")) == away && ingesttest.Sum(store, tally.Messages) >= w.messages
	})
	stop()
	if n := ingesttest.Sum(store, tally.Messages); n != w.messages {
		t.Errorf("%d messages, want %d", n, w.messages)
	}
	counted := ingesttest.Sum(store, tally.Reports, string(tally.OutcomeCounted))
	t.Logf("%d reports counted once, %d duplicates", counted, ingesttest.Sum(store, tally.Reports, string(tally.OutcomeDuplicate)))
	if counted != int64(w.offered) {
		t.Errorf("%d reports counted, want %d", counted, w.offered)
	}
}
