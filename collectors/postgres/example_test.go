package postgres_test

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

// A program of one's own exposes a query file and the core pack. The server
// need not be there when the program starts.
func Example() {
	files, err := queryfile.Parse("shop.yaml", []byte(`
shop_orders:
  query: SELECT state, count(*) AS stored FROM orders GROUP BY state
  interval: 1m
  metrics:
    - state: {usage: LABEL}
    - stored: {usage: GAUGE, description: Orders by state.}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	source := postgres.SourceOf(func() (string, error) {
		return "host=127.0.0.1 port=1 user=monitor dbname=shop sslmode=disable", nil
	})
	sessions := postgres.Open(source, postgres.SessionsConfig{})
	defer sessions.Close()

	queries := append(queryfile.Core(queryfile.CoreConfig{}), files.Queries...)
	collector := postgres.New(sessions, queries, postgres.Config{})
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	// go collector.Run(ctx) would run shop_orders once a minute.

	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range families {
		if f.GetName() == "pg_up" {
			fmt.Println(f.GetName(), f.Metric[0].Gauge.GetValue())
		}
	}
	// Output: pg_up 0
}
