// Alerts about Redis: cache and broker of the background tasks.
local a = import '../lib/alert.libsonnet';

function(c)
  local j = 'job="redis-exporter", instance="a"';
  local alert(name, expr, summary, description, fires, silent, severity='warning', wait='15m', at=40) =
    local test(series) = { at: at, series: { [std.strReplace(k, '@', j)]: series[k] for k in std.objectFields(series) } };
    a.new(c, name, expr, summary, description, 'dmarc-redis', test(fires), test(silent), severity, wait);
  // A cache that may evict any key is full for good, unless it has queues as well.
  local cache = ' unless on (%(group)s, instance) (redis_instance_info{%(redis)s, maxmemory_policy=~"allkeys-.+"} unless on (%(group)s, instance) redis_queue_length{%(redis)s})';
  [a.group('redis', [
    alert(
      'RedisDown',
      'redis_up{%(redis)s} == 0',
      'Redis does not answer.',
      'The exporter at {{ $labels.instance }} is up but cannot reach Redis for 2 minutes: no cache, no background tasks.',
      { 'redis_up{@}': '0x50' },
      { 'redis_up{@}': '1x50' },
      'critical',
      '2m'
    ),
    alert(
      'RedisAbsent',
      'redis_exporter_build_info{%(redis)s} unless on (%(group)s, instance) redis_up{%(redis)s}',
      'Nothing says whether Redis is up.',
      'The exporter at {{ $labels.instance }} is up, but exposes no redis_up: it is misconfigured, or its metrics are relabelled away.',
      { 'redis_exporter_build_info{@}': '1x50' },
      { 'redis_exporter_build_info{@}': '1x50', 'redis_up{@}': '1x50' },
      'critical',
      '10m'
    ),
    alert(
      'RedisRestarted',
      'changes(redis_start_time_seconds{%(redis)s}[15m]) > 0',
      'Redis was restarted.',
      'Redis behind {{ $labels.instance }} was started anew in the last 15 minutes.',
      { 'redis_start_time_seconds{@}': '1x30 700x30' },
      { 'redis_start_time_seconds{@}': '1x60' },
      'info',
      '0m'
    ),
    alert(
      'RedisMemoryHigh',
      'redis_memory_used_bytes{%(redis)s} / (redis_memory_max_bytes{%(redis)s} > 0) > %(redisMemory)s' + cache,
      'Redis is close to its memory limit.',
      'Redis behind {{ $labels.instance }} uses {{ $value | humanizePercentage }} of maxmemory: it evicts keys or refuses writes next.',
      { 'redis_memory_used_bytes{@}': '95x50', 'redis_memory_max_bytes{@}': '100x50' },
      { 'redis_memory_used_bytes{@}': '95x50', 'redis_memory_max_bytes{@}': '0x50' },
    ),
    alert(
      'RedisFragmented',
      'redis_mem_fragmentation_ratio{%(redis)s} > %(redisFragmentation)s and redis_memory_used_rss_bytes{%(redis)s} > 268435456',
      'The memory of Redis is fragmented.',
      'Redis behind {{ $labels.instance }} holds {{ $value | humanize }} times the memory that it uses.',
      { 'redis_mem_fragmentation_ratio{@}': '2.5x90', 'redis_memory_used_rss_bytes{@}': '1000000000x90' },
      { 'redis_mem_fragmentation_ratio{@}': '9x90', 'redis_memory_used_rss_bytes{@}': '10000000x90' },
      'info',
      '1h',
      80
    ),
    alert(
      'RedisEvictions',
      'increase(redis_evicted_keys_total{%(redis)s}[15m]) > 0' + cache,
      'Redis evicts keys.',
      '{{ $value | humanize }} keys of {{ $labels.instance }} were evicted in 15 minutes: if this Redis is the broker, tasks are lost.',
      { 'redis_evicted_keys_total{@}': '0+5x50' },
      { 'redis_evicted_keys_total{@}': '500x50' }
    ),
    alert(
      'RedisConnectionsHigh',
      'redis_connected_clients{%(redis)s} / redis_max_clients{%(redis)s} > %(redisConnections)s',
      'Redis has few connections left.',
      '{{ $value | humanizePercentage }} of the connections of {{ $labels.instance }} are in use.',
      { 'redis_connected_clients{@}': '90x50', 'redis_max_clients{@}': '100x50' },
      { 'redis_connected_clients{@}': '9x50', 'redis_max_clients{@}': '100x50' }
    ),
    alert(
      'RedisConnectionsRejected',
      'increase(redis_rejected_connections_total{%(redis)s}[15m]) > 0',
      'Redis rejects connections.',
      '{{ $value | humanize }} connections to {{ $labels.instance }} were rejected in 15 minutes, at the limit of clients.',
      { 'redis_rejected_connections_total{@}': '0+3x50' },
      { 'redis_rejected_connections_total{@}': '300x50' },
      'critical',
      '5m'
    ),
    alert(
      'RedisSnapshotFailed',
      'redis_rdb_last_bgsave_status{%(redis)s} == 0',
      'Redis cannot save its snapshot.',
      'The last RDB snapshot of {{ $labels.instance }} failed; by default Redis then refuses writes.',
      { 'redis_rdb_last_bgsave_status{@}': '0x50' },
      { 'redis_rdb_last_bgsave_status{@}': '1x50' },
      'critical',
      '5m'
    ),
    alert(
      'RedisAppendFileFailed',
      'redis_aof_enabled{%(redis)s} == 1 and (redis_aof_last_write_status{%(redis)s} == 0 or redis_aof_last_bgrewrite_status{%(redis)s} == 0)',
      'Redis cannot write its append-only file.',
      'The last write or rewrite of the append-only file of {{ $labels.instance }} failed: a crash loses what came after.',
      { 'redis_aof_enabled{@}': '1x50', 'redis_aof_last_write_status{@}': '0x50', 'redis_aof_last_bgrewrite_status{@}': '1x50' },
      { 'redis_aof_enabled{@}': '0x50', 'redis_aof_last_write_status{@}': '0x50', 'redis_aof_last_bgrewrite_status{@}': '1x50' },
      'critical',
      '5m'
    ),
    alert(
      'RedisReplicationBroken',
      'redis_master_link_up{%(redis)s} == 0',
      'A Redis replica has lost its master.',
      '{{ $labels.instance }} is not connected with its master {{ $labels.master_host }}:{{ $labels.master_port }} for 5 minutes.',
      { 'redis_master_link_up{@, master_host="m", master_port="6379"}': '0x50' },
      { 'redis_master_link_up{@, master_host="m", master_port="6379"}': '1x50' },
      'critical',
      '5m'
    ),
    alert(
      'RedisQueueLong',
      'redis_queue_length{%(redis)s, queue=~"%(queueKeys)s"} > %(queueLength)s',
      'A queue of background tasks is long.',
      '{{ $value | humanize }} tasks wait in {{ $labels.queue }} ({{ $labels.db }}) for 15 minutes: workers are down or too slow.',
      { 'redis_queue_length{@, db="db0", queue="celery"}': '5000x50' },
      { 'redis_queue_length{@, db="db0", queue="celery"}': '5000x10 3x50' }
    ),
  ])]
