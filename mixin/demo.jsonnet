// The rules as internal/demo loads them: alerts wait a hundredth of their time,
// so that a fault can be watched, and nothing else is different.
local minutes = (import 'lib/alert.libsonnet').minutes;
local m = (import 'mixin.libsonnet') + {
  _config+:: {
    wait(duration):: '%dms' % (minutes(duration) * 600),
    slo+: { interval: 5, periodInterval: 15, periodStep: '1m' },
  },
};
{
  'alerts.yaml': std.manifestYamlDoc(m.prometheusAlerts),
  'rules.yaml': std.manifestYamlDoc(m.prometheusRules),
}
