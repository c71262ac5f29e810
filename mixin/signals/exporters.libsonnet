// Signals that every exporter of the suite has.
local panel = import '../lib/panel.libsonnet';
local s = panel.signal;
local parts = import '../lib/parts.libsonnet';

function(c) {
  local binaries = [parts.exporters[p].binary for p in c.parts],
  local each(format) = std.join(' or ', [std.strReplace(format, '@', b) for b in binaries]),
  local own(metric) = '{__name__=~"(%s)_%s", %%(s)s}' % [std.join('|', binaries), metric],
  // node_exporter has the names of upstream's collectors.
  local collectors = each('@_scrape_collector_success{%(s)s}') + (if std.member(c.parts, 'node') then ' or node_scrape_collector_success{%(s)s}' else ''),

  up: s('Targets', 'short', 'Whether Prometheus can scrape each exporter. Where this is red, other panels are empty.', [
    ['min by (job) (up{%(s)s})', '{{job}}'],
  ], { kind: 'stat', mappings: panel.up, span: 12, height: 4 }),
  backends: s('Backends', 'short', 'Whether each exporter reaches what it watches.', [
    ['min by (job) (pg_up{%(s)s})', 'PostgreSQL'],
    ['min by (job) (redis_up{%(s)s})', 'Redis'],
    ['min by (job) (nginx_up{%(s)s})', 'nginx'],
    ['min by (job) (dmarc_source_up{%(s)s})', 'report sources'],
  ], { kind: 'stat', mappings: panel.up, span: 12, height: 4 }),
  targets: s('Targets, worst first', 'short', 'Each exporter: whether it works, which is that it can be scraped and reaches what it watches, and what it takes.', [
    ['min by (job, instance) ({__name__=~"up|pg_up|redis_up|nginx_up|dmarc_source_up", %(s)s})', 'Works'],
    ['min by (job, instance) (up{%(s)s})', 'Scraped'],
    ['min by (job, instance) ({__name__=~"pg_up|redis_up|nginx_up|dmarc_source_up", %(s)s})', 'Reaches'],
    ['count by (job, instance) ((%s) == 0) or 0 * count by (job, instance) (%s)' % [collectors, collectors], 'Failing collectors'],
    ['max by (job, instance) (scrape_duration_seconds{%(s)s})', 'Scrape'],
    ['max by (job, instance) (scrape_samples_scraped{%(s)s})', 'Samples'],
    ['max by (job, instance) (process_resident_memory_bytes{%(s)s})', 'Memory'],
    ['max by (job, instance) (rate(process_cpu_seconds_total{%(s)s}[5m]))', 'CPU'],
    ['time() - max by (job, instance) (process_start_time_seconds{%(s)s})', 'Runs for'],
  ], { kind: 'table', by: 'job', span: 24, height: 9, sortBy: { displayName: 'Works', desc: false }, columns: {
    Works: panel.state([{ type: 'value', options: { '0': { text: 'NO', color: 'red', index: 0 }, '1': { text: 'YES', color: 'green', index: 1 } } }]),
    Scraped: panel.state(panel.up),
    Reaches: panel.state(panel.up),
    'Failing collectors': [{ id: 'custom.cellOptions', value: { type: 'color-text' } }, { id: 'thresholds', value: { mode: 'absolute', steps: [{ value: null, color: 'text' }, { value: 1, color: 'red' }] } }],
    Scrape: [{ id: 'unit', value: 's' }],
    Memory: [{ id: 'unit', value: 'bytes' }],
    CPU: [{ id: 'unit', value: 'percentunit' }, { id: 'decimals', value: 2 }],
    'Runs for': [{ id: 'unit', value: 's' }],
  }, overrides: [{ matcher: { id: 'byName', options: 'job' }, properties: [{ id: 'custom.width', value: 220 }] }] }),
  duration: s('Scrape duration', 's', 'How long the ten slowest scrapes take, as Prometheus sees it.', [['topk(10, scrape_duration_seconds{%(s)s})', '{{job}} {{instance}}']], { min: 0 }),
  samples: s('Samples per scrape', 'short', 'How many samples the ten largest scrapes bring.', [['topk(10, scrape_samples_scraped{%(s)s})', '{{job}} {{instance}}']], { min: 0 }),
  collectorDuration: s('Collector duration', 's', 'The ten slowest collectors.', [
    ['topk(10, %s)' % each('@_scrape_collector_duration_seconds{%(s)s}'), '{{job}} {{instance}} {{collector}}'],
  ], { min: 0 }),
  collectorFailures: s('Failing collectors', 'short', 'Collectors that did not answer in time or failed.', [
    ['topk(10, count by (job, instance) ((%s) == 0)) or 0 * count by (job) (%s)' % [collectors, collectors], '{{job}} {{instance}}'],
  ], { bad: true, min: 0, decimals: 0 }),
  dropped: s('Dropped metrics', 'short', 'Metrics an hour that were left out of an answer because they were duplicates or invalid.', [
    ['sum by (job) (increase(%s[$__rate_interval]))' % own('dropped_metrics_total'), '{{job}}'],
  ], { bad: true, every: '1h', min: 0, noValue: 'nothing was dropped' }),
  panics: s('Caught panics', 'short', 'Panics of collectors an hour.', [
    ['sum by (job) (increase(%s[$__rate_interval]))' % own('collector_panics_total'), '{{job}}'],
  ], { bad: true, every: '1h', min: 0, noValue: 'no collector panicked' }),
  reload: s('Configuration', 'short', 'Whether the last reload succeeded, for exporters that have a configuration to reload.', [
    ['min by (job) (%s)' % each('@_config_last_reload_successful{%(s)s}'), '{{job}}'],
  ], { kind: 'stat', mappings: [{ type: 'value', options: { '0': { text: 'REFUSED', color: 'red', index: 0 }, '1': { text: 'OK', color: 'green', index: 1 } } }], noValue: 'nothing to reload' }),
  memory: s('Resident memory', 'bytes', 'Memory of the ten largest exporters.', [['topk(10, process_resident_memory_bytes{%(s)s})', '{{job}} {{instance}}']], { min: 0 }),
  cpu: s('CPU', 'percentunit', 'CPU time of the ten busiest exporters, of one core.', [['topk(10, rate(process_cpu_seconds_total{%(s)s}[$__rate_interval]))', '{{job}} {{instance}}']], { min: 0 }),
  goroutines: s('Goroutines', 'short', 'Goroutines of the exporters, the ten with most: a line that only grows is a leak.', [['topk(10, go_goroutines{%(s)s})', '{{job}} {{instance}}']], { min: 0 }),
  versions: s('Versions', 'short', 'Which build runs where.', [
    [each('max by (job, version, revision) (@_build_info{%(s)s})'), 'Targets'],
  ], { kind: 'table', by: 'job', span: 8, valueless: true }),
  pgErrors: s('Failed queries, by reason', 'short', "Failed runs of the PostgreSQL exporter's queries an hour.", [
    ['sum by (collector, reason) (increase(pg_scrape_collector_errors_total{%(s)s}[$__rate_interval])) > 0', '{{collector}} {{reason}}'],
  ], { bad: true, every: '1h', min: 0, noValue: 'no query failed' }),
  pgDuration: s('Query duration', 's', 'The ten slowest queries of the PostgreSQL exporter.', [
    ['topk(10, pg_scrape_collector_duration_seconds{%(s)s})', '{{instance}} {{collector}}'],
  ], { min: 0 }),
  nginxErrors: s('Failed scrapes of nginx, by reason', 'short', 'Failed scrapes of nginx an hour.', [
    ['sum by (reason) (increase(nginx_exporter_scrape_errors_total{%(s)s}[$__rate_interval])) > 0', '{{reason}}'],
  ], { bad: true, every: '1h', min: 0, noValue: 'no scrape failed' }),
}
