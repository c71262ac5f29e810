package postgres

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// fill makes a year's worth of rows: 200,000 files and reports, and records of
// the given number.
const fill = `
	INSERT INTO ingested_reports (status, received_at, updated_at, content_hash)
		SELECT 'completed', at, at + interval '5 min', i::text FROM
			(SELECT i, (now() AT TIME ZONE 'UTC') - (200000 - i) * interval '2 min' AS at FROM generate_series(1, 200000) AS i) AS f;
	INSERT INTO dmarc_reports (ingested_report_id, report_id, org_name, date_begin, date_end, domain, created_at)
		SELECT id, id::text, 'org ' || id % 300, received_at - interval '1 day', received_at, 'd' || id % 50 || '.example', updated_at FROM ingested_reports;
	INSERT INTO dmarc_records (report_id, source_ip, count, disposition, dkim, spf)
		SELECT 1 + i % 200000, '192.0.2.' || i % 256, 1 + i % 20, (ARRAY['none', 'quarantine', 'reject'])[1 + i % 3],
			(ARRAY['pass', 'fail'])[1 + i % 2], (ARRAY['pass', 'fail'])[1 + i % 5 / 4] FROM generate_series(1, RECORDS) AS i;
	INSERT INTO alert_history (severity, fingerprint) SELECT (ARRAY['critical', 'warning', 'info'])[1 + i % 3], i::text FROM generate_series(1, 20000) AS i;
	INSERT INTO celery_taskmeta (task_id, status, name, date_done)
		SELECT i::text, 'SUCCESS', 'task ' || i % 12, now() AT TIME ZONE 'UTC' - i * interval '1 s' FROM generate_series(1, 86400) AS i;
	ANALYZE`

// TestLarge runs the DMARC pack on millions of rows and shows what it costs. It
// takes minutes, so it must be asked for: LARGE_RECORDS=1000000 go test -run Large -v
func TestLarge(t *testing.T) {
	records := os.Getenv("LARGE_RECORDS")
	if records == "" {
		t.Skip("LARGE_RECORDS is not set")
	}
	server := realtest.Postgres(t, "shared_buffers=256MB", "max_wal_size=4GB")
	server.CreateDatabase(t, "large", readSchema(t))
	server.SQL(t, "large", strings.Replace(fill, "RECORDS", records, 1))

	files, err := queryfile.Parse("postgres-queries.yaml", dmarcPack)
	if err != nil {
		t.Fatal(err)
	}
	sessions := postgres.Open(func(context.Context) (*pgconn.Config, error) { return pgconn.ParseConfig(server.DSN("large")) }, postgres.SessionsConfig{})
	defer sessions.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	inScrape := time.Duration(0)
	err = postgres.Check(ctx, sessions, files.Queries, func(c postgres.Checked) {
		t.Logf("%-28s %8v  every %v", c.Query.Name, c.Took.Round(100*time.Microsecond), c.Query.Interval)
		for _, f := range c.Findings {
			t.Errorf("%s: %s", f.At, f.Text)
		}
		if c.Query.Interval == 0 {
			inScrape += c.Took
		}
		// A query may be at work for a twentieth of the time.
		if c.Query.Interval > 0 && c.Took > c.Query.Interval/20 {
			t.Errorf("%s takes %v every %v", c.Query.Name, c.Took, c.Query.Interval)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if inScrape > 100*time.Millisecond {
		t.Errorf("a scrape takes %v", inScrape)
	}
	for _, q := range files.Queries {
		sql := q.SQL
		if q.Cursor != "" {
			sql = strings.NewReplacer("id > $1 AND id <= $2", "id > 999000 AND id <= 1000000", "$1", "now()::timestamp - interval '1 min'", "$2", "now()::timestamp").Replace(q.SQL)
			t.Logf("%s, its cursor:\n%s", q.Name, plan(t, server, q.Cursor))
		}
		t.Logf("%s:\n%s", q.Name, plan(t, server, sql))
	}
}

func plan(t *testing.T, server *realtest.PostgresServer, sql string) string {
	t.Helper()
	var lines []string
	for _, row := range server.SQL(t, "large", "EXPLAIN (ANALYZE, TIMING OFF) "+sql) {
		lines = append(lines, "    "+row[0])
	}
	return strings.Join(lines, "\n")
}
