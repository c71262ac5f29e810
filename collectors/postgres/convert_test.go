package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// testConverted runs what files of sql_exporter are turned into.
func testConverted(t *testing.T, server *realtest.PostgresServer) {
	files, err := queryfile.Load("queryfile/testdata/convert/collector.out.yaml", "queryfile/testdata/convert/jobs.out.yaml", "queryfile/testdata/convert/main.out.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := postgres.New(open(t, server.DSN("postgres"), postgres.SessionsConfig{}), files.Queries, postgres.Config{})
	got := only(gather(t, c, scrapeTime), "shop_", "sql_", "app_", "pg_scrape_collector_errors_total")
	want := map[string]float64{
		`shop_orders{state="open"}`: 3, `shop_orders{state="paid"}`: 4,
		`shop_money{kind="net",state="open"}`: 10, `shop_money{kind="tax",state="open"}`: 2, `shop_money{kind="net",state="paid"}`: 20, `shop_money{kind="tax",state="paid"}`: 4,
		`shop_net_total{state="open"}`: 10, `shop_net_total{state="paid"}`: 20,
		`shop_net_again_total{site="o'hara",state="open"}`: 10, `shop_net_again_total{site="o'hara",state="paid"}`: 20,
		`shop_state_info{state="open"}`: 1, `shop_state_info{state="paid"}`: 1, "shop_late": 5, "app_answers": 42,
		`sql_db_sizes{col="dbsize",dbname="app",sql_job="global"}`: 7,
		`sql_tables{col="seq_scan",relname="t",sql_job="global"}`:  1, `sql_tables{col="idx_scan",relname="t",sql_job="global"}`: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}
