package postgres

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// BenchmarkScrape tells what the packs and the queries of users cost.
func BenchmarkScrape(b *testing.B) {
	server := realtest.Postgres(b)
	server.CreateDatabase(b, "dmarc", readSchema(b))
	server.SQL(b, "dmarc", packRows)
	everyScrape := filepath.Join(b.TempDir(), "seven.yaml")
	if err := os.WriteFile(everyScrape, []byte(sevenQueries), 0o600); err != nil {
		b.Fatal(err)
	}
	hundredThousand := filepath.Join(b.TempDir(), "rows.yaml")
	if err := os.WriteFile(hundredThousand, []byte("rows: {query: \"SELECT i::text AS i, i AS n FROM generate_series(1, 100000) AS i\", metrics: [{i: {usage: LABEL}}, {n: {usage: GAUGE}}]}"), 0o600); err != nil {
		b.Fatal(err)
	}
	server.CreateDatabase(b, "tables", "DO $$ BEGIN FOR i IN 1..200 LOOP EXECUTE 'CREATE TABLE table_' || i || ' (id int PRIMARY KEY, t text)'; END LOOP; END $$")
	variantIn := func(database, name string, args ...string) exportertest.Variant {
		return exportertest.Variant{
			Name: name, Env: []string{"DATA_SOURCE_NAME=" + server.DSN(database)},
			Args: append(args, "--web.listen-address=ADDR"),
		}
	}
	variant := func(name string, args ...string) exportertest.Variant { return variantIn("dmarc", name, args...) }
	exportertest.BenchmarkScrape(
		b, name,
		variant("none", "--disable-default-metrics", "--no-queries.dmarc"),
		variant("seven", "--disable-default-metrics", "--no-queries.dmarc", "--extend.query-path="+everyScrape),
		variant("core", "--no-queries.dmarc"),
		variantIn("tables", "core-200-tables", "--no-queries.dmarc"),
		variant("core-settings", "--no-queries.dmarc", "--disable-settings-metrics"),
		variant("dmarc", "--disable-default-metrics"),
		variant("rows", "--disable-default-metrics", "--no-queries.dmarc", "--extend.query-path="+hundredThousand),
	)
}

// sevenQueries are the size of a usual query file, all run in each scrape.
const sevenQueries = `
reports: {query: "SELECT count(*) AS total, count(DISTINCT org_name) AS orgs FROM dmarc_reports", metrics: [{total: {usage: GAUGE}}, {orgs: {usage: GAUGE}}]}
records: {query: "SELECT count(*) AS total, count(*) FILTER (WHERE dkim = 'pass' OR spf = 'pass') AS pass, coalesce(sum(count), 0) AS messages FROM dmarc_records", metrics: [{total: {usage: GAUGE}}, {pass: {usage: GAUGE}}, {messages: {usage: GAUGE}}]}
ingested: {query: "SELECT status, count(*) AS files FROM ingested_reports GROUP BY status", metrics: [{status: {usage: LABEL}}, {files: {usage: GAUGE}}]}
alerts: {query: "SELECT severity, count(*) AS alerts FROM alert_history GROUP BY severity", metrics: [{severity: {usage: LABEL}}, {alerts: {usage: GAUGE}}]}
size: {query: "SELECT pg_database_size(current_database()) AS bytes, (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections", metrics: [{bytes: {usage: GAUGE}}, {connections: {usage: GAUGE}}]}
tables: {query: "SELECT schemaname, relname, pg_total_relation_size(relid) AS bytes FROM pg_stat_user_tables", metrics: [{schemaname: {usage: LABEL}}, {relname: {usage: LABEL}}, {bytes: {usage: GAUGE}}]}
users: {query: "SELECT count(*) AS total, count(*) FILTER (WHERE is_active) AS active FROM users", metrics: [{total: {usage: GAUGE}}, {active: {usage: GAUGE}}]}
`
