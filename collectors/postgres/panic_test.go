package postgres_test

import (
	"context"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
)

// panicking is a fake with a bug.
type panicking struct{ *fake }

func (p panicking) Query(ctx context.Context, st postgres.Statement, visit func([]postgres.Field, [][]byte)) (postgres.Result, error) {
	if st.SQL == "panic" {
		panic("a bug")
	}
	return p.fake.Query(ctx, st, visit)
}

// TestPanic holds that a panic costs the query in which it happens.
func TestPanic(t *testing.T) {
	f := &fake{server: version15}
	f.set("good", numbers([]string{"n"}, "1"))
	c := postgres.New(panicking{f}, parse(t, `
a: {query: panic, metrics: [{n: {usage: GAUGE}}]}
b: {query: good, metrics: [{n: {usage: GAUGE}}]}
`), postgres.Config{})
	for range 2 {
		got := gather(t, c, scrapeTime)
		if got[`b_n{server="db:5432"}`] != 1 || got["pg_up"] != 1 || got[`pg_scrape_collector_success{collector="a"}`] != 0 {
			t.Errorf("got %v", got)
		}
	}
	if got := gather(t, c, scrapeTime)[`pg_scrape_collector_errors_total{collector="a",reason="panic"}`]; got != 3 {
		t.Errorf("%v panics are counted, want 3", got)
	}
}
