// All dashboards: which signals, in which rows. A panel has one page; other pages
// lead there. Pages of a fleet compare instances, pages of a system show one.
local d = import '../lib/dashboard.libsonnet';
local detail = d.detail;
local row = d.row;

{
  local c = $._config,
  local has(part) = std.member(c.parts, part),
  local only(part, signals) = if has(part) then signals else [],
  local dmarc = (import '../signals/dmarc.libsonnet')(c),
  local mail = (import '../signals/dmarc.libsonnet')(c, '%(s)s'),
  local app = (import '../signals/application.libsonnet')(c),
  local exporters = (import '../signals/exporters.libsonnet')(c),
  local overview = (import '../signals/overview.libsonnet')(c),
  local pg = (import '../signals/postgres.libsonnet')(c),
  local redis = (import '../signals/redis.libsonnet')(c),
  local nginx = (import '../signals/nginx.libsonnet')(c),
  local node = (import '../signals/node.libsonnet')(c),
  local backup = (import '../signals/backup.libsonnet')(c),
  local domain = d.variable('domain', 'Domain', 'label_values(dmarc_report_last_end_timestamp_seconds{%s=~"$cluster", job=~"$job", instance=~"$instance"}, domain)' % c.clusterLabel),

  // alerts are the names of those that belong to groups of rules.
  local groups = $.prometheusAlerts.groups,
  local alerts(subjects) = std.set([
    r.alert
    for g in groups
    if std.length([s for s in subjects if std.startsWith(g.name, 'dmarc-suite-' + s)]) > 0
    for r in g.rules
  ]),

  grafanaDashboards+:: {
    'dmarc-overview.json': d.new(c, 'dmarc-overview', 'DMARC / Overview', 'Is the service healthy, and what do reports say: the first page to open.', c.parts, [], [
      row('Service health', [exporters.up, exporters.backends, overview.budget, overview.available] + only('redis', [redis.queued]) + only('postgres', [app.unresolved]) + only('dmarc', [mail.passed])),
      row('Mail', only('dmarc', [mail.daily, mail.attention])),
      row('Requests and resources', only('nginx', [nginx.requestsByStatus { span: 12 }]) + [overview.fullest]),
      row('The application', only('postgres', [app.stored, app.organizations, app.newest, app.recordsPass, app.users { span: 8 }] + [p { span: 6 } for p in [app.processed, app.ingestion, app.oldest, app.triggered]])),
    ]),

    'dmarc-system-health.json': d.new(c, 'dmarc-system-health', 'DMARC / System health', 'The API, its database, its cache and its tasks.', c.parts, alerts(['nginx', 'postgres', 'redis', 'slo-']), [
      row('API', only('nginx', [p { span: 6 } for p in [nginx.requestsByRoute, nginx.latency, nginx.classes, nginx.clientErrors]])),
      row('Database', only('postgres', [pg.connections, pg.transactions, pg.canary, pg.sizes { span: 12 }, app.freshness { span: 12 }])),
      row('Redis', only('redis', [redis.memory, redis.clients, redis.commands])),
      row('Background tasks', only('postgres', [app.tasks { span: 12 }, app.taskFailures { span: 12 }])),
    ]),

    [if has('node') then 'dmarc-infrastructure.json']: d.new(c, 'dmarc-infrastructure', 'DMARC / Infrastructure', 'Hosts, containers and certificates.', ['node'], alerts(['node', 'containers', 'certificates']), [
      row('Hosts', [node.hosts] + [p { span: 12 } for p in [node.hostCPU, node.hostMemory, node.hostPressure, node.hostDisk]]),
      row('Disks', [p { span: 8 } for p in [node.hostBytes, node.hostIOPS, node.hostBusy]]),
      row('Network', [node.hostNetwork { span: 12 }, node.hostNetworkErrors { span: 12 }]),
      row('Containers', [node.containerCPU { span: 12 }, node.containerMemory { span: 12 }, node.containerThrottled { span: 12 }, node.containerDisk { span: 12 }]),
      row('Certificates', [node.certificates]),
    ]),

    [if has('node') then 'dmarc-backup.json']: d.new(c, 'dmarc-backup', 'DMARC / Backup', 'Backups, their verification, and what tests of recovery measured.', ['node'], alerts(['backup']), [
      row('Runs', [backup.runs, backup.backups, backup.age]),
      row('Recovery', [backup.tested, backup.verified, backup.missing, backup.duration, backup.lag]),
      detail('Repositories', [backup.files, backup.written]),
    ], from='now-7d'),

    [if has('dmarc') then 'dmarc-reports.json']: d.new(c, 'dmarc-reports', 'DMARC / Reports', 'What aggregate, TLS and failure reports say about the domains.', ['dmarc'], alerts(['dmarc']), [
      row('Domains', [dmarc.passRate, dmarc.messages, dmarc.unauthenticated, dmarc.reports, dmarc.domains, dmarc.latest, dmarc.byClass { span: 24 }, dmarc.domainTable]),
      row('Policy', [dmarc.readiness, dmarc.policy]),
      row('Senders', [dmarc.senders { height: 9 }, dmarc.senderTable]),
      row('Alignment', [dmarc.alignment, dmarc.byDisposition, dmarc.passRateByDomain { span: 24 }]),
      row('Reporters', [dmarc.reporters, dmarc.reporterTable, dmarc.failureReports { span: 24, height: 8 }]),
      row('TLS', [dmarc.tlsSessions, dmarc.tlsFailures]),
      detail('Reading', [dmarc.reportKinds, dmarc.reportResults, dmarc.refused, dmarc.warnings, dmarc.duplicates, dmarc.auth]),
    ], variables=[domain], from='now-30d', loose=true),

    [if has('dmarc') then 'dmarc-records.json']: (import 'records.libsonnet')(c),

    'dmarc-exporters.json': d.new(c, 'dmarc-exporters', 'DMARC / Exporters', 'The suite watches itself.', c.parts, alerts(['exporters', 'monitoring']), [
      row('Targets', [exporters.targets]),
      row('Scrapes', [p { span: 12 } for p in [exporters.duration, exporters.samples, exporters.collectorDuration, exporters.collectorFailures, exporters.dropped, exporters.panics]]),
      row('Ingestion', only('dmarc', [dmarc.sources, dmarc.lastInput, dmarc.backlog, dmarc.inputs, dmarc.ingestTime, dmarc.overflow])),
      row('Replicas and tenants', only('dmarc', [dmarc.replicas, dmarc.tenants])),
      row('Errors by reason', only('postgres', [exporters.pgDuration { span: 24 }, exporters.pgErrors { span: 12 }]) + only('nginx', [exporters.nginxErrors { span: 12 }])),
      detail('Processes', [p { span: 12 } for p in [exporters.memory, exporters.cpu, exporters.goroutines, exporters.reload]] + [exporters.versions { span: 24 }]),
    ]),

    [if has('postgres') then 'dmarc-postgres.json']: d.new(c, 'dmarc-postgres', 'DMARC / PostgreSQL', 'One PostgreSQL server in detail; those of all are on the page about system health.', ['postgres'], alerts(['postgres']), [
      row('Server', [pg.up, pg.uptime, pg.size, pg.used, pg.oldest, pg.hit]),
      row('Load', [pg.databases, pg.rows, pg.blocks, pg.temp]),
      row('Locks', [pg.locks { span: 12 }, pg.deadlocks { span: 12 }]),
      row('WAL and replication', [pg.checkpoints { span: 6 }, pg.wal { span: 6 }, pg.archiver { span: 6 }, pg.replication { span: 6 }]),
      row('Tables', [pg.tables, pg.age]),
      detail('What the application keeps', [app.tableSizes, app.messages, app.tls]),
    ], single=true),

    [if has('redis') then 'dmarc-redis.json']: d.new(c, 'dmarc-redis', 'DMARC / Redis', 'One Redis in detail; those of all are on the page about system health.', ['redis'], alerts(['redis']), [
      row('Server', [redis.up, redis.uptime, redis.usedShare, redis.hitRate { span: 6 }, redis.keysCount { span: 6 }]),
      row('Load', [redis.calls, redis.latency { span: 12 }, redis.lookups, redis.connections, redis.network]),
      row('Memory', [redis.parts, redis.fragmentation, redis.evictions]),
      row('Data', [redis.queues, redis.keys, redis.persistence]),
      detail('Process', [redis.cpu { span: 12 }, redis.errors { span: 12 }]),
    ], single=true),

    [if has('nginx') then 'dmarc-nginx.json']: d.new(c, 'dmarc-nginx', 'DMARC / nginx', 'One nginx in detail; those of all are on the page about system health.', ['nginx'], alerts(['nginx']), [
      row('Server', [nginx.up, nginx.rate, nginx.errorShare, nginx.p95, nginx.active, nginx.logUp]),
      row('Requests', [nginx.routes, nginx.methods, nginx.latencyByRoute, nginx.upstream]),
      row('Connections', [nginx.connections, nginx.accepted, nginx.traffic]),
      detail('Access log', [nginx.logLines { span: 6 }, nginx.logLag { span: 6 }, nginx.missing { span: 6 }, nginx.cache { span: 6 }]),
    ], single=true),

    [if has('node') then 'dmarc-node.json']: d.new(c, 'dmarc-node', 'DMARC / Node', 'One host in detail; all hosts are on the page about infrastructure.', ['node'], alerts(['node']), [
      row('Host', [node.cpuNow, node.memoryNow, node.diskNow, node.load, node.uptime, node.containersNow]),
      row('CPU and memory', [node.cpu, node.memory, node.pressure, node.loads, node.processes, node.contextSwitches]),
      row('Disks', [node.disk, node.inodes, node.diskBusy, node.diskBytes { span: 12 }, node.iops { span: 12 }]),
      row('Network', [node.network, node.networkErrors, node.sockets]),
      detail('Kernel', [node.clock { span: 12 }, node.descriptors { span: 12 }]),
    ], single=true),

    'dmarc-slos.json': (import 'slos.libsonnet')(c, $._slos, alerts(['slo-'])),
  },
}
