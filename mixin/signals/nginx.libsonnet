// Signals of nginx and its access log.
local panel = import '../lib/panel.libsonnet';
local s = panel.signal;
local small = { kind: 'stat', span: 4, height: 4 };
local quantiles(metric, by='') = [
  ['histogram_quantile(%s, sum by (le%s) (rate(%s_bucket{%%(s)s}[$__rate_interval]))) >= 0' % [q, by, metric], 'P%g' % (q * 100)]
  for q in [0.5, 0.95, 0.99, 0.999]
];

function(c) {
  up: s('nginx', 'short', 'Whether nginx answers.', [['min(nginx_up{%(s)s})', 'nginx']], small { mappings: panel.up }),
  rate: s('Requests', 'reqps', 'Requests a second.', [['sum(rate(nginx_http_requests_total{%(s)s}[5m]))', 'requests']], small { decimals: 1 }),
  errorShare: s('5xx', 'percentunit', 'Share of the requests of the last 5 minutes that were answered with 5xx.', [
    ['(sum(rate(nginx_access_requests_total{%(s)s, status=~"5.."}[5m])) or vector(0)) / (sum(rate(nginx_access_requests_total{%(s)s}[5m])) > 0)', '5xx'],
  ], small { decimals: 2, noValue: 'no requests', thresholds: [[null, 'green'], [c.thresholds.http5xxRatio, 'red']] }),
  p95: s('P95', 's', 'Time within which 95 % of the requests of the last 5 minutes were answered.', [
    ['histogram_quantile(0.95, sum by (le) (rate(nginx_access_request_duration_seconds_bucket{%(s)s}[5m]))) >= 0', 'P95'],
  ], small { noValue: 'no requests', thresholds: [[null, 'green'], [c.thresholds.httpP95Seconds, 'red']] }),
  active: s('Connections', 'short', 'Active client connections.', [['sum(nginx_connections_active{%(s)s})', 'active']], small),
  logUp: s('Access log', 'short', 'Whether the access log can be read.', [['min(nginx_access_log_up{%(s)s})', 'access log']], small { mappings: panel.up, noValue: 'no access log is configured' }),
  requestsByRoute: s('Requests by route', 'reqps', 'Requests a second by route, the ten most frequent.', [['topk(10, sum by (route) (rate(nginx_access_requests_total{%(s)s}[$__rate_interval])))', '{{route}}']], { min: 0, stack: true }),
  requestsByStatus: s('Requests by status', 'reqps', 'Requests a second by status; those that did not occur are left out.', [['sum by (status) (rate(nginx_access_requests_total{%(s)s}[$__rate_interval])) > 0', '{{status}}']], { min: 0, stack: true, noValue: 'no requests' }),
  latency: s('Latency', 's', 'Time within which a share of the requests is answered. The objective is 95 % within 500 ms; P50 200 ms, P99 1 s, P99.9 2 s.', quantiles('nginx_access_request_duration_seconds'), { min: 0, exemplars: true, thresholds: [[null, 'green'], [c.thresholds.httpP95Seconds, 'red']] }),
  latencyByRoute: s('P95 by route', 's', 'Time within which 95 % of the requests of a route are answered.', [
    ['topk(10, histogram_quantile(0.95, sum by (le, route) (rate(nginx_access_request_duration_seconds_bucket{%(s)s}[$__rate_interval]))) >= 0)', '{{route}}'],
  ], { min: 0 }),
  routes: s('Routes, most errors first', 'short', 'Each route in the last 5 minutes: requests a second, share that was answered with 5xx and with 4xx, and the time within which 95 % were answered.', [
    ['sum by (route) (rate(nginx_access_requests_total{%(s)s}[5m])) > 0', 'Requests'],
    ['(sum by (route) (rate(nginx_access_requests_total{%(s)s, status=~"5.."}[5m]))) / (sum by (route) (rate(nginx_access_requests_total{%(s)s}[5m])) > 0)', '5xx'],
    ['(sum by (route) (rate(nginx_access_requests_total{%(s)s, status=~"4.."}[5m]))) / (sum by (route) (rate(nginx_access_requests_total{%(s)s}[5m])) > 0)', '4xx'],
    ['histogram_quantile(0.95, sum by (le, route) (rate(nginx_access_request_duration_seconds_bucket{%(s)s}[5m]))) >= 0', 'P95'],
  ], { kind: 'table', by: 'route', span: 24, sortBy: { displayName: '5xx', desc: true }, noValue: 'no requests', columns: {
    Requests: [{ id: 'unit', value: 'reqps' }],
    '5xx': panel.share([[null, 'green'], [c.thresholds.http5xxRatio, 'red']]),
    '4xx': panel.share([[null, 'green'], [c.thresholds.http4xxRatio, 'orange']]),
    P95: [{ id: 'unit', value: 's' }],
  } }),
  classes: s('P95 by class', 's', 'Time within which 95 % of the requests of a class are answered. Each class has its objective; the names of routes tell the class.', [
    ['histogram_quantile(0.95, sum by (le) (rate(nginx_access_request_duration_seconds_bucket{%%(s)s, %s}[$__rate_interval]))) >= 0' % class.nginx[1], '%s (%s s)' % [class.title, class.nginx[0]]]
    for class in c.endpointClasses
  ], { min: 0, noValue: 'no route is named by a class' }),
  upstream: s('Upstream latency', 's', 'Time that the application took.', quantiles('nginx_access_upstream_duration_seconds')[:3], { min: 0, noValue: 'no request went upstream' }),
  clientErrors: s('4xx and 5xx', 'percentunit', 'Share of the requests that are answered with 4xx and 5xx; the line is the limit of 5xx.', [
    ['(sum(rate(nginx_access_requests_total{%(s)s, status=~"4.."}[$__rate_interval])) or vector(0)) / (sum(rate(nginx_access_requests_total{%(s)s}[$__rate_interval])) > 0)', '4xx'],
    ['(sum(rate(nginx_access_requests_total{%(s)s, status=~"5.."}[$__rate_interval])) or vector(0)) / (sum(rate(nginx_access_requests_total{%(s)s}[$__rate_interval])) > 0)', '5xx'],
  ], { min: 0, thresholds: [[null, 'green'], [c.thresholds.http5xxRatio, 'red']] }),
  connections: s('Connections', 'short', 'Client connections by what nginx does with them.', [['sum(nginx_connections_%s{%%(s)s})' % k, k] for k in ['reading', 'writing', 'waiting']], { min: 0, stack: true }),
  accepted: s('Accepted and dropped connections', 'cps', 'Connections a second that were accepted, and that were dropped.', [
    ['sum(rate(nginx_connections_accepted{%(s)s}[$__rate_interval]))', 'accepted'],
    ['sum(rate(nginx_connections_accepted{%(s)s}[$__rate_interval])) - sum(rate(nginx_connections_handled{%(s)s}[$__rate_interval]))', 'dropped'],
  ], { min: 0 }),
  traffic: s('Traffic', 'Bps', 'Bytes a second from and to clients.', [
    ['sum(rate(nginx_access_request_bytes_total{%(s)s}[$__rate_interval]))', 'in'],
    ['sum(rate(nginx_access_response_bytes_total{%(s)s}[$__rate_interval]))', 'out'],
  ], { min: 0 }),
  methods: s('Methods', 'reqps', 'Requests a second by method.', [['sum by (method) (rate(nginx_access_requests_total{%(s)s}[$__rate_interval]))', '{{method}}']], { min: 0, stack: true }),
  cache: s('Upstream cache', 'reqps', 'Requests a second that the cache answered or not.', [['sum by (status) (rate(nginx_access_upstream_cache_total{%(s)s}[$__rate_interval])) > 0', '{{status}}']], { min: 0, stack: true, noValue: 'no cache is configured' }),
  logLines: s('Access log lines', 'cps', 'Lines a second, and those of them that were refused.', [
    ['sum(rate(nginx_access_log_lines_total{%(s)s}[$__rate_interval]))', 'lines'],
    ['sum(rate(nginx_access_log_lines_refused_total{%(s)s}[$__rate_interval]))', 'refused'],
  ], { min: 0 }),
  logLag: s('Access log lag', 'bytes', 'Bytes of the access log that are not counted yet.', [['nginx_access_log_lag_bytes{%(s)s}', '{{instance}} {{input}}']], { min: 0, noValue: 'no access log file' }),
  missing: s('Requests without a line', 'short', 'Requests that nginx counted and whose lines did not arrive.', [['nginx_access_log_missing_requests{%(s)s}', '{{instance}}']], { noValue: 'no access log' }),
}
