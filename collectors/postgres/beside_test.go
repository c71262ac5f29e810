package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/internal/session"
)

// meeting is a fake on which a batch and the slow query wait for each other.
type meeting struct {
	*fake
	slow, batch chan struct{} // closed when they have begun
	once        sync.Once
}

func (m *meeting) Query(ctx context.Context, st postgres.Statement, visit func([]postgres.Field, [][]byte)) (postgres.Result, error) {
	if st.SQL == "slow" && m.slow != nil {
		m.once.Do(func() { close(m.slow) })
		select {
		case <-m.batch:
		case <-ctx.Done():
			return postgres.Result{}, ctx.Err()
		}
	}
	return m.fake.Query(ctx, st, visit)
}

func (m *meeting) Batch(ctx context.Context, jobs []*session.Job, _ time.Duration) {
	close(m.batch)
	select {
	case <-m.slow:
	case <-ctx.Done():
		return
	}
	for i, j := range jobs {
		if i > 0 { // The first one stalls.
			j.Result, j.Err = m.fake.Query(ctx, j.Statement, j.Visit)
			j.Answered, j.Took = true, time.Millisecond
		}
	}
}

// TestBeside holds that a query which was slow the last time runs beside the
// batch of those that were quick, and that what the batch leaves runs, too.
func TestBeside(t *testing.T) {
	f := &fake{server: version15}
	quick := numbers([]string{"n"}, "1")
	slow := quick
	slow.delay = 30 * time.Millisecond // more than those of a batch may take
	f.set("slow", slow)
	f.set("one", quick)
	f.set("two", quick)
	queries := parse(t, `
slow: {query: slow, metrics: [{n: {usage: GAUGE}}]}
one: {query: one, metrics: [{n: {usage: GAUGE}}]}
two: {query: two, metrics: [{n: {usage: GAUGE}}]}
`)
	m := &meeting{fake: f}
	c := postgres.New(m, queries, postgres.Config{})
	gather(t, c, scrapeTime)
	m.slow, m.batch = make(chan struct{}), make(chan struct{})
	got := gather(t, c, scrapeTime)
	for _, name := range []string{"slow", "one", "two"} {
		if got[name+`_n{server="db:5432"}`] != 1 || got[`pg_scrape_collector_success{collector="`+name+`"}`] != 1 {
			t.Errorf("%s is missing in %v", name, got)
		}
	}
}
