// Alerts about the monitoring itself: Prometheus, Alertmanager, Loki.
local a = import '../lib/alert.libsonnet';

function(c)
  local alert(job, name, expr, summary, description, fires, silent, severity='warning', wait='15m', at=40) =
    local j = 'job="%s", instance="a"' % job;
    local test(series) = { at: at, series: { [std.strReplace(k, '@', j)]: series[k] for k in std.objectFields(series) } };
    a.new(c, name, expr, summary, description, 'dmarc-exporters', test(fires), test(silent), severity, wait);
  [a.group('monitoring', [
    alert(
      'prometheus',
      'DMARCSuiteWatchdog',
      'vector(1)',
      'This alert always fires.',
      "It proves that alerts reach you. Send it to a dead man's switch that calls when it stops.",
      { 'up{@}': '1x50' },
      { 'up{@}': '1x50' },
      'info',
      '0m'
      // It cannot be silent; its second test looks before the first evaluation.
    ) + { tests+: { silent+: { never: true } } },
    alert(
      'prometheus',
      'PrometheusRulesFailing',
      'increase(prometheus_rule_evaluation_failures_total{%(prometheus)s}[15m]) > 0',
      'Rules of Prometheus fail.',
      '{{ $value | humanize }} evaluations of {{ $labels.rule_group }} failed in 15 minutes, and some failed before: alerts may be missing.',
      { 'prometheus_rule_evaluation_failures_total{@, rule_group="x"}': '0+1x50' },
      { 'prometheus_rule_evaluation_failures_total{@, rule_group="x"}': '5x15 6x35' },  // it failed once
      'critical',
      '20m'
    ),
    alert(
      'prometheus',
      'PrometheusNotificationsDropped',
      'increase(prometheus_notifications_dropped_total{%(prometheus)s}[15m]) > 0',
      'Prometheus cannot deliver alerts.',
      '{{ $value | humanize }} alerts of {{ $labels.instance }} did not reach Alertmanager in 15 minutes.',
      { 'prometheus_notifications_dropped_total{@}': '0+1x50' },
      { 'prometheus_notifications_dropped_total{@}': '5x15 6x35' },  // they are sent again
      'critical',
      '20m'
    ),
    alert(
      'prometheus',
      'PrometheusReloadFailed',
      'prometheus_config_last_reload_successful{%(prometheus)s} == 0',
      'Prometheus refused its configuration.',
      'The last reload of {{ $labels.instance }} failed: it runs with the configuration and rules before.',
      { 'prometheus_config_last_reload_successful{@}': '0x50' },
      { 'prometheus_config_last_reload_successful{@}': '1x50' }
    ),
    alert(
      'alertmanager',
      'AlertmanagerNotificationsFailing',
      'increase(alertmanager_notifications_failed_total{%(alertmanager)s}[15m]) > 0',
      'Alertmanager cannot notify.',
      '{{ $value | humanize }} notifications by {{ $labels.integration }} failed in 15 minutes.',
      { 'alertmanager_notifications_failed_total{@, integration="email"}': '0+1x50' },
      { 'alertmanager_notifications_failed_total{@, integration="email"}': '5x50' },
      'critical',
      '5m'
    ),
    alert(
      'loki',
      'LokiRequestErrors',
      |||
        sum by (%(group)s, route) (rate(loki_request_duration_seconds_count{%(loki)s, status_code=~"5.."}[5m]))
        / sum by (%(group)s, route) (rate(loki_request_duration_seconds_count{%(loki)s}[5m])) > 0.1
      |||,
      'Loki fails requests.',
      '{{ $value | humanizePercentage }} of the requests to {{ $labels.route }} of Loki fail: logs are lost or cannot be read.',
      { 'loki_request_duration_seconds_count{@, route="push", status_code="500"}': '0+20x50', 'loki_request_duration_seconds_count{@, route="push", status_code="204"}': '0+20x50' },
      { 'loki_request_duration_seconds_count{@, route="push", status_code="500"}': '0x50', 'loki_request_duration_seconds_count{@, route="push", status_code="204"}': '0+20x50' }
    ),
    alert(
      'loki',
      'LokiLinesDiscarded',
      'sum by (%(group)s, reason) (rate(loki_discarded_samples_total{%(loki)s}[15m])) > 0',
      'Loki discards lines.',
      '{{ $value | humanize }} lines a second are discarded: {{ $labels.reason }}.',
      { 'loki_discarded_samples_total{@, reason="rate_limited"}': '0+20x50' },
      { 'loki_discarded_samples_total{@, reason="rate_limited"}': '20x50' }
    ),
  ])]
