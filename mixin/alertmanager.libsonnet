// Routes and inhibitions of Alertmanager. Receivers are named, not configured:
// where messages go is for the user to say.
{
  local c = $._config,
  _alertmanager:: {
    route: {
      receiver: 'default',
      group_by: ['alertname', 'slo', 'job'],
      group_wait: '30s',
      group_interval: '5m',
      repeat_interval: '12h',
      routes: [
        { receiver: 'watchdog', matchers: ['alertname = DMARCSuiteWatchdog'], group_wait: '0s', repeat_interval: '5m' },
        { receiver: 'page', matchers: ['severity = critical'], repeat_interval: '2h' },
        { receiver: 'ticket', matchers: ['severity = warning'] },
        { receiver: 'null', matchers: ['severity = info'] },
      ],
    },
    inhibit_rules: [
      // A page of an objective mutes its tickets.
      {
        source_matchers: ['alertname =~ "SLOBudgetBurn.*"', 'severity = critical'],
        target_matchers: ['alertname =~ "SLOBudgetBurn.*"', 'severity = warning'],
        equal: ['slo'],
      },
      { source_matchers: ['alertname = SLOBudgetBurn1h'], target_matchers: ['alertname = SLOBudgetBurn6h'], equal: ['slo'] },
    ] + [
      // The less is left of a budget, the fewer alerts speak of it.
      {
        source_matchers: ['alertname = ' + c.slo.policy[i].alert],
        target_matchers: ['alertname =~ "%s"' % std.join('|', [p.alert for p in c.slo.policy[:i]])],
        equal: ['slo'],
      }
      for i in std.range(1, std.length(c.slo.policy) - 1)
    ] + std.flattenArrays([
      // What an exporter watches is unknown while it is down; others of its kind
      // still see. The watchdog is never muted.
      [
        {
          source_matchers: ['alertname = %sExporterDown' % p.exporter],
          target_matchers: ['alertname =~ "%s.*"' % p.alerts, 'alertname !~ "%sExporter.*|DMARCSuiteWatchdog"' % p.exporter],
          equal: ['instance'],
        },
        {
          source_matchers: ['alertname = %sExporterAbsent' % p.exporter],
          target_matchers: ['alertname =~ "%s.*"' % p.alerts, 'alertname !~ "%sExporter.*|DMARCSuiteWatchdog"' % p.exporter],
        },
      ]
      for p in [
        { exporter: 'DMARC', alerts: 'DMARC' },
        { exporter: 'Postgres', alerts: 'Postgres' },
        { exporter: 'Redis', alerts: 'Redis' },
        { exporter: 'Nginx', alerts: '(Nginx|HTTP)' },
        { exporter: 'Node', alerts: '(Node|Container)' },
      ]
    ]) + [
      // The objective of scrapes says the same of it, later.
      { source_matchers: ['alertname =~ ".+Exporter(Down|Absent)"'], target_matchers: ['alertname =~ "SLOBudgetBurn.*"', 'slo = scrapes'] },
    ] + [
      // And what a system does while it does not answer.
      { source_matchers: ['alertname = %sDown' % n], target_matchers: ['alertname =~ "%s.*"' % n, 'alertname !~ "%s(Down|Exporter.*)"' % n], equal: ['instance'] }
      for n in ['Postgres', 'Redis', 'Nginx']
    ],
    receivers: [{ name: n } for n in ['default', 'page', 'ticket', 'watchdog', 'null']],
  },
}
