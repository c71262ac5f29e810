package ingest_test

import (
	"context"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// TestSourcesBeforeRun asks for the sources while Run begins, as a scrape does
// that comes early; the race detector says whether that is safe.
func TestSourcesBeforeRun(t *testing.T) {
	for range 50 {
		supervisor := &ingest.Supervisor{}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			supervisor.Run(ctx, nil, nil)
		}()
		if got := supervisor.Sources(); len(got) != 0 {
			t.Errorf("%d sources, want none", len(got))
		}
		cancel()
		<-done
	}
}
