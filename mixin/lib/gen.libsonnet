// Everything that is generated from a mixin, for tests/.
function(m) {
  config: { runbookURL: m._config.runbookURL, selectors: m._config.selectors, ruleLabels: m._config.ruleLabels },
  dashboards: m.grafanaDashboards,
  alerts: m.prometheusAlerts,
  rules: m.prometheusRules,
  alertmanager: m._alertmanager,
  tests: {
    [g.name]: [{ alert: r.alert, tests: r.tests } for r in g.rules if std.objectHasAll(r, 'tests')]
    for g in m.prometheusAlerts.groups
    if std.length([r for r in g.rules if std.objectHasAll(r, 'tests')]) > 0
  },
  sloTests: m._sloTests,
  buckets: (import 'slo.libsonnet').buckets,
  slos: [{ name: s.name, alerting: s.alerting, metric: s.events.metric, scaled: std.objectHas(s, 'scale') } for s in m._slos],
  docs: m._sloDocs,
}
