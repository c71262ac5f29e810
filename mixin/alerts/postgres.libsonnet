// Alerts about PostgreSQL and what the DMARC dashboard keeps in it.
local a = import '../lib/alert.libsonnet';

function(c)
  local alert(name, expr, summary, description, fires, silent, severity='warning', wait='15m', dashboard='dmarc-postgres') =
    a.new(c, name, expr, summary, description, dashboard, fires, silent, severity, wait);
  local j = 'job="postgres-queries-exporter", instance="a"';
  local one(metric, labels, fires, silent, at=30) = [
    { series: { ['%s{%s%s}' % [metric, j, labels]]: v }, at: at }
    for v in [fires, silent]
  ];
  local simple(name, metric, labels, fires, silent, expr, summary, description, severity='warning', wait='15m', at=30) =
    local t = one(metric, labels, fires, silent, at);
    alert(name, expr, summary, description, t[0], t[1], severity, wait);
  [a.group('postgres', [
    simple(
      'PostgresDown',
      'pg_up',
      '',
      '0x40',
      '1x40',
      'pg_up{%(postgres)s} == 0',
      'PostgreSQL does not answer.',
      'The exporter at {{ $labels.instance }} is up but cannot query PostgreSQL for 2 minutes.',
      'critical',
      '2m'
    ),
    alert(
      'PostgresAbsent',
      'postgres_queries_exporter_build_info{%(postgres)s} unless on (%(group)s, instance) pg_up{%(postgres)s}',
      'Nothing says whether PostgreSQL is up.',
      'The exporter at {{ $labels.instance }} is up, but exposes no pg_up: it is misconfigured, or its metrics are relabelled away.',
      { series: { ['postgres_queries_exporter_build_info{%s}' % j]: '1x40' }, at: 30 },
      { series: { ['postgres_queries_exporter_build_info{%s}' % j]: '1x40', ['pg_up{%s}' % j]: '1x40' }, at: 30 },
      'critical',
      '10m'
    ),
    simple(
      'PostgresRestarted',
      'pg_postmaster_start_time_seconds',
      '',
      '1x10 900x30',
      '1x40',
      'changes(pg_postmaster_start_time_seconds{%(postgres)s}[15m]) > 0',
      'PostgreSQL was restarted.',
      'The server behind {{ $labels.instance }} was started anew in the last 15 minutes.',
      'info',
      '0m',
      15
    ),
    alert(
      'PostgresConnectionsHigh',
      |||
        sum by (%(group)s, instance) (pg_stat_activity_count{%(postgres)s})
        / sum by (%(group)s, instance) (pg_settings_max_connections{%(postgres)s}) > %(pgConnections)s
      |||,
      'PostgreSQL has few connections left.',
      '{{ $value | humanizePercentage }} of the connections of {{ $labels.instance }} are in use.',
      { series: { ['pg_stat_activity_count{%s, datname="dmarc", state="idle"}' % j]: '80x40', ['pg_settings_max_connections{%s}' % j]: '100x40' }, at: 30 },
      { series: { ['pg_stat_activity_count{%s, datname="dmarc", state="idle"}' % j]: '60x40', ['pg_settings_max_connections{%s}' % j]: '100x40' }, at: 30 },
    ),
    simple(
      'PostgresLongTransaction',
      'pg_long_running_transactions_oldest_timestamp_seconds',
      '',
      '0+60x90',
      '0+60x20 0x70',
      'pg_long_running_transactions_oldest_timestamp_seconds{%(postgres)s} > %(pgLongTransactionSeconds)s',
      'A transaction is open for very long.',
      'The oldest transaction of {{ $labels.instance }} is open for {{ $value | humanizeDuration }}: it holds locks and stops vacuum.',
      'warning',
      '5m',
      60
    ),
    simple(
      'PostgresDeadlocks',
      'pg_stat_database_deadlocks',
      ', datname="dmarc", datid="1"',
      '0+1x60',
      '5x60',
      'increase(pg_stat_database_deadlocks{%(postgres)s}[15m]) > 3',
      'Transactions deadlock.',
      '{{ $value | humanize }} deadlocks in {{ $labels.datname }} in 15 minutes.',
      'warning',
      '5m',
      45
    ),
    alert(
      'PostgresRollbacksHigh',
      |||
        sum by (%(group)s, instance, datname) (rate(pg_stat_database_xact_rollback{%(postgres)s}[15m]))
        / (sum by (%(group)s, instance, datname) (rate(pg_stat_database_xact_commit{%(postgres)s}[15m]) + rate(pg_stat_database_xact_rollback{%(postgres)s}[15m])) > 1) > 0.1
      |||,
      'Many transactions are rolled back.',
      '{{ $value | humanizePercentage }} of the transactions of {{ $labels.datname }} are rolled back.',
      { series: { ['pg_stat_database_xact_rollback{%s, datname="dmarc", datid="1"}' % j]: '0+60x60', ['pg_stat_database_xact_commit{%s, datname="dmarc", datid="1"}' % j]: '0+120x60' }, at: 45 },
      { series: { ['pg_stat_database_xact_rollback{%s, datname="dmarc", datid="1"}' % j]: '0+6x60', ['pg_stat_database_xact_commit{%s, datname="dmarc", datid="1"}' % j]: '0+120x60' }, at: 45 },
    ),
    alert(
      'PostgresCacheHitLow',
      |||
        sum by (%(group)s, instance, datname) (rate(pg_stat_database_blks_hit{%(postgres)s}[1h]))
        / (sum by (%(group)s, instance, datname) (rate(pg_stat_database_blks_hit{%(postgres)s}[1h]) + rate(pg_stat_database_blks_read{%(postgres)s}[1h])) > 100) < %(pgCacheHitRatio)s
      |||,
      'PostgreSQL reads much from disk.',
      'Only {{ $value | humanizePercentage }} of the blocks of {{ $labels.datname }} come from the cache.',
      { series: { ['pg_stat_database_blks_hit{%s, datname="dmarc", datid="1"}' % j]: '0+7000x120', ['pg_stat_database_blks_read{%s, datname="dmarc", datid="1"}' % j]: '0+7000x120' }, at: 100 },
      { series: { ['pg_stat_database_blks_hit{%s, datname="dmarc", datid="1"}' % j]: '0+7000x120', ['pg_stat_database_blks_read{%s, datname="dmarc", datid="1"}' % j]: '0+70x120' }, at: 100 },
      severity='info',
      wait='30m',
    ),
    alert(
      'PostgresDeadTuples',
      |||
        pg_stat_user_tables_n_dead_tup{%(postgres)s}
        / (pg_stat_user_tables_n_live_tup{%(postgres)s} + pg_stat_user_tables_n_dead_tup{%(postgres)s} > 100000) > %(pgDeadTupleRatio)s
      |||,
      'Vacuum does not keep up with a table.',
      '{{ $value | humanizePercentage }} of the rows of {{ $labels.schemaname }}.{{ $labels.relname }} in {{ $labels.datname }} are dead.',
      { series: { ['pg_stat_user_tables_n_dead_tup{%s, datname="dmarc", schemaname="public", relname="dmarc_records"}' % j]: '90000x90', ['pg_stat_user_tables_n_live_tup{%s, datname="dmarc", schemaname="public", relname="dmarc_records"}' % j]: '100000x90' }, at: 70 },
      { series: { ['pg_stat_user_tables_n_dead_tup{%s, datname="dmarc", schemaname="public", relname="dmarc_records"}' % j]: '900x90', ['pg_stat_user_tables_n_live_tup{%s, datname="dmarc", schemaname="public", relname="dmarc_records"}' % j]: '1000x90' }, at: 70 },
      severity='info',
      wait='1h',
    ),
    simple(
      'PostgresWraparoundNear',
      'pg_database_wraparound_age_datfrozenxid_seconds',
      ', datname="dmarc"',
      '1800000000x40',
      '200000000x40',
      'pg_database_wraparound_age_datfrozenxid_seconds{%(postgres)s} > 1.2e9',
      'Transaction IDs are close to wraparound.',
      'The oldest unfrozen transaction of {{ $labels.datname }} is {{ $value | humanize }} transactions old; at 2.1 billion the server stops accepting writes.',
      'critical'
    ),
    alert(
      'PostgresReplicationLag',
      'pg_replication_lag_seconds{%(postgres)s} > %(pgReplicationLagSeconds)s and on (%(group)s, instance) pg_replication_is_replica{%(postgres)s} == 1',
      'A replica is behind.',
      'The replica behind {{ $labels.instance }} lags {{ $value | humanizeDuration }}: a failover now loses that much.',
      { series: { ['pg_replication_lag_seconds{%s}' % j]: '120x40', ['pg_replication_is_replica{%s}' % j]: '1x40' }, at: 30 },
      { series: { ['pg_replication_lag_seconds{%s}' % j]: '120x40', ['pg_replication_is_replica{%s}' % j]: '0x40' }, at: 30 },
      wait='5m',
    ),
    simple(
      'PostgresReplicationSlotInactive',
      'pg_replication_slot_slot_is_active',
      ', slot_name="standby"',
      '0x60',
      '1x20 0x5 1x40',
      'pg_replication_slot_slot_is_active{%(postgres)s} == 0',
      'A replication slot has no consumer.',
      'Nobody reads slot {{ $labels.slot_name }} of {{ $labels.instance }}; PostgreSQL keeps WAL for it until the disk is full.',
      'warning',
      '30m',
      45
    ),
    simple(
      'PostgresArchiveFailing',
      'pg_stat_archiver_failed_count',
      '',
      '0+1x60',
      '8x60',
      // PostgreSQL tries again each minute: what failed once and went on is no page.
      'increase(pg_stat_archiver_failed_count{%(postgres)s}[15m]) > 0 unless changes(pg_stat_archiver_archived_count{%(postgres)s}[15m]) > 0',
      'WAL cannot be archived.',
      '{{ $value | humanize }} attempts of {{ $labels.instance }} to archive WAL failed in 15 minutes, and none succeeded: recovery is not possible past the last archived file, and the disk fills.',
      'critical',
      '5m',
      45
    ),
    simple(
      'PostgresQueriesSlow',
      'pg_scrape_collector_duration_seconds',
      ', collector="database"',
      '0.4x50',
      '0.02x50',
      'quantile by (%(group)s, instance) (0.95, avg_over_time(pg_scrape_collector_duration_seconds{%(postgres)s, collector!~"dmarc_.*"}[15m])) > %(pgQuerySeconds)s',
      'PostgreSQL answers slowly.',
      '95 % of the queries that the exporter runs on the catalogs of {{ $labels.instance }} took less than {{ $value | humanizeDuration }} only, as means of 15 minutes.',
      at=45
    ),
    simple(
      'PostgresQueryFailing',
      'pg_scrape_collector_success',
      ', collector="dmarc_ingestion"',
      '0x40',
      '1x10 0x3 1x40',
      'pg_scrape_collector_success{%(postgres)s} == 0 and on (%(group)s, instance) pg_up{%(postgres)s} == 1',
      'A query of the exporter fails.',
      'Query {{ $labels.collector }} of {{ $labels.instance }} fails for 15 minutes while the server is up.'
    ) + { tests+: { fires+: { series+: { ['pg_up{%s}' % j]: '1x40' } }, silent+: { series+: { ['pg_up{%s}' % j]: '1x60' } } } },
    alert(
      'IngestionOldestTooOld',
      'dmarc_ingestion_oldest_seconds{%(postgres)s, status="pending"} > 3600',
      'A received file waits too long.',
      'The oldest file that waits to be processed arrived {{ $value | humanizeDuration }} ago: the freshness objective is lost for it.',
      { series: { ['dmarc_ingestion_oldest_seconds{%s, status="pending"}' % j]: '4000+60x40' }, at: 30 },
      { series: { ['dmarc_ingestion_oldest_seconds{%s, status="pending"}' % j]: '600x40' }, at: 30 },
      dashboard='dmarc-overview',
    ),
    alert(
      'IngestionFailures',
      'delta(dmarc_ingestion_status{%(postgres)s, status="failed"}[1h]) > 10',
      'The application fails on received files.',
      '{{ $value | humanize }} more files are in status failed than an hour ago.',
      { series: { ['dmarc_ingestion_status{%s, status="failed"}' % j]: '0+1x90' }, at: 80 },
      { series: { ['dmarc_ingestion_status{%s, status="failed"}' % j]: '40x90' }, at: 80 },
      dashboard='dmarc-overview',
    ),
    alert(
      'DashboardAlertsUnresolved',
      'dmarc_alerts_unresolved{%(postgres)s, severity="critical"} > 0',
      'Critical alerts of the application wait for somebody.',
      '{{ $value | humanize }} critical alerts in the history of the application are not resolved for an hour.',
      { series: { ['dmarc_alerts_unresolved{%s, severity="critical"}' % j]: '2x90' }, at: 80 },
      { series: { ['dmarc_alerts_unresolved{%s, severity="critical"}' % j]: '0x90' }, at: 80 },
      wait='1h',
      dashboard='dmarc-overview',
    ),
    alert(
      'UsersLockedOut',
      'dmarc_users_locked{%(postgres)s} > 5',
      'Several users are locked out.',
      '{{ $value | humanize }} users are locked out after failed logins: somebody may try passwords.',
      { series: { ['dmarc_users_locked{%s}' % j]: '9x40' }, at: 30 },
      { series: { ['dmarc_users_locked{%s}' % j]: '1x40' }, at: 30 },
      dashboard='dmarc-overview',
      severity='info',
    ),
  ])]
