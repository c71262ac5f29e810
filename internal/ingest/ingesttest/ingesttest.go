// Package ingesttest is the test that every source of reports must pass.
package ingesttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// World is where a source reads from.
type World struct {
	// Source makes the source, and makes it again after a restart.
	Source func(t testing.TB, marks ingest.Marks) ingest.Source
	// Offer puts an input where the source finds it.
	Offer func(t testing.TB, name string, content []byte)
	// Pending returns how many inputs are not acknowledged.
	Pending func(t testing.TB) int
	// Forgetful says that the source itself does not recognise an input that
	// was committed but not acknowledged: its reports are then duplicates.
	Forgetful bool
	// Implicit says that the commit itself is the acknowledgement: the input
	// stays, and only its mark tells that it is done.
	Implicit bool
}

// manyAttempts is more than the attempts of any source at an unreadable input.
const manyAttempts = 8

// Run runs the suite. world makes a fresh world for each test.
func Run(t *testing.T, world func(t *testing.T) World) {
	t.Run("counts", func(t *testing.T) { testCounts(t, world(t)) })
	t.Run("twice is once", func(t *testing.T) { testTwice(t, world(t)) })
	t.Run("failure is not acknowledged", func(t *testing.T) { testFailure(t, world(t)) })
	t.Run("crash after commit", func(t *testing.T) { testCrash(t, world(t)) })
	t.Run("refused does not block", func(t *testing.T) { testRefused(t, world(t)) })
}

// Single makes a Deliver of a function that delivers one input.
func Single(f func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error)) ingest.Deliver {
	return func(ctx context.Context, deliveries ...*ingest.Delivery) ([]ingest.Result, error) {
		results := make([]ingest.Result, len(deliveries))
		for i, d := range deliveries {
			var err error
			var input *ingest.InputError
			if results[i], err = f(ctx, d); err != nil && !errors.As(err, &input) {
				return nil, err
			}
			results[i].Err = err
		}
		return results, nil
	}
}

// Report returns an aggregate report with one record of so many messages, that
// ended today. Another id makes another content.
func Report(id string, messages int) []byte {
	end := time.Now().UTC().Truncate(24 * time.Hour)
	return fmt.Appendf(nil, `<feedback><report_metadata><org_name>Example Mail Corp</org_name><email>dmarc@mail.example</email>`+
		`<report_id>%s</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>`+
		`<policy_published><domain>example.com</domain><p>none</p></policy_published>`+
		`<record><row><source_ip>192.0.2.1</source_ip><count>%d</count><policy_evaluated><disposition>none</disposition>`+
		`<dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><envelope_from>%s.example</envelope_from><header_from>example.com</header_from></identifiers>`+
		`<auth_results><spf><domain>example.com</domain><result>fail</result></spf></auth_results></record></feedback>`,
		id, end.Add(-24*time.Hour).Unix(), end.Unix(), messages, id)
}

