// All alerts besides those of the SLOs, by subject.
{
  local c = $._config { words:: (import '../lib/alert.libsonnet').words(self) },
  prometheusAlerts+:: {
    groups+: std.flattenArrays([
      (import 'dmarc.libsonnet')(c),
      (import 'exporters.libsonnet')(c),
      (import 'postgres.libsonnet')(c),
      (import 'redis.libsonnet')(c),
      (import 'nginx.libsonnet')(c),
      (import 'node.libsonnet')(c),
      (import 'backup.libsonnet')(c),
      (import 'monitoring.libsonnet')(c),
    ]),
  },
}
