// All alerts besides those of the SLOs, by subject: of the exporters that are
// meant, and of the monitoring itself.
local parts = import '../lib/parts.libsonnet';

{
  local c = $._config { words:: (import '../lib/alert.libsonnet').words(self) },
  local of(part, file) = if std.member(c.parts, part) then file(c) else [],
  prometheusRules+:: { groups+: parts.recordings(c) + of('dmarc', (import '../lib/messages.libsonnet').recordings) },
  prometheusAlerts+:: {
    groups+: std.flattenArrays([
      of('dmarc', import 'dmarc.libsonnet'),
      (import 'exporters.libsonnet')(c),
      of('postgres', import 'postgres.libsonnet'),
      of('redis', import 'redis.libsonnet'),
      of('nginx', import 'nginx.libsonnet'),
      of('node', import 'node.libsonnet'),
      of('node', import 'backup.libsonnet'),
      (import 'monitoring.libsonnet')(c),
    ]),
  },
}
