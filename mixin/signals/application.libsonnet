// Signals of the DMARC dashboard itself: from SQL, and from its own metrics.
local s = (import '../lib/panel.libsonnet').signal;
local small = { kind: 'stat', span: 4, height: 4 };

function(c) {
  stored: s('Reports stored', 'short', 'Aggregate reports in the database.', [['sum(dmarc_reports_stored{%(s)s})', 'reports']], small),
  organizations: s('Organizations', 'short', 'Organizations that sent the reports in the database.', [['sum(dmarc_reports_organizations{%(s)s})', 'organizations']], small),
  newest: s('Newest stored report', 's', 'Time since the end of the newest reporting period in the database.', [['time() - max(dmarc_reports_newest_end_timestamp_seconds{%(s)s} > 0)', 'ago']], small { noValue: 'no reports' }),
  recordsPass: s('Records that pass', 'percentunit', 'Share of the records in the database that pass DMARC.', [
    ['sum(dmarc_records_pass_count{%(s)s}) / (sum(dmarc_records_total_count{%(s)s}) > 0)', 'passed'],
  ], small { decimals: 1, noValue: 'no records' }),
  unresolved: s('Open alerts', 'short', 'Alerts in the history of the application that are not resolved.', [['sum(dmarc_alerts_unresolved{%(s)s})', 'alerts']], small { thresholds: [[null, 'green'], [1, 'orange']] }),
  users: s('Users', 'short', 'Active and locked users.', [['sum(dmarc_users_active{%(s)s})', 'active'], ['sum(dmarc_users_locked{%(s)s})', 'locked']], small),
  ingestion: s('Received files by status', 'short', 'Received files in the database, by status.', [['sum by (status) (dmarc_ingestion_status{%(s)s})', '{{status}}']], { min: 0 }),
  oldest: s('Oldest waiting file', 's', 'Age of the oldest received file that waits in its status.', [['max by (status) (dmarc_ingestion_oldest_seconds{%(s)s})', '{{status}}']], { min: 0, thresholds: [[null, 'green'], [3600, 'red']] }),
  freshness: s('Time to completion', 's', 'Time from the arrival of a file to its completion. P50 should be 15 minutes, P99 two hours.', [
    ['histogram_quantile(%s, sum by (le) (rate(dmarc_ingestion_freshness_seconds_bucket{%%(s)s}[$__rate_interval]))) >= 0' % q, 'P%g' % (q * 100)]
    for q in [0.5, 0.95, 0.99]
  ], { min: 0, noValue: 'nothing was completed' }),
  processed: s('Reports stored per hour', 'short', 'Aggregate reports that the application stored in an hour.', [['sum(increase(dmarc_reports_imported_total{%(s)s}[$__rate_interval]))', 'stored']], { every: '1h', min: 0 }),
  triggered: s('Alerts of the application', 'short', 'Alerts in the history, by severity.', [['sum by (severity) (dmarc_alerts_triggered{%(s)s})', '{{severity}}']], { min: 0 }),
  tasks: s('Background tasks', 'cps', 'Results of background tasks a second, by status.', [['sum by (status) (rate(dmarc_task_results_total{%(s)s}[$__rate_interval]))', '{{status}}']], { min: 0, stack: true }),
  taskFailures: s('Failed tasks', 'percentunit', 'Share of the tasks that failed, by task.', [
    ['sum by (task) (rate(dmarc_task_results_total{%(s)s, status="FAILURE"}[$__rate_interval])) / (sum by (task) (rate(dmarc_task_results_total{%(s)s, status=~"SUCCESS|FAILURE"}[$__rate_interval])) > 0)', '{{task}}'],
  ], { bad: true, min: 0, noValue: 'no task failed' }),
  messages: s('Stored messages', 'short', 'Messages that the records in the database stand for, by disposition.', [['sum by (disposition) (dmarc_messages_stored{%(s)s})', '{{disposition}}']], { min: 0 }),
  tableSizes: s('Table sizes', 'bytes', 'Disk space of the tables of the application with their indexes.', [['max by (table) (dmarc_table_size_bytes{%(s)s})', '{{table}}']], { min: 0 }),
  tls: s('Stored TLS sessions', 'short', 'Sessions of the TLS reports in the database.', [['sum(dmarc_tls_successful_sessions{%(s)s})', 'successful'], ['sum(dmarc_tls_failed_sessions{%(s)s})', 'failed']], { min: 0 }),
}
