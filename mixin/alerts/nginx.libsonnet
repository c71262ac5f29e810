// Alerts about nginx and the requests in its access log.
local a = import '../lib/alert.libsonnet';

function(c)
  local j = 'job="nginx-exporter", instance="a"';
  local alert(name, expr, summary, description, fires, silent, severity='warning', wait='15m', at=40, dashboard='dmarc-nginx') =
    local test(series) = { at: at, series: { [std.strReplace(k, '@', j)]: series[k] for k in std.objectFields(series) } };
    a.new(c, name, expr, summary, description, dashboard, test(fires), test(silent), severity, wait);
  local request(status) = 'nginx_access_requests_total{@, method="GET", route="/api", server="shop.example", status="%s"}' % status;
  local timed(part) = 'nginx_access_request_duration_seconds_%s@, route="/api", server="shop.example"' % part;
  // latency are a hundred requests a minute, some of them within half a second.
  local latency(fast) = {
    [timed('count{') + '}']: '0+100x50',
    [timed('bucket{') + ', le="0.5"}']: fast,
    [timed('bucket{') + ', le="1"}']: '0+100x50',
    [timed('bucket{') + ', le="+Inf"}']: '0+100x50',
  };
  [a.group('nginx', [
    alert(
      'NginxDown',
      'nginx_up{%(nginx)s} == 0',
      'nginx does not answer.',
      'The exporter at {{ $labels.instance }} is up but nginx does not answer for 2 minutes: nobody reaches the application.',
      { 'nginx_up{@}': '0x50' },
      { 'nginx_up{@}': '1x50' },
      'critical',
      '2m'
    ),
    alert(
      'NginxAbsent',
      'nginx_exporter_build_info{%(nginx)s} unless on (%(group)s, instance) nginx_up{%(nginx)s}',
      'Nothing says whether nginx is up.',
      'The exporter at {{ $labels.instance }} is up, but exposes no nginx_up: it is misconfigured, or its metrics are relabelled away.',
      { 'nginx_exporter_build_info{@}': '1x50' },
      { 'nginx_exporter_build_info{@}': '1x50', 'nginx_up{@}': '1x50' },
      'critical',
      '10m'
    ),
    alert(
      'NginxConnectionsDropped',
      'increase(nginx_connections_accepted{%(nginx)s}[15m]) - increase(nginx_connections_handled{%(nginx)s}[15m]) > 1',
      'nginx drops connections.',
      '{{ $value | humanize }} connections to {{ $labels.instance }} were dropped in 15 minutes: worker_connections is too low.',
      { 'nginx_connections_accepted{@}': '0+100x50', 'nginx_connections_handled{@}': '0+90x50' },
      { 'nginx_connections_accepted{@}': '0+100x50', 'nginx_connections_handled{@}': '0+100x50' },
    ),
    alert(
      'NginxAccessLogDown',
      'nginx_access_log_up{%(nginx)s} == 0',
      'The access log cannot be read.',
      '{{ $labels.input }} of {{ $labels.instance }} cannot be read: availability and latency are not measured.',
      { 'nginx_access_log_up{@, input="access.log"}': '0x50' },
      { 'nginx_access_log_up{@, input="access.log"}': '1x50' },
      'critical',
      '10m'
    ),
    alert(
      'NginxAccessLogRefused',
      |||
        sum by (%(group)s, instance, input) (rate(nginx_access_log_lines_refused_total{%(nginx)s}[15m]))
        / (sum by (%(group)s, instance, input) (rate(nginx_access_log_lines_total{%(nginx)s}[15m])) > 0) > 0.01
      |||,
      'Lines of the access log cannot be counted.',
      '{{ $value | humanizePercentage }} of the lines of {{ $labels.input }} are refused: its format is not the one that is configured.',
      { 'nginx_access_log_lines_refused_total{@, input="access.log", reason="format"}': '0+5x50', 'nginx_access_log_lines_total{@, input="access.log"}': '0+100x50' },
      { 'nginx_access_log_lines_refused_total{@, input="access.log", reason="format"}': '9x50', 'nginx_access_log_lines_total{@, input="access.log"}': '0+100x50' },
    ),
    alert(
      'NginxAccessLogLost',
      'increase(nginx_access_log_lost_files_total{%(nginx)s}[1h]) > 0 or increase(nginx_access_log_datagrams_dropped_total{%(nginx)s}[1h]) > 0',
      'Parts of the access log were lost.',
      'Lines of {{ $labels.input }} of {{ $labels.instance }} were lost before they were counted: ratios of the last hour may be wrong.',
      { 'nginx_access_log_lost_files_total{@, input="access.log"}': '0x20 1x40' },
      { 'nginx_access_log_lost_files_total{@, input="access.log"}': '1x60' },
      wait='5m'
    ),
    alert(
      'NginxAccessLogSilent',
      // Of what nginx counted in the day before, most had a line: its health checks
      // alone, which often have none, are no reason.
      |||
        sum by (%(group)s, instance) (increase(nginx_access_log_lines_total{%(nginx)s}[15m])) == 0
        and sum by (%(group)s, instance) (increase(nginx_http_requests_total{%(nginx)s}[15m])) > 100
        and sum by (%(group)s, instance) (increase(nginx_access_log_lines_total{%(nginx)s}[1d]))
          > 0.5 * sum by (%(group)s, instance) (increase(nginx_http_requests_total{%(nginx)s}[1d]))
      |||,
      'nginx answers requests, and its access log has no lines of them.',
      'nginx behind {{ $labels.instance }} counts requests, and no line of its access log came for 15 minutes: objectives do not see these requests. After a rotation nginx may still write to the old file.',
      { 'nginx_access_log_lines_total{@, input="access.log"}': '0+60x60 3600x60', 'nginx_http_requests_total{@}': '0+61x120' },
      { 'nginx_access_log_lines_total{@, input="access.log"}': '0+6x60 360x60', 'nginx_http_requests_total{@}': '0+61x120' },
      at=100,
      wait='10m'
    ),
    alert(
      'HTTPErrorRatioHigh',
      |||
        sum by (%(group)s, instance, server) (rate(nginx_access_requests_total{%(nginx)s, status=~"5.."}[15m]))
        / sum by (%(group)s, instance, server) (rate(nginx_access_requests_total{%(nginx)s}[15m])) > %(http5xxRatio)s
        and sum by (%(group)s, instance, server) (increase(nginx_access_requests_total{%(nginx)s, status=~"5.."}[15m])) >= 10
      |||,
      'Many requests are answered with 5xx.',
      '{{ $value | humanizePercentage }} of the requests to {{ $labels.server }} are answered with 5xx.',
      { [request('200')]: '0+900x50', [request('502')]: '0+100x50' },
      { [request('200')]: '0+900x50', [request('502')]: '0+1x50' },
      dashboard='dmarc-system-health',
      wait='10m'
    ),
    alert(
      'HTTPLatencyHigh',
      |||
        histogram_quantile(0.95, sum by (%(group)s, instance, server, le) (rate(nginx_access_request_duration_seconds_bucket{%(nginx)s}[15m]))) > %(httpP95Seconds)s
        and sum by (%(group)s, instance, server) (increase(nginx_access_request_duration_seconds_count{%(nginx)s}[15m])) >= 100
      |||,
      'Requests are answered slowly.',
      '95 % of the requests to {{ $labels.server }} are answered within {{ $value | humanizeDuration }} only.',
      latency('0+50x50'),
      latency('0+99x50'),
      dashboard='dmarc-system-health',
      wait='10m'
    ),
    alert(
      'HTTPClientErrorRatioHigh',
      |||
        sum by (%(group)s, instance, server) (rate(nginx_access_requests_total{%(nginx)s, status=~"4.."}[15m]))
        / sum by (%(group)s, instance, server) (rate(nginx_access_requests_total{%(nginx)s}[15m])) > %(http4xxRatio)s
        and sum by (%(group)s, instance, server) (increase(nginx_access_requests_total{%(nginx)s, status=~"4.."}[15m])) >= 100
      |||,
      'Many requests are answered with 4xx.',
      '{{ $value | humanizePercentage }} of the requests to {{ $labels.server }} are answered with 4xx: a client is broken, or somebody scans.',
      { [request('200')]: '0+800x50', [request('404')]: '0+200x50' },
      { [request('200')]: '0+900x50', [request('404')]: '0+20x50' },
      'info',
      dashboard='dmarc-system-health'
    ),
  ])]
