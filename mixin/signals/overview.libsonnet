// Signals of the whole: a number for each part, which leads to its page.
local panel = import '../lib/panel.libsonnet';
local s = panel.signal;
local small = { kind: 'stat', span: 4, height: 4 };

function(c)
  local has(part) = std.member(c.parts, part);
  local window = c.slo.windows[0].long;
  local cluster = '%s=~"$cluster"' % c.clusterLabel;
  {
    budget: s('Least budget left', 'percentunit', 'What is left of the error budget of the objective that has least.', [
      ['min(slo:error_budget:remaining_ratio{%s})' % cluster, 'left'],
    ], small { decimals: 1, max: 1, noValue: 'no objective', thresholds: [[null, 'red'], [0.1, 'orange'], [0.25, 'yellow'], [0.5, 'green']], links: [panel.page('SLOs', 'dmarc-slos')] }),
    available: s('Available (%s)' % window, 'percentunit', 'Share of the requests of the last %s that were not answered with 5xx.' % window, [
      ['1 - max(slo:error_ratio:rate%s{%s, slo="availability"})' % [window, cluster], 'available'],
    ], small { decimals: 2, noValue: 'no requests', thresholds: [[null, 'red'], [1 - c.thresholds.http5xxRatio, 'green']], links: [panel.page('System health', 'dmarc-system-health')] }),
    fullest: s('What is fullest', 'percentunit', 'Connections of PostgreSQL, memory of Redis, CPU, memory and file systems of hosts: of each the instance where most of it is used.', [
      [t[1], t[2]]
      for t in [
        ['postgres', 'max(sum by (instance) (pg_stat_activity_count{%(s)s}) / sum by (instance) (pg_settings_max_connections{%(s)s}))', 'PostgreSQL'],
        ['redis', 'max(redis_memory_used_bytes{%(s)s} / (redis_memory_max_bytes{%(s)s} > 0))', 'Redis'],
        ['node', 'max(1 - avg by (instance) (rate(node_cpu_seconds_total{%(s)s, mode="idle"}[5m])))', 'CPU'],
        ['node', 'max(1 - node_memory_MemAvailable_bytes{%(s)s} / node_memory_MemTotal_bytes{%(s)s})', 'Memory'],
        ['node', 'max(max by (instance) (1 - node_filesystem_avail_bytes{%%(s)s, %s} / node_filesystem_size_bytes{%%(s)s, %s}))' % [c.filesystems, c.filesystems], 'Disks'],
      ]
      if has(t[0])
    ], { kind: 'bargauge', span: 12, decimals: 1, min: 0, max: 1, noValue: 'no limit is known', thresholds: [[null, 'green'], [0.7, 'orange'], [0.9, 'red']] }),
  }
