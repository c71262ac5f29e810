// Signals of PostgreSQL.
local panel = import '../lib/panel.libsonnet';
local s = panel.signal;
local small = { kind: 'stat', span: 4, height: 4 };
local rate(metric, more='') = 'sum by (datname) (rate(%s{%%(s)s%s}[$__rate_interval]))' % [metric, more];

function(c) {
  up: s('PostgreSQL', 'short', 'Whether PostgreSQL answers.', [['min(pg_up{%(s)s})', 'PostgreSQL']], small { mappings: panel.up }),
  uptime: s('Uptime', 's', 'Time since the server started.', [['time() - max(pg_postmaster_start_time_seconds{%(s)s})', 'uptime']], small),
  size: s('Size', 'bytes', 'Disk space of all databases.', [['sum(pg_database_size_bytes{%(s)s})', 'size']], small),
  used: s('Connections used', 'percentunit', 'Connections of the limit that are in use. The objective is below 70 %.', [
    ['sum(pg_stat_activity_count{%(s)s}) / sum(pg_settings_max_connections{%(s)s})', 'used'],
  ], small { min: 0, max: 1, decimals: 1, thresholds: [[null, 'green'], [c.thresholds.pgConnections, 'red']] }),
  oldest: s('Oldest transaction', 's', 'Age of the oldest open transaction.', [['max(pg_long_running_transactions_oldest_timestamp_seconds{%(s)s})', 'age']], small { thresholds: [[null, 'green'], [c.thresholds.pgLongTransactionSeconds, 'red']] }),
  hit: s('Cache hits', 'percentunit', 'Share of blocks that came from the cache, over the last hour.', [
    ['sum(rate(pg_stat_database_blks_hit{%(s)s}[1h])) / (sum(rate(pg_stat_database_blks_hit{%(s)s}[1h])) + sum(rate(pg_stat_database_blks_read{%(s)s}[1h])))', 'hits'],
  ], small { decimals: 1, min: 0, max: 1, thresholds: [[null, 'orange'], [c.thresholds.pgCacheHitRatio, 'green']] }),
  connections: s('Connections by state', 'short', 'Connections by state; idle in transaction holds locks.', [['sum by (state) (pg_stat_activity_count{%(s)s, state!=""}) > 0', '{{state}}']], { stack: true, min: 0 }),
  sizes: s('Database size', 'bytes', 'Disk space of each database.', [['topk(10, pg_database_size_bytes{%(s)s})', '{{instance}} {{datname}}']], { min: 0 }),
  transactions: s('Transactions', 'ops', 'Transactions a second, committed and rolled back.', [
    ['sum(rate(pg_stat_database_xact_commit{%(s)s}[$__rate_interval]))', 'commit'],
    ['sum(rate(pg_stat_database_xact_rollback{%(s)s}[$__rate_interval]))', 'rollback'],
  ], { min: 0 }),
  rows: s('Rows', 'ops', 'Rows a second that queries fetched, inserted, updated and deleted.', [
    ['sum(rate(pg_stat_database_tup_%s{%%(s)s}[$__rate_interval]))' % k, k]
    for k in ['fetched', 'inserted', 'updated', 'deleted']
  ], { min: 0 }),
  canary: s('Query performance', 's', 'Time that queries of the exporter take: the median and the slowest. The database objective is 95 % below 100 ms.', [
    ['quantile(0.5, pg_scrape_collector_duration_seconds{%(s)s, collector!~"dmarc_.*"})', 'median'],
    ['max(pg_scrape_collector_duration_seconds{%(s)s, collector!~"dmarc_.*"})', 'slowest'],
  ], { min: 0, thresholds: [[null, 'green'], [c.thresholds.pgQuerySeconds, 'red']] }),
  databases: s('Databases, largest first', 'short', 'Each database: size, connections, transactions a second, share of blocks from the cache in the last hour, and deadlocks since the statistics began.', [
    ['sum by (datname) (pg_database_size_bytes{%(s)s})', 'Size'],
    ['sum by (datname) (pg_stat_activity_count{%(s)s})', 'Connections'],
    ['sum by (datname) (rate(pg_stat_database_xact_commit{%(s)s}[5m]) + rate(pg_stat_database_xact_rollback{%(s)s}[5m]))', 'Transactions'],
    ['sum by (datname) (rate(pg_stat_database_blks_hit{%(s)s}[1h])) / (sum by (datname) (rate(pg_stat_database_blks_hit{%(s)s}[1h])) + sum by (datname) (rate(pg_stat_database_blks_read{%(s)s}[1h])) > 0)', 'Cache hits'],
    ['sum by (datname) (pg_stat_database_deadlocks{%(s)s})', 'Deadlocks'],
  ], { kind: 'table', by: 'datname', span: 24, sortBy: { displayName: 'Size', desc: true }, columns: {
    Size: [{ id: 'unit', value: 'bytes' }],
    Transactions: [{ id: 'unit', value: 'ops' }],
    'Cache hits': panel.share([[null, 'orange'], [c.thresholds.pgCacheHitRatio, 'green']]),
  } }),
  blocks: s('Blocks', 'ops', 'Blocks a second from the cache and from disk.', [
    ['sum(rate(pg_stat_database_blks_hit{%(s)s}[$__rate_interval]))', 'cache'],
    ['sum(rate(pg_stat_database_blks_read{%(s)s}[$__rate_interval]))', 'disk'],
  ], { min: 0 }),
  locks: s('Locks', 'short', 'Locks that are held, by mode.', [['sum by (mode) (pg_locks_count{%(s)s}) > 0', '{{mode}}']], { min: 0, stack: true, noValue: 'no locks' }),
  deadlocks: s('Deadlocks and conflicts', 'short', 'Deadlocks, and queries cancelled by recovery, an hour.', [
    ['sum by (datname) (increase(pg_stat_database_deadlocks{%(s)s}[$__rate_interval]))', 'deadlocks {{datname}}'],
    ['sum by (datname) (increase(pg_stat_database_conflicts{%(s)s}[$__rate_interval]))', 'conflicts {{datname}}'],
  ], { bad: true, every: '1h', min: 0 }),
  temp: s('Temporary files', 'Bps', 'Bytes a second that queries wrote to temporary files: work_mem was too small.', [[rate('pg_stat_database_temp_bytes'), '{{datname}}']], { min: 0 }),
  checkpoints: s('Checkpoints', 'short', 'Checkpoints an hour: those that were requested come from too much WAL.', [
    ['sum(increase(pg_stat_bgwriter_checkpoints_timed_total{%(s)s}[$__rate_interval])) or sum(increase(pg_stat_checkpointer_num_timed_total{%(s)s}[$__rate_interval]))', 'timed'],
    ['sum(increase(pg_stat_bgwriter_checkpoints_req_total{%(s)s}[$__rate_interval])) or sum(increase(pg_stat_checkpointer_num_requested_total{%(s)s}[$__rate_interval]))', 'requested'],
  ], { every: '1h', min: 0 }),
  wal: s('WAL on disk', 'bytes', 'Size of the WAL segments on disk.', [['pg_wal_size_bytes{%(s)s}', '{{instance}}']], { min: 0 }),
  archiver: s('WAL archiver', 'short', 'WAL files an hour that were archived, and attempts that failed.', [
    ['sum(increase(pg_stat_archiver_archived_count{%(s)s}[$__rate_interval]))', 'archived'],
    ['sum(increase(pg_stat_archiver_failed_count{%(s)s}[$__rate_interval]))', 'failed'],
  ], { every: '1h', min: 0 }),
  replication: s('Replication lag', 's', 'Lag behind the primary; 0 on a primary.', [['pg_replication_lag_seconds{%(s)s}', '{{instance}}']], { min: 0, thresholds: [[null, 'green'], [c.thresholds.pgReplicationLagSeconds, 'red']] }),
  tables: s('Tables', 'short', 'The tables with most rows: live and dead rows, size, scans without an index.', [
    ['topk(15, sum by (relname) (pg_stat_user_tables_n_live_tup{%(s)s}))', 'Live rows'],
    ['sum by (relname) (pg_stat_user_tables_n_dead_tup{%(s)s})', 'Dead rows'],
    ['sum by (relname) (pg_stat_user_tables_table_size_bytes{%(s)s})', 'Size'],
    ['sum by (relname) (pg_stat_user_tables_seq_scan{%(s)s})', 'Sequential scans'],
  ], { kind: 'table', by: 'relname', span: 16, height: 9, sortBy: { displayName: 'Live rows', desc: true }, columns: { Size: [{ id: 'unit', value: 'bytes' }] } }),
  age: s('Transaction ID age', 'short', 'Age of the oldest unfrozen transaction ID; at 2.1 billion the server stops.', [['pg_database_wraparound_age_datfrozenxid_seconds{%(s)s}', '{{instance}} {{datname}}']], { min: 0, height: 9 }),
}
