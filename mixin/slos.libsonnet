// The SLOs, once: rules, alerts, tests, dashboards and docs/slos.md come from
// this list. An SLO needs a name, an objective and where its events come from.
local parts = import 'lib/parts.libsonnet';
local slo = import 'lib/slo.libsonnet';

{
  local c = $._config,
  local s = c.selectors,
  local src = c.slo.sources,
  // by is the part that an objective is measured by, unless it is the application.
  local by(source, part) = if source == 'application' then 'application' else part,

  _slos:: slo.check(c, [
    {
      name: 'availability',
      part: by(src.availability, 'nginx'),
      title: 'Availability',
      objective: 0.995,
      text: 'Requests that are not answered with 5xx, of all requests. 429 is a matter of the client and counts as good.',
      events: {
        nginx: slo.status(s.nginx, 'nginx_access_requests_total', 'status=~"5.."', { status: ['200', '503'], method: 'GET', route: '/api', server: 'a' }),
        application: slo.status(s.application, 'http_requests_total', 'status_code=~"5.."', { status_code: ['200', '503'], method: 'GET', endpoint: '/api' }),
      }[src.availability],
      shown: 'Response codes on the system health dashboard.',
    },
    {
      name: 'latency',
      part: by(src.latency, 'nginx'),
      title: 'Latency',
      objective: 0.95,
      scale: 1000,  // in tests, it counts those of classes too
      text: 'Requests that are answered within 500 ms, of all requests.',
      events: {
        nginx: slo.bucket(s.nginx, 'nginx_access_request_duration_seconds', '0.5', { route: '/api', server: 'a' }),
        application: slo.bucket(s.application, 'http_request_duration_seconds', '0.5', { method: 'GET', endpoint: '/api', status_code: '200' }),
      }[src.latency],
      shown: 'P50 (200 ms), P99 (1 s) and P99.9 (2 s).',
    },
    {
      name: 'errors',
      part: by(src.errors, 'nginx'),
      title: 'Error rate',
      objective: 0.99,
      text: 'Requests that are not answered with 5xx, of all requests. The same events as availability: it is shown, and its alert is HTTPErrorRatioHigh at 0.5 %, but it burns no budget of its own.',
      alerting: false,
      events: {
        nginx: slo.status(s.nginx, 'nginx_access_requests_total', 'status=~"5.."', { status: ['200', '503'], method: 'GET', route: '/api', server: 'a' }),
        application: slo.status(s.application, 'http_requests_total', 'status_code=~"5.."', { status_code: ['200', '503'], method: 'GET', endpoint: '/api' }),
      }[src.errors],
      shown: '4xx (below 10 %).',
    },
    {
      name: 'freshness',
      part: by(src.freshness, 'postgres'),
      title: 'Data freshness',
      objective: 0.95,
      text: 'Received files that are completed within an hour of their arrival, of all that are completed.',
      events: {
        sql: slo.bucket(s.postgres, 'dmarc_ingestion_freshness_seconds', '3600', { server: 'a' }),
      }[src.freshness],
      shown: 'P50 (15 min) and P99 (2 h).',
    },
    {
      name: 'database',
      part: by(src.database, 'postgres'),
      title: 'Database',
      objective: 0.95,
      text: {
        canary: 'Queries that the exporter itself runs on the catalogs and that take less than 100 ms, of all it runs: a canary, since PostgreSQL has no histogram of its queries.',
        application: 'Queries of the application that take less than 100 ms, of all.',
      }[src.database],
      events: {
        canary: slo.gauge('pg_scrape_collector_duration_seconds', s.postgres, '> bool 0.1', { collector: 'database' }, '0.5', '0.01', 'collector!~"dmarc_.*"'),
        application: slo.bucket(s.application, 'db_query_duration_seconds', '0.1', { query_type: 'select' }),
      }[src.database],
      shown: 'Connections (below 70 %) and long transactions (below 5).',
    },
  ] + [
    {
      local seconds = class[src.latency][0],
      local example = {
        nginx: { route: class.name, server: 'a' },
        application: { method: if std.member(['writes', 'processing'], class.name) then 'POST' else 'GET', endpoint: '/' + std.get({ complex: 'search', processing: 'upload' }, class.name, class.name), status_code: '200' },
      }[src.latency],
      name: 'latency-' + class.name,
      class: class.name,
      part: by(src.latency, 'nginx'),
      title: 'Latency: ' + class.title,
      objective: 0.95,
      text: 'Requests of this class that are answered within %s, of all of them.' % (if std.parseJson(seconds) < 1 then '%g ms' % (std.parseJson(seconds) * 1000) else seconds + ' s'),
      events: slo.bucket(
        std.join(', ', [m for m in [s[src.latency], class[src.latency][1]] if m != '']),
        { nginx: 'nginx_access_request_duration_seconds', application: 'http_request_duration_seconds' }[src.latency],
        seconds,
        example,
      ),
      shown: 'P95 by class on the system health dashboard.',
    }
    for class in c.endpointClasses
  ] + [
    {
      part: by(src.tasks, 'postgres'),
      name: 'tasks' + (if t.name == '' then '' else '-' + t.name),
      title: t.title,
      objective: t.objective,
      [if t.name == '' then 'scale']: 1000,  // in tests, it counts the others too
      text: 'Background tasks%s that succeed, of all that end.' % t.of,
      events: {
        sql: slo.status(s.postgres, 'dmarc_task_results_total', 'status="FAILURE"', { status: ['SUCCESS', 'FAILURE'], task: t.example, server: 'a' }, 'status=~"SUCCESS|FAILURE"' + t.match),
        application: slo.status(s.application, 'celery_tasks_total', 'status="failed"', { status: ['succeeded', 'failed'], task_name: t.example }, 'status=~"succeeded|failed"' + std.strReplace(t.match, 'task=', 'task_name=')),
      }[src.tasks],
      shown: 'Results by task.',
    }
    for t in [
      { name: '', title: 'Background tasks', objective: 0.99, of: '', match: '', example: 'app.other' },
      { name: 'ingestion', title: 'Tasks: ingestion', objective: 0.99, of: ' of ingestion', match: ', task=~".*(ingest|fetch).*"', example: 'app.ingest' },
      { name: 'parsing', title: 'Tasks: parsing', objective: 0.995, of: ' of parsing', match: ', task=~".*(parse|process).*"', example: 'app.parse' },
      { name: 'alerting', title: 'Tasks: alerting', objective: 0.999, of: ' of alerting', match: ', task=~".*(alert|notif).*"', example: 'app.alert' },
      { name: 'ml', title: 'Tasks: machine learning', objective: 0.95, of: ' of machine learning', match: ', task=~"(.*[._])?ml([._].*)?|.*(model|predict|anomal).*"', example: 'app.ml.train' },
    ]
  ] + [
    {
      name: 'scrapes',
      title: 'Scrape health',
      objective: 0.99,
      text: 'Scrapes of the exporters that succeed, of all.',
      events: slo.gauge('up', s.suite, '== bool 0', { job: 'dmarc-exporter' }, '0', '1', of=parts.up(c)),
      shown: 'Targets on the exporters dashboard.',
    },
  ]),

  prometheusRules+:: { groups+: slo.recordings(c, $._slos) },
  prometheusAlerts+:: { groups+: slo.alerts(c, $._slos) },
  _sloTests:: slo.tests(c, $._slos),
  _sloDocs:: slo.docs(c, $._slos),
}
