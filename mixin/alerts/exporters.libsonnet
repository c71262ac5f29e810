// Alerts about the exporters themselves: the suite watches itself.
local a = import '../lib/alert.libsonnet';
local parts = import '../lib/parts.libsonnet';

function(c)
  local alert(name, expr, summary, description, fires, silent, severity='warning', wait='15m') =
    a.new(c, name, expr, summary, description, 'dmarc-exporters', fires, silent, severity, wait);
  local s = std.strReplace(c.selectors.suite, '%', '%%');
  local each(format) = std.join('\n  or ', [format % parts.exporters[p].binary for p in c.parts]);
  local j = 'job="redis-exporter", instance="a"';
  [a.group('exporters', std.flattenArrays([
    parts.down(c, p)
    for p in c.parts
  ]) + [
    alert(
      'ExporterCollectorFailing',
      each('max_over_time(%s_scrape_collector_success{' + s + '}[5m]) == 0') +
      (if std.member(c.parts, 'node') then '\n  or max_over_time(node_scrape_collector_success{%(node)s}[5m]) == 0 unless node_scrape_collector_no_data{%(node)s}' else ''),
      'A collector of an exporter fails.',
      'Collector {{ $labels.collector }} of {{ $labels.job }} at {{ $labels.instance }} did not answer in time or failed for 15 minutes; its metrics are missing.',
      { series: { ['redis_exporter_scrape_collector_success{%s, collector="redis"}' % j]: '0x40' }, at: 30 },
      { series: { ['redis_exporter_scrape_collector_success{%s, collector="redis"}' % j]: '1x20 0 1x20' }, at: 30 },
    ),
    alert(
      'ExporterPartDown',
      'max_over_time(suite_exporter_part_up{' + s + '}[5m]) == 0',
      'A part of suite_exporter does not run.',
      'The part {{ $labels.part }} of {{ $labels.job }} at {{ $labels.instance }} has not run for 10 minutes: nothing that it watches is seen.',
      { series: { 'suite_exporter_part_up{job="suite", instance="a", part="redis"}': '1x5 0x35', 'suite_exporter_part_up{job="suite", instance="a", part="node"}': '1x40' } },
      { series: { 'suite_exporter_part_up{job="suite", instance="a", part="redis"}': '1x15 0 1x25' } },
      'critical',
      '5m'
    ),
    alert(
      'ExporterMetricsDropped',
      each('increase(%s_dropped_metrics_total{' + s + '}[15m]) > 0') + '\n  or increase(suite_exporter_dropped_metrics_total{' + s + '}[15m]) > 0',
      'An exporter leaves metrics out.',
      '{{ $labels.job }} at {{ $labels.instance }} dropped {{ $value | humanize }} metrics in 15 minutes because they were duplicates or invalid.',
      { series: { ['redis_exporter_dropped_metrics_total{%s}' % j]: '0+1x40' }, at: 30 },
      { series: { ['redis_exporter_dropped_metrics_total{%s}' % j]: '4x40' }, at: 30 },
    ),
    alert(
      'ExporterPanicked',
      each('increase(%s_collector_panics_total{' + s + '}[15m]) > 0'),
      'A collector panicked.',
      'A collector of {{ $labels.job }} at {{ $labels.instance }} panicked; the panic was caught and is in its log. Please report it.',
      { series: { ['redis_exporter_collector_panics_total{%s}' % j]: '0x10 1x30' } },
      { series: { ['redis_exporter_collector_panics_total{%s}' % j]: '1x40' } },
      wait='1m',
    ),
    alert(
      'ExporterReloadFailed',
      each('%s_config_last_reload_successful{' + s + '} == 0'),
      'An exporter refused its new configuration.',
      'The last reload of {{ $labels.job }} at {{ $labels.instance }} failed: it runs with the configuration before.',
      { series: { ['redis_exporter_config_last_reload_successful{%s}' % j]: '0x40' } },
      { series: { ['redis_exporter_config_last_reload_successful{%s}' % j]: '1x40' } },
      wait='5m',
    ),
    alert(
      'ExporterSlow',
      'avg_over_time(scrape_duration_seconds{' + s + '}[15m]) > 5 and on (%(group)s, instance) ' + parts.seen,
      'Scrapes of an exporter take long.',
      'Scrapes of {{ $labels.job }} at {{ $labels.instance }} take {{ $value | humanizeDuration }} on average.',
      { series: { ['scrape_duration_seconds{%s}' % j]: '8x40', ['%s{%s, part="redis"}' % [parts.seen, j]]: '1x40' }, at: 35 },
      { series: { ['scrape_duration_seconds{%s}' % j]: '0.1x20 8 0.1x20', ['%s{%s, part="redis"}' % [parts.seen, j]]: '1x40' }, at: 35 },
    ),
  ])]
