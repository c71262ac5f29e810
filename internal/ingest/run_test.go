package ingest_test

import (
	"context"
	"sync"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// runUntilStopped runs one source until the returned function is called or the test ends.
func runUntilStopped(t *testing.T, s *ingest.Supervisor, p *ingest.Pipeline, source ingest.Source) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { s.Run(ctx, p.Deliver, map[string]ingest.Source{"one": source}) })
	stop = func() {
		cancel()
		group.Wait()
	}
	t.Cleanup(stop)
	return stop
}
