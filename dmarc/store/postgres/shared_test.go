package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// sharedEngine opens a database that others write, too.
func sharedEngine(server *realtest.PostgresServer, schema string) Database {
	d, _ := engine(server.DSN("postgres") + " " + schema).(Database)
	d.Shared = true
	return d
}

func openShared(t *testing.T, d store.Engine, config tally.Config) *store.Store {
	t.Helper()
	if config.Now == nil {
		config.Now = func() time.Time { return storetest.Now }
	}
	s, err := store.Open(t.Context(), d, store.Config{Counts: config, Refresh: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storetest.Close(t, s) })
	return s
}

// sameCounts waits until all stores show the same.
func sameCounts(t *testing.T, stores []*store.Store) *tally.Snapshot {
	t.Helper()
	var first *tally.Snapshot
	realtest.Eventually(t, "the same counts everywhere", func() bool {
		first = stores[0].Snapshot()
		for _, s := range stores {
			other := s.Snapshot()
			if other.Err != nil || !cmp.Equal(first.Series, other.Series) || !cmp.Equal(first.Windows, other.Windows) || first.Identities != other.Identities {
				return false
			}
		}
		return true
	})
	return first
}

// testShared lets several stores write one database: each sees what the others
// have counted, counts every report once with them, and keeps the bounds of
// labels for all together.
func testShared(t *testing.T, server *realtest.PostgresServer) {
	const writers, reports = 3, 60
	d := sharedEngine(server, "shared")
	config := tally.Config{Budget: 700}
	var stores []*store.Store
	var opening sync.WaitGroup
	var mu sync.Mutex
	for range writers { // all at once, on an empty database
		opening.Go(func() {
			s := openShared(t, d, config)
			mu.Lock()
			stores = append(stores, s)
			mu.Unlock()
		})
	}
	if opening.Wait(); len(stores) < writers {
		t.FailNow()
	}
	var wg sync.WaitGroup
	for w, s := range stores {
		wg.Go(func() {
			last := int64(0)
			for i := range reports {
				// Half of the reports arrive everywhere, in another order each.
				n := (i*7 + w*31) % reports
				if n%2 == 1 {
					n += 1000 * (w + 1)
				}
				e := storetest.Unique(n)
				e.Org = fmt.Sprintf("r%d.example", n)
				if _, err := s.Commit(context.Background(), storetest.Of(e)); err != nil {
					t.Error(err)
				}
				got := storetest.Total(s.Snapshot(), tally.Messages)
				if got < last+10*int64(n%2) {
					t.Errorf("%d messages after %d", got, last)
				}
				last = got
			}
		})
	}
	wg.Wait()
	snapshot := sameCounts(t, stores)
	const counted = reports/2 + writers*reports/2
	if got := storetest.Total(snapshot, tally.Messages); got != 10*counted || snapshot.Identities != counted {
		t.Errorf("%d messages of %d reports, want %d of %d", got, snapshot.Identities, 10*counted, counted)
	}
	alone := storetest.Open(t, engine(server.DSN("postgres")+" alone"), config)
	for n := range reports {
		e := storetest.Unique(n)
		e.Org = fmt.Sprintf("r%d.example", n)
		storetest.Commit(t, alone, storetest.Of(e))
	}
	labels := len(storetest.Sums(snapshot, tally.ReporterMessages))
	if most := len(storetest.Sums(alone.Snapshot(), tally.ReporterMessages)); labels != most {
		t.Errorf("%d reporters have a label, want as many as one process gives: %d", labels, most)
	}
	if checked, err := store.Check(t.Context(), d); err != nil || len(checked.Problems) > 0 {
		t.Errorf("check: %v %v", checked, err)
	}
}

// testSharedAlone keeps a process that does not share a database out of one that
// is shared, and the other way round.
func testSharedAlone(t *testing.T, server *realtest.PostgresServer) {
	d := sharedEngine(server, "shared_alone")
	d.patience = 50 * time.Millisecond
	s := openShared(t, d, tally.Config{})
	storetest.Commit(t, s, storetest.Of(storetest.Unique(1)))
	alone := d
	alone.Shared = false
	one := storetest.Open(t, alone, tally.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := s.Commit(ctx, storetest.Of(storetest.Unique(2))); !errors.Is(err, store.ErrLocked) {
		t.Errorf("commit beside a process of its own: %v, want ErrLocked", err)
	}
	storetest.Commit(t, one, storetest.Of(storetest.Unique(3)))
	storetest.Close(t, one)
	storetest.Commit(t, s, storetest.Of(storetest.Unique(2), storetest.Unique(3)))
	if got := storetest.Total(s.Snapshot(), tally.Messages); got != 30 {
		t.Errorf("%d messages, want 30", got)
	}
}

// BenchmarkShared commits batches of 500 reports with 6.5 records each by one to
// four stores at once, which share a database.
func BenchmarkShared(b *testing.B) {
	server := realtest.Postgres(b, "fsync=on")
	for _, writers := range []int{1, 2, 4} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			const batch = 500
			d := sharedEngine(server, fmt.Sprintf("bench_%d_%d", writers, b.N))
			deliveries := make(chan *store.Delivery, b.N/batch+1)
			for i := 0; i < b.N; i += batch {
				deliveries <- storetest.BenchDelivery(b, store.RecordsAll, i, min(batch, b.N-i))
			}
			close(deliveries)
			var stores []*store.Store
			for range writers {
				s, err := store.Open(b.Context(), d, store.Config{Records: store.RecordsAll, Counts: tally.Config{Now: func() time.Time { return storetest.Now }}})
				if err != nil {
					b.Fatal(err)
				}
				defer storetest.Close(b, s)
				stores = append(stores, s)
			}
			waits := watchWaits(b, server)
			b.ResetTimer()
			used, serverUsed := storetest.ProcessorTime(), server.CPUWithChildren(b)
			var wg sync.WaitGroup
			for _, s := range stores {
				wg.Go(func() {
					for d := range deliveries {
						if _, err := s.Commit(b.Context(), d); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			waits(writers)
			b.ReportMetric(float64((storetest.ProcessorTime()-used).Nanoseconds())/1000/float64(b.N), "cpu-µs/report")
			b.ReportMetric(float64((server.CPUWithChildren(b)-serverUsed).Nanoseconds())/1000/float64(b.N), "server-µs/report")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
		})
	}
}

// watchWaits looks at what the connections of writers wait for until the returned
// function is called, which reports it as shares of the time of all writers: for
// their turn, and for locks of rows and tables.
func watchWaits(b *testing.B, server *realtest.PostgresServer) (report func(writers int)) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	samples, turn, locks := 0, 0, 0
	conn, err := pgx.Connect(ctx, server.DSN("postgres"))
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; pause(ctx, 10*time.Millisecond) {
			var t, l int
			err := conn.QueryRow(ctx, `SELECT count(*) FILTER (WHERE wait_event = 'advisory'), count(*) FILTER (WHERE wait_event_type = 'Lock' AND wait_event <> 'advisory')
				FROM pg_stat_activity WHERE application_name = 'dmarc-suite'`).Scan(&t, &l)
			if err == nil {
				samples, turn, locks = samples+1, turn+t, locks+l
			}
		}
	}()
	return func(writers int) {
		cancel()
		<-done
		_ = conn.Close(context.WithoutCancel(ctx)) // It only read.
		all := float64(max(samples, 1)*writers) / 100
		b.ReportMetric(float64(turn)/all, "turn-%")
		b.ReportMetric(float64(locks)/all, "lock-%")
	}
}
