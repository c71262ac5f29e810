package postgres

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func readSchema(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// packQueries returns the queries of the DMARC pack, all of which run when they
// are asked for.
func packQueries(t testing.TB) []*queryfile.Query {
	t.Helper()
	files, err := queryfile.Parse("postgres-queries.yaml", dmarcPack)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range files.Queries {
		q.Interval = min(q.Interval, time.Nanosecond)
	}
	return files.Queries
}

// series gathers once and returns dmarc_* and failures by name and labels.
func series(t testing.TB, c *postgres.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "dmarc_") && f.GetName() != "pg_scrape_collector_errors_total" {
			continue
		}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				if l.GetName() == "server" {
					continue // It has a new port each time.
				}
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			flat(out, f.GetName()+"{"+strings.Join(labels, ",")+"}", m)
		}
	}
	return out
}

func flat(out map[string]float64, name string, m *dto.Metric) {
	switch {
	case m.Histogram != nil:
		out[name+" count"] = float64(m.Histogram.GetSampleCount())
		out[name+" sum"] = m.Histogram.GetSampleSum()
		for _, b := range m.Histogram.Bucket {
			out[fmt.Sprintf("%s le %g", name, b.GetUpperBound())] = float64(b.GetCumulativeCount())
		}
	case m.Counter != nil:
		out[name] = m.Counter.GetValue()
	default:
		out[name] = m.Gauge.GetValue()
	}
}

