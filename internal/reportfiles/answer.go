package reportfiles

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// View opens what questions are asked of: the database of an engine, or without
// one the reports in files, which are read into memory. What is no report is
// named on s.Err; refused says that there is something.
func View(ctx context.Context, s Streams, engine store.Engine, paths []string, pipeline ingest.PipelineConfig) (v *store.View, refused bool, err error) {
	if engine != nil {
		v, err = engine.View(ctx)
		return v, false, err
	}
	memory := sqlite.NewMemory()
	const ever = 200 * 365 * 24 * time.Hour
	st, err := store.Open(ctx, memory, store.Config{Counts: tally.Config{Horizon: ever}, Retention: ever, Once: true})
	if err != nil {
		return nil, false, err
	}
	quiet := s
	quiet.Out = io.Discard
	if err = Import(ctx, quiet, st, paths, ImportConfig{Pipeline: pipeline, NoArchives: true}); errors.Is(err, ErrRefused) {
		refused, err = true, nil
	}
	if err == nil {
		v, err = memory.View(ctx)
	}
	// The memory lasts as long as it is read.
	if e := st.Close(); err == nil {
		err = e
	}
	return v, refused, err
}
