package postgres_test

import (
	"testing"
	"testing/synctest"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// TestGolden shows a whole page: rows, what is wrong with them, and how the
// queries went.
func TestGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{server: version15}
		text := func(names ...string) (fields []postgres.Field) {
			for _, n := range names {
				fields = append(fields, postgres.Field{Name: n, OID: 25})
			}
			return fields
		}
		f.set("orders", result{fields: text("state", "open", "amount_total"), rows: [][]string{{"new", "3", "10.5"}, {"paid", "4", "NULL"}, {"new", "9", "9"}}})
		f.set("waits", result{fields: text("queue", "seconds", "seconds_bucket", "seconds_sum", "seconds_count"), rows: [][]string{{"mail", "{0.5,1}", "{1,3}", "2.5", "4"}}})
		f.set("broken", result{err: errSyntax})
		const file = `
shop_orders:
  query: orders
  metrics:
    - state: {usage: LABEL}
    - open: {usage: GAUGE, description: Open orders.}
    - amount_total: {usage: COUNTER, description: Money.}
shop_wait:
  query: waits
  metrics:
    - queue: {usage: LABEL}
    - seconds: {usage: HISTOGRAM, description: Time in the queue.}
shop_broken:
  query: broken
  metrics: [{n: {usage: GAUGE}}]
`
		metrictest.Golden(t, postgres.New(f, parse(t, file), postgres.Config{}), "testdata/page.prom")
	})
}
