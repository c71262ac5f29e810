package main

import (
	"context"
	"os"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

const (
	schema  = "exporters/internal/postgres/testdata/schema.sql"
	queries = "exporters/internal/postgres/postgres-queries.yaml"
)

// database is PostgreSQL with the tables of the observed system.
type database struct {
	dsn  string
	kept string // where dmarc_exporter keeps its state, without the password
	conn *pgx.Conn
	tick int
}

func startDatabase(ctx context.Context, h *host) *database {
	server := realtest.Postgres(h)
	server.CreateDatabase(h, "dmarc", read(h, schema)+history)
	server.CreateDatabase(h, "records", "")
	d := &database{dsn: server.DSN("dmarc"), kept: strings.Replace(server.DSN("records"), ":"+realtest.PostgresPassword+"@", "@", 1)}
	conn, err := pgx.Connect(ctx, d.dsn)
	if err != nil {
		h.Fatal(err)
	}
	d.conn = conn
	return d
}

// hurry returns the queries of a file with an interval that the demo can wait
// for.
func hurry(h *host, file string) string {
	return regexp.MustCompile(`(?m)^  interval: .*$`).ReplaceAllString(read(h, file), "  interval: 3s")
}

func read(h *host, file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		h.Fatal(err)
	}
	return string(b)
}

// move does what the application would do in a second. The first failure of a
// task comes early, so that there is one to be seen.
func (d *database) move(ctx context.Context) {
	d.tick++
	if d.tick%60 == 0 {
		_, _ = d.conn.Exec(ctx, alert) // It fails when the demo ends.
	}
	_, _ = d.conn.Exec(ctx, second, pgx.QueryExecModeSimpleProtocol, d.tick%240 == 12)
}

// history is what is in the tables at the start.
const history = `
INSERT INTO users (username, email, role, is_active, is_locked)
SELECT 'user' || i, 'user' || i || '@example.com', 'analyst', i <= 10, i > 10 FROM generate_series(1, 12) AS i;

INSERT INTO ingested_reports (received_at, filename, file_size, status, created_at, updated_at)
SELECT at, 'report-' || i || '.xml.gz', 4000, CASE WHEN i % 100 = 0 THEN 'failed' ELSE 'completed' END, at, at + interval '6 minutes'
FROM generate_series(1, 400) AS i, LATERAL (SELECT now() AT TIME ZONE 'UTC' - i * interval '100 minutes' AS at) AS times;

INSERT INTO dmarc_reports (ingested_report_id, report_id, org_name, date_begin, date_end, domain, p, created_at)
SELECT id, 'r' || id, (ARRAY['Example Mail Corp', 'Beispiel Freemail GmbH', 'Nuage Messagerie'])[1 + id % 3],
  received_at - interval '30 hours', received_at - interval '6 hours', (ARRAY['example.com', 'shop.example'])[1 + id % 2], 'reject', updated_at
FROM ingested_reports WHERE status = 'completed';

INSERT INTO dmarc_records (report_id, source_ip, count, disposition, dkim, spf)
SELECT id, '192.0.2.' || i, 10 * i, CASE WHEN i = 9 THEN 'reject' ELSE 'none' END,
  CASE WHEN i < 8 THEN 'pass' ELSE 'fail' END, CASE WHEN i < 5 THEN 'pass' ELSE 'fail' END
FROM dmarc_reports, generate_series(1, 9) AS i;

INSERT INTO alert_history (alert_type, severity, title, status, resolved_at)
SELECT 'pass_rate', (ARRAY['critical', 'warning', 'info'])[1 + i % 3], 'Pass rate', 'resolved', now() AT TIME ZONE 'UTC'
FROM generate_series(1, 12) AS i;

INSERT INTO tls_reports (report_id, organization_name, policy_domain, policy_type, successful_session_count, failed_session_count)
SELECT 't' || i, 'Example Mail Corp', 'example.com', 'sts', 900, 3 FROM generate_series(1, 20) AS i;
`

// second receives files, completes those that waited, and ends tasks; $1 is
// whether one of them fails.
const second = `
INSERT INTO ingested_reports (received_at, filename, file_size, status)
SELECT now() AT TIME ZONE 'UTC' - random() * interval '25 minutes', 'report.xml.gz', 4000, 'pending' FROM generate_series(1, 2);

WITH completed AS (
  UPDATE ingested_reports SET status = 'completed', updated_at = now() AT TIME ZONE 'UTC'
  WHERE status = 'pending' AND created_at < now() AT TIME ZONE 'UTC' - interval '8 seconds' RETURNING id, received_at
), stored AS (
  INSERT INTO dmarc_reports (ingested_report_id, report_id, org_name, date_begin, date_end, domain, p)
  SELECT id, 'r' || id, 'Example Mail Corp', received_at - interval '24 hours', received_at, 'example.com', 'reject' FROM completed
  RETURNING id
)
INSERT INTO dmarc_records (report_id, source_ip, count, disposition, dkim, spf)
SELECT id, '192.0.2.' || i, 10, 'none', 'pass', CASE WHEN i < 3 THEN 'pass' ELSE 'fail' END FROM stored, generate_series(1, 4) AS i;

INSERT INTO celery_taskmeta (task_id, status, date_done, name, retries, queue)
SELECT gen_random_uuid(), CASE WHEN $1 AND i = 1 AND name LIKE '%ingest%' THEN 'FAILURE' ELSE 'SUCCESS' END,
  now() AT TIME ZONE 'UTC', name, 0, 'celery'
FROM unnest(ARRAY['app.tasks.ingest_reports', 'app.tasks.parse_report', 'app.tasks.evaluate_alerts', 'app.tasks.train_model']) AS name,
  generate_series(1, 3) AS i;

DELETE FROM celery_taskmeta WHERE date_done < now() AT TIME ZONE 'UTC' - interval '10 minutes';
`

// alert opens an alert and resolves the one before.
const alert = `
UPDATE alert_history SET resolved_at = now() AT TIME ZONE 'UTC', status = 'resolved' WHERE resolved_at IS NULL;
INSERT INTO alert_history (alert_type, severity, title, status) VALUES ('volume', 'warning', 'Volume', 'active');
`
