// Signals of Redis.
local panel = import '../lib/panel.libsonnet';
local s = panel.signal;
local small = { kind: 'stat', span: 4, height: 4 };

function(c) {
  up: s('Redis', 'short', 'Whether Redis answers.', [['min(redis_up{%(s)s})', 'Redis']], small { mappings: panel.up }),
  uptime: s('Uptime', 's', 'Time since Redis started.', [['min(redis_uptime_in_seconds{%(s)s})', 'uptime']], small),
  usedShare: s('Memory used', 'percentunit', 'Memory of maxmemory that is used.', [['sum(redis_memory_used_bytes{%(s)s}) / (sum(redis_memory_max_bytes{%(s)s}) > 0)', 'used']], small { decimals: 1, min: 0, max: 1, noValue: 'no limit', thresholds: [[null, 'green'], [c.thresholds.redisMemory, 'red']] }),
  hitRate: s('Hit rate', 'percentunit', 'Share of lookups that found their key, over the last hour.', [
    ['sum(rate(redis_keyspace_hits_total{%(s)s}[1h])) / (sum(rate(redis_keyspace_hits_total{%(s)s}[1h])) + sum(rate(redis_keyspace_misses_total{%(s)s}[1h])) > 0)', 'hits'],
  ], small { decimals: 1, noValue: 'no lookups' }),
  keysCount: s('Keys', 'short', 'Keys in all databases.', [['sum(redis_db_keys{%(s)s})', 'keys']], small),
  queued: s('Tasks queued', 'short', 'Tasks that wait in the queues of Celery.', [['sum(redis_queue_length{%%(s)s, queue=~"%s"})' % c.queueKeys, 'tasks']], small { noValue: 'no queue is watched', thresholds: [[null, 'green'], [c.thresholds.queueLength, 'red']] }),
  memory: s('Memory', 'bytes', 'Memory that Redis uses, holds, and may use.', [
    ['topk(10, redis_memory_used_bytes{%(s)s})', '{{instance}} used'],
    ['topk(10, redis_memory_used_rss_bytes{%(s)s})', '{{instance}} resident'],
    ['topk(10, redis_memory_max_bytes{%(s)s} > 0)', '{{instance}} limit'],
  ], { min: 0 }),
  clients: s('Clients', 'short', 'Clients that are connected or blocked in a call.', [['topk(10, redis_connected_clients{%(s)s})', '{{instance}} connected'], ['topk(10, redis_blocked_clients{%(s)s})', '{{instance}} blocked']], { min: 0 }),
  commands: s('Commands', 'ops', 'Commands a second, the ten most frequent.', [['topk(10, sum by (cmd) (rate(redis_commands_total{%(s)s}[$__rate_interval])))', '{{cmd}}']], { min: 0, stack: true }),
  latency: s('Time per call', 's', 'Mean time of a call, of the ten slowest commands.', [
    ['topk(10, sum by (cmd) (rate(redis_commands_duration_seconds_total{%(s)s}[$__rate_interval])) / (sum by (cmd) (rate(redis_commands_total{%(s)s}[$__rate_interval])) > 0))', '{{cmd}}'],
  ], { min: 0 }),
  lookups: s('Lookups', 'ops', 'Lookups a second that found their key or did not.', [
    ['sum(rate(redis_keyspace_hits_total{%(s)s}[$__rate_interval]))', 'hits'],
    ['sum(rate(redis_keyspace_misses_total{%(s)s}[$__rate_interval]))', 'misses'],
  ], { min: 0 }),
  parts: s('Memory by use', 'bytes', 'Memory of the data, and of what Redis needs to manage it.', [
    ['redis_memory_used_dataset_bytes{%(s)s}', '{{instance}} data'],
    ['redis_memory_used_overhead_bytes{%(s)s}', '{{instance}} overhead'],
  ], { min: 0, stack: true }),
  calls: s('Commands, most failures first', 'short', 'Each command: calls a second, mean time of a call, and calls that failed or were rejected in the last hour.', [
    ['sum by (cmd) (increase(redis_commands_failed_calls_total{%(s)s}[1h]) + increase(redis_commands_rejected_calls_total{%(s)s}[1h]))', 'Failed'],
    ['sum by (cmd) (rate(redis_commands_total{%(s)s}[5m]))', 'Calls'],
    ['sum by (cmd) (rate(redis_commands_duration_seconds_total{%(s)s}[5m])) / (sum by (cmd) (rate(redis_commands_total{%(s)s}[5m])) > 0)', 'Time'],
  ], { kind: 'table', by: 'cmd', span: 12, sortBy: { displayName: 'Failed', desc: true }, columns: {
    Failed: [{ id: 'decimals', value: 0 }],
    Calls: [{ id: 'unit', value: 'ops' }],
    Time: [{ id: 'unit', value: 's' }],
  } }),
  queues: s('Queues', 'short', 'Tasks that wait in each queue of Celery; --check-queues of the exporter names them.', [['topk(10, redis_queue_length{%(s)s})', '{{instance}} {{queue}}']], { min: 0, noValue: 'no queue is watched' }),
  keys: s('Keys by database', 'short', 'Keys, and those of them that expire.', [['redis_db_keys{%(s)s} > 0', '{{instance}} {{db}}'], ['redis_db_keys_expiring{%(s)s} > 0', '{{instance}} {{db}} expiring']], { min: 0, noValue: 'no keys' }),
  evictions: s('Expired and evicted keys', 'short', 'Keys an hour that expired, or were evicted for lack of memory.', [
    ['sum(increase(redis_expired_keys_total{%(s)s}[$__rate_interval]))', 'expired'],
    ['sum(increase(redis_evicted_keys_total{%(s)s}[$__rate_interval]))', 'evicted'],
  ], { every: '1h', min: 0 }),
  network: s('Network', 'Bps', 'Bytes a second from and to clients.', [
    ['sum(rate(redis_net_input_bytes_total{%(s)s}[$__rate_interval]))', 'in'],
    ['sum(rate(redis_net_output_bytes_total{%(s)s}[$__rate_interval]))', 'out'],
  ], { min: 0 }),
  fragmentation: s('Fragmentation', 'short', 'Memory that Redis holds, of what it uses; little memory makes the number large and meaningless.', [['redis_mem_fragmentation_ratio{%(s)s}', '{{instance}}']], { min: 0 }),
  cpu: s('CPU', 'percentunit', 'CPU time of Redis, of one core.', [
    ['rate(redis_cpu_user_seconds_total{%(s)s}[$__rate_interval])', '{{instance}} user'],
    ['rate(redis_cpu_sys_seconds_total{%(s)s}[$__rate_interval])', '{{instance}} system'],
  ], { min: 0, stack: true }),
  persistence: s('Unsaved changes', 'short', 'Changes since the last snapshot.', [['redis_rdb_changes_since_last_save{%(s)s}', '{{instance}}']], { min: 0 }),
  connections: s('New connections', 'cps', 'Connections a second: many mean that a client does not keep its own.', [
    ['sum(rate(redis_connections_received_total{%(s)s}[$__rate_interval]))', 'received'],
    ['sum(rate(redis_rejected_connections_total{%(s)s}[$__rate_interval]))', 'rejected'],
  ], { min: 0 }),
  errors: s('Errors', 'short', 'Errors an hour that Redis answered with, by kind.', [['sum by (err) (increase(redis_errors_total{%(s)s}[$__rate_interval]))', '{{err}}']], { bad: true, every: '1h', min: 0, noValue: 'no errors' }),
}