// Store is a tally in a temporary directory.
func Store(t testing.TB) *store.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	empty, err := emptyStore()
	if err == nil {
		err = os.WriteFile(path, empty, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	store, err := store.Open(t.Context(), sqlite.File{Path: path}, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// emptyStore is the file of a tally that has counted nothing. It is made once: to
// create the tables costs more than most tests do with them.
var emptyStore = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "state.db")
	s, err := store.Open(context.Background(), sqlite.File{Path: path}, store.Config{})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// Sum adds up the series of a family whose labels hold all values.
func Sum(store *store.Store, family tally.Family, values ...string) int64 {
	var sum int64
series:
	for _, s := range store.Snapshot().Series[family] {
		for _, want := range values {
			found := false
			for _, label := range s.Labels {
				found = found || label == want
			}
			if !found {
				continue series
			}
		}
		sum += s.Value
	}
	return sum
}

// start runs a source under a supervisor until the test, or the returned function, ends it.
func start(t testing.TB, source ingest.Source, deliver ingest.Deliver) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	supervisor := &ingest.Supervisor{MinPause: 10 * time.Millisecond, MaxPause: 100 * time.Millisecond}
	group.Go(func() { supervisor.Run(ctx, deliver, map[string]ingest.Source{"one": source}) })
	stop = func() {
		cancel()
		group.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func expect(t testing.TB, what string, got, want int64) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

func testCounts(t *testing.T, w World) {
	store := Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	w.Offer(t, "before", Report("before", 3))
	source := w.Source(t, pipeline)
	stop := start(t, source, pipeline.Deliver)
	realtest.Eventually(t, "first report acknowledged", func() bool { return w.Pending(t) == 0 })
	w.Offer(t, "after", Report("after", 4))
	realtest.Eventually(t, "second report acknowledged", func() bool {
		return w.Pending(t) == 0 && Sum(store, tally.Messages) == 7
	})
	if s := source.Status(); !s.Up || s.Name == "" {
		t.Errorf("status %+v, want up and a name", s)
	}
	stop()
	// A restart counts nothing again.
	stop = start(t, w.Source(t, pipeline), pipeline.Deliver)
	w.Offer(t, "third", Report("third", 1))
	realtest.Eventually(t, "third report acknowledged", func() bool { return w.Pending(t) == 0 && Sum(store, tally.Messages) == 8 })
	stop()
	expect(t, "reports", Sum(store, tally.Reports), 3)
}

func testTwice(t *testing.T, w World) {
	store := Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	w.Offer(t, "one", Report("same", 5))
	w.Offer(t, "two", Report("same", 5))
	start(t, w.Source(t, pipeline), pipeline.Deliver)
	realtest.Eventually(t, "both acknowledged", func() bool { return w.Pending(t) == 0 && Sum(store, tally.Reports) == 2 })
	expect(t, "messages", Sum(store, tally.Messages), 5)
	expect(t, "duplicates", Sum(store, tally.Reports, string(tally.OutcomeDuplicate)), 1)
}

func testFailure(t *testing.T, w World) {
	store := Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	w.Offer(t, "one", Report("one", 5))
	var attempts, broken atomic.Int64
	broken.Store(1)
	start(t, w.Source(t, pipeline), Single(func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error) {
		attempts.Add(1)
		if broken.Load() == 1 {
			return ingest.Result{}, errors.New("no space left on device")
		}
		return ingest.Deliver(pipeline.Deliver).One(ctx, d)
	}))
	// More often than a source tries an input that cannot be read: the input is not to blame.
	realtest.Eventually(t, "many attempts", func() bool { return attempts.Load() >= manyAttempts })
	expect(t, "pending while the store fails", int64(w.Pending(t)), 1)
	broken.Store(0)
	realtest.Eventually(t, "acknowledged when the store is well", func() bool {
		return w.Pending(t) == 0 && Sum(store, tally.Messages) == 5
	})
	expect(t, "reports", Sum(store, tally.Reports), 1)
	expect(t, "refusals", Sum(store, tally.Refusals), 0)
}

func testCrash(t *testing.T, w World) {
	store := Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	w.Offer(t, "one", Report("one", 5))
	committed, crash := make(chan struct{}), make(chan struct{})
	var once sync.Once
	stop := start(t, w.Source(t, pipeline), Single(func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error) {
		if _, err := ingest.Deliver(pipeline.Deliver).One(ctx, d); err != nil {
			return ingest.Result{}, err
		}
		once.Do(func() { close(committed) })
		// The crash: the outcome is durable, but the source never hears of it.
		select {
		case <-crash:
		case <-ctx.Done():
		}
		return ingest.Result{}, errors.New("crashed")
	}))
	select {
	case <-committed:
	case <-time.After(realtest.Patience):
		t.Fatal("nothing was delivered")
	}
	pending := w.Pending(t)
	close(crash)
	stop()
	if !w.Implicit {
		expect(t, "pending after the crash", int64(pending), 1)
	}
	start(t, w.Source(t, pipeline), pipeline.Deliver)
	realtest.Eventually(t, "acknowledged after the restart", func() bool { return w.Pending(t) == 0 })
	expect(t, "messages", Sum(store, tally.Messages), 5)
	if !w.Forgetful {
		expect(t, "reports", Sum(store, tally.Reports), 1)
	}
}

func testRefused(t *testing.T, w World) {
	store := Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	w.Offer(t, "a-bad", []byte("this is no report\n"))
	w.Offer(t, "b-good", Report("good", 2))
	start(t, w.Source(t, pipeline), pipeline.Deliver)
	realtest.Eventually(t, "both done", func() bool {
		return w.Pending(t) == 0 && Sum(store, tally.Refusals) == 1 && Sum(store, tally.Messages) == 2
	})
}
