// Routes and inhibitions of Alertmanager. Receivers are named, not configured:
// where messages go is for the user to say.
//
// Both sides of every inhibition are of this suite and of the same environment:
// it mutes no alert of others, and none of another cluster.
local parts = (import 'lib/parts.libsonnet').exporters;

{
  local c = $._config,
  local inhibit(source, target, equal=[]) = {
    source_matchers: ['suite = ' + c.suite] + source,
    target_matchers: ['suite = ' + c.suite] + target,
    equal: c.groupLabels + equal,
  },
  // What alerts of a part begin with.
  local prefix = { dmarc: 'DMARC', postgres: 'Postgres', redis: 'Redis', nginx: '(Nginx|HTTP)', node: '(Node|Container)' },
  _alertmanager:: {
    route: {
      receiver: 'default',
      group_by: ['alertname', 'slo', 'job'] + c.groupLabels,
      group_wait: '30s',
      group_interval: '5m',
      repeat_interval: '12h',
      routes: [
        { receiver: 'watchdog', matchers: ['alertname = DMARCSuiteWatchdog'], group_wait: '0s', repeat_interval: '5m' },
        { receiver: 'page', matchers: ['severity = critical'], repeat_interval: '2h' },
        { receiver: 'ticket', matchers: ['severity = warning'] },
        { receiver: 'null', matchers: ['severity = info', 'suite = ' + c.suite] },
      ],
    },
    inhibit_rules: [
      // A page of an objective mutes its tickets.
      inhibit(['alertname =~ "SLOBudgetBurn.*"', 'severity = critical'], ['alertname =~ "SLOBudgetBurn.*"', 'severity = warning'], ['slo']),
      inhibit(['alertname = SLOBudgetBurn1h'], ['alertname = SLOBudgetBurn6h'], ['slo']),
    ] + [
      // The less is left of a budget, the fewer alerts speak of it.
      inhibit(['alertname = ' + c.slo.policy[i].alert], ['alertname =~ "%s"' % std.join('|', [p.alert for p in c.slo.policy[:i]])], ['slo'])
      for i in std.range(1, std.length(c.slo.policy) - 1)
    ] + std.flattenArrays([
      local name = parts[p].name;
      local rest = ['alertname =~ "%s.*"' % prefix[p], 'alertname !~ "%sExporter.*|DMARCSuiteWatchdog"' % name];
      // What an exporter watches is unknown while it is down; others of its kind
      // still see. The watchdog is never muted.
      [
        inhibit(['alertname = %sExporterDown' % name], rest, ['instance']),
        inhibit(['alertname = %sExporterAbsent' % name], rest),
      ] + (
        // Objectives that it measures have no data then.
        local slos = [s.name for s in $._slos if std.get(s, 'part') == p];
        if slos == [] then [] else [inhibit(['alertname =~ "%sExporter(Down|Absent)"' % name], ['alertname = SLONoData', 'slo =~ "%s"' % std.join('|', slos)])]
      )
      for p in c.parts
    ]) + [
      // A certificate that is about to expire has one alert.
      inhibit(['alertname = CertificateExpires'], ['alertname = CertificateExpiresSoon'], ['instance', 'path']),
      // The objective of scrapes says the same of it, later.
      inhibit(['alertname =~ ".+Exporter(Down|Absent)"'], ['alertname =~ "SLOBudgetBurn.*"', 'slo = scrapes']),
    ] + [
      // And what a system does while it does not answer.
      inhibit(['alertname = %sDown' % n], ['alertname =~ "%s.*"' % n, 'alertname !~ "%s(Down|Exporter.*)"' % n], ['instance'])
      for p in ['postgres', 'redis', 'nginx']
      for n in [parts[p].name]
      if std.member(c.parts, p)
    ],
    receivers: [{ name: n } for n in ['default', 'page', 'ticket', 'watchdog', 'null']],
  },
}