// testPack runs the DMARC pack on empty tables, on rows, and after retention
// has deleted them.
func testPack(t *testing.T, server *realtest.PostgresServer) {
	server.CreateDatabase(t, "dmarc", readSchema(t))
	sessions := postgres.Open(func(context.Context) (*pgconn.Config, error) { return pgconn.ParseConfig(server.DSN("dmarc")) }, postgres.SessionsConfig{})
	t.Cleanup(sessions.Close)
	c := postgres.New(sessions, packQueries(t), postgres.Config{})
	want := emptyPack()
	check := func(when string) {
		t.Helper()
		got := series(t, c)
		if age := got[oldestPending]; want[oldestPending] > 0 && age > 7200 && age < 7300 {
			got[oldestPending] = 7200
		}
		maps.DeleteFunc(got, func(name string, _ float64) bool { return strings.HasPrefix(name, "dmarc_table_") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("empty tables")

	server.SQL(t, "dmarc", packRows)
	maps.Copy(want, map[string]float64{
		"dmarc_reports_stored{}": 3, "dmarc_reports_organizations{}": 2, "dmarc_reports_newest_end_timestamp_seconds{}": 1767312000, "dmarc_reports_imported_total{}": 3,
		"dmarc_records_total_count{}": 4, "dmarc_records_pass_count{}": 2, "dmarc_records_fail_count{}": 2,
		"dmarc_records_stored{disposition=none,dkim=pass,spf=pass}": 1, "dmarc_messages_stored{disposition=none,dkim=pass,spf=pass}": 10,
		"dmarc_records_stored{disposition=none,dkim=fail,spf=pass}": 1, "dmarc_messages_stored{disposition=none,dkim=fail,spf=pass}": 5,
		"dmarc_records_stored{disposition=reject,dkim=fail,spf=fail}": 1, "dmarc_messages_stored{disposition=reject,dkim=fail,spf=fail}": 2,
		"dmarc_records_stored{disposition=quarantine,dkim=,spf=}": 1, "dmarc_messages_stored{disposition=quarantine,dkim=,spf=}": 1,
		"dmarc_alerts_triggered{severity=critical}": 2, "dmarc_alerts_unresolved{severity=critical}": 1,
		"dmarc_alerts_triggered{severity=warning}": 1, "dmarc_alerts_unresolved{severity=warning}": 1,
		"dmarc_ingestion_status{status=completed}": 4, "dmarc_ingestion_status{status=failed}": 1,
		"dmarc_ingestion_status{status=pending}": 1, "dmarc_ingestion_status{status=quarantined}": 1, oldestPending: 7200,
		"dmarc_users_registered{}": 3, "dmarc_users_active{}": 2, "dmarc_users_locked{}": 1,
		"dmarc_tls_reports_stored{}": 2, "dmarc_tls_successful_sessions{}": 100, "dmarc_tls_failed_sessions{}": 4,
		"dmarc_task_results_total{status=SUCCESS,task=ingest}": 2, "dmarc_task_results_total{status=FAILURE,task=unknown}": 1,
		freshness + " count": 4, freshness + " sum": 30 + 600 + 3000 + 259200,
		freshness + " le 60": 1, freshness + " le 300": 1, freshness + " le 900": 2, freshness + " le 1800": 2, freshness + " le 3600": 3,
		freshness + " le 7200": 3, freshness + " le 14400": 3, freshness + " le 86400": 3,
	})
	check("rows")
	check("the same rows again")

	server.SQL(t, "dmarc", `DELETE FROM dmarc_records; DELETE FROM dmarc_reports; DELETE FROM ingested_reports; DELETE FROM alert_history;
		DELETE FROM users; DELETE FROM tls_reports; DELETE FROM celery_taskmeta`)
	counted := maps.Clone(want)
	maps.DeleteFunc(counted, func(name string, _ float64) bool {
		return !strings.HasPrefix(name, freshness) && !strings.Contains(name, "_total{")
	})
	want = emptyPack()
	maps.Copy(want, counted)
	check("after retention")
}

const (
	freshness     = "dmarc_ingestion_freshness_seconds{}"
	oldestPending = "dmarc_ingestion_oldest_seconds{status=pending}"
)

// packRows are rows that end just behind the cursors of the moment.
const packRows = `
	INSERT INTO ingested_reports (status, received_at, updated_at) SELECT status, done - delay, done FROM
		(SELECT now() AT TIME ZONE 'UTC' - interval '30 s' AS done) AS p, (VALUES
		('completed', interval '30 s'), ('completed', '10 min'), ('completed', '50 min'), ('completed', '3 days'),
		('failed', '1 min'), ('pending', '2 hours'), ('quarantined', '1 min')) AS r (status, delay);
	INSERT INTO dmarc_reports (report_id, org_name, date_begin, date_end, domain, created_at)
		SELECT i::text, 'org ' || i % 2, '2026-01-01', '2026-01-02', 'example.org', now() AT TIME ZONE 'UTC' - interval '2 min' FROM generate_series(1, 3) AS i;
	INSERT INTO dmarc_records (report_id, source_ip, count, disposition, dkim, spf) VALUES
		(1, '192.0.2.1', 10, 'none', 'pass', 'pass'), (1, '192.0.2.2', 5, 'none', 'fail', 'pass'),
		(2, '192.0.2.3', 2, 'reject', 'fail', 'fail'), (3, '192.0.2.4', 1, 'quarantine', NULL, NULL);
	INSERT INTO alert_history (severity, fingerprint, resolved_at) VALUES ('critical', 'a', NULL), ('critical', NULL, now()), ('WARNING', 'c', NULL);
	INSERT INTO users (is_active, is_locked) VALUES (true, false), (true, true), (false, false);
	INSERT INTO tls_reports (successful_session_count, failed_session_count) VALUES (100, 3), (NULL, 1);
	INSERT INTO celery_taskmeta (task_id, status, name, date_done) SELECT i::text, status, name, now() AT TIME ZONE 'UTC' - ago FROM (VALUES
		(1, 'SUCCESS', 'ingest', interval '10 s'), (2, 'SUCCESS', 'ingest', '10 s'), (3, 'FAILURE', NULL, '10 s'), (4, 'SUCCESS', 'ingest', '0 s')) AS r (i, status, name, ago)`

// emptyPack is what empty tables give: zeros, not nothing.
func emptyPack() map[string]float64 {
	want := map[string]float64{}
	for _, name := range []string{
		"dmarc_reports_stored{}", "dmarc_reports_organizations{}", "dmarc_reports_newest_end_timestamp_seconds{}", "dmarc_reports_imported_total{}",
		"dmarc_records_total_count{}", "dmarc_records_pass_count{}", "dmarc_records_fail_count{}",
		"dmarc_users_registered{}", "dmarc_users_active{}", "dmarc_users_locked{}",
		"dmarc_tls_reports_stored{}", "dmarc_tls_successful_sessions{}", "dmarc_tls_failed_sessions{}",
		freshness + " count", freshness + " sum", "dmarc_ingestion_oldest_seconds{status=processing}", oldestPending,
	} {
		want[name] = 0
	}
	for _, severity := range []string{"critical", "warning", "info"} {
		want["dmarc_alerts_triggered{severity="+severity+"}"] = 0
		want["dmarc_alerts_unresolved{severity="+severity+"}"] = 0
	}
	for _, status := range []string{"pending", "processing", "completed", "failed"} {
		want["dmarc_ingestion_status{status="+status+"}"] = 0
	}
	for _, le := range []int{60, 300, 900, 1800, 3600, 7200, 14400, 86400} {
		want[fmt.Sprintf("%s le %d", freshness, le)] = 0
	}
	return want
}

// TestPackStaysAway holds that tables which merely have the names of the
// dashboard's are not read where there is no dmarc_reports.
func TestPackStaysAway(t *testing.T) {
	server := realtest.Postgres(t)
	server.CreateDatabase(t, "shop", `CREATE TABLE users (id serial, email text, password_hash text); CREATE TABLE alert_history (id serial, whatever text);
		CREATE TABLE tls_reports (n int); CREATE TABLE celery_taskmeta (n int); CREATE TABLE ingested_reports (n int); CREATE TABLE dmarc_records (n int)`)
	sessions := postgres.Open(func(context.Context) (*pgconn.Config, error) { return pgconn.ParseConfig(server.DSN("shop")) }, postgres.SessionsConfig{})
	t.Cleanup(sessions.Close)
	c := postgres.New(sessions, packQueries(t), postgres.Config{})
	for range 2 {
		if got := series(t, c); len(got) > 0 {
			t.Errorf("the pack shows %v", got)
		}
	}
}
