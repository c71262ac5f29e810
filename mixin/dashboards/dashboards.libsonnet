// All dashboards: which signals, in which rows.
local d = import '../lib/dashboard.libsonnet';
local row = d.row;

{
  local c = $._config,
  local has(part) = std.member(c.parts, part),
  local dmarc = (import '../signals/dmarc.libsonnet')(c),
  local app = (import '../signals/application.libsonnet')(c),
  local exporters = (import '../signals/exporters.libsonnet')(c),
  local pg = (import '../signals/postgres.libsonnet')(c),
  local redis = (import '../signals/redis.libsonnet')(c),
  local nginx = (import '../signals/nginx.libsonnet')(c),
  local node = (import '../signals/node.libsonnet')(c),
  local domain = d.variable('domain', 'Domain', 'label_values(dmarc_report_last_end_timestamp_seconds{%s=~"$cluster", job=~"$job", instance=~"$instance"}, domain)' % c.clusterLabel),

  grafanaDashboards+:: {
    'dmarc-overview.json': d.new(c, 'dmarc-overview', 'DMARC / Overview', 'Is the service healthy, and what do reports say: the first page to open.', c.parts, [
      row('Service health', [exporters.up, exporters.backends, nginx.rate, nginx.errorShare, nginx.p95, redis.queued, pg.used, app.unresolved]),
      row('Mail', [dmarc.passRate, dmarc.messages, dmarc.unauthenticated, dmarc.reports, dmarc.domains, dmarc.latest, dmarc.byClass { timeFrom: '30d' }, dmarc.passRateByDomain { timeFrom: '30d' }]),
      row('Requests', [nginx.requestsByStatus, nginx.latency, nginx.clientErrors]),
      row('Processing', [app.stored, app.organizations, app.newest, app.recordsPass, app.users { span: 8 }, app.processed, app.ingestion, app.freshness, app.oldest, app.tasks, app.triggered]),
    ], variables=[domain]),

    'dmarc-system-health.json': d.new(c, 'dmarc-system-health', 'DMARC / System health', 'The API, its database and its cache.', c.parts, [
      row('Exporters: where this is red, panels below are empty', [exporters.up, exporters.backends]),
      row('API', [nginx.requestsByRoute, nginx.latency, nginx.clientErrors, nginx.requestsByStatus, nginx.latencyByRoute, nginx.upstream]),
      row('Database', [pg.connections, pg.sizes, pg.transactions, pg.canary, pg.rows, pg.locks]),
      row('Redis', [redis.memory, redis.clients, redis.commands, redis.lookups, redis.queues, redis.latency]),
      row('Background tasks', [app.tasks, app.taskFailures, app.freshness]),
    ]),

    [if has('node') then 'dmarc-infrastructure.json']: d.new(c, 'dmarc-infrastructure', 'DMARC / Infrastructure', 'Hosts and containers, certificates and backups.', ['node'], [
      row('Now', [node.cpuNow, node.memoryNow, node.diskNow, node.load, node.uptime, node.containersNow]),
      row('Hosts', [node.cpu, node.memory, node.pressure]),
      row('Containers', [node.containerCPU { span: 12 }, node.containerMemory { span: 12 }, node.containerThrottled { span: 12 }, node.containerDisk { span: 12 }]),
      row('Disks', [node.disk { span: 6 }, node.diskBytes { span: 6 }, node.iops { span: 6 }, node.diskBusy { span: 6 }]),
      row('Network', [node.network { span: 12 }, node.networkErrors { span: 12 }]),
      row('Recovery', [node.backupAge, node.restoreTest, node.verify, node.certificates { span: 24, height: 6 }]),
    ]),

    [if has('dmarc') then 'dmarc-reports.json']: d.new(c, 'dmarc-reports', 'DMARC / Reports', 'What aggregate, TLS and failure reports say about the domains.', ['dmarc'], [
      row('Domains', [dmarc.passRate, dmarc.messages, dmarc.unauthenticated, dmarc.reports, dmarc.domains, dmarc.latest, dmarc.byClass { span: 24 }, dmarc.domainTable]),
      row('Policy', [dmarc.readiness, dmarc.policy { height: 9 }]),
      row('Senders', [dmarc.senders { height: 9 }, dmarc.senderTable]),
      row('Alignment', [dmarc.alignment, dmarc.byDisposition, dmarc.passRateByDomain { span: 24 }]),
      row('Reporters', [dmarc.reporters, dmarc.reporterTable, dmarc.failureReports { span: 24, height: 8 }]),
      row('TLS', [dmarc.tlsSessions, dmarc.tlsFailures]),
      row('Reading', [dmarc.reportKinds, dmarc.reportResults, dmarc.refused, dmarc.warnings, dmarc.duplicates, dmarc.auth]),
    ], variables=[domain], from='now-30d', loose=true),

    'dmarc-exporters.json': d.new(c, 'dmarc-exporters', 'DMARC / Exporters', 'The suite watches itself.', c.parts, [
      row('Targets', [exporters.up, exporters.backends]),
      row('Scrapes', [exporters.duration, exporters.samples, exporters.collectorDuration, exporters.collectorFailures, exporters.dropped, exporters.panics]),
      row('Errors by reason', [exporters.pgErrors, exporters.nginxErrors, dmarc.refused]),
      row('Ingestion', [dmarc.sources, dmarc.lastInput, dmarc.backlog, dmarc.inputs, dmarc.ingestTime, dmarc.overflow]),
      row('Processes', [exporters.memory, exporters.cpu, exporters.goroutines, exporters.pgDuration, exporters.reload, exporters.versions]),
    ]),

    [if has('postgres') then 'dmarc-postgres.json']: d.new(c, 'dmarc-postgres', 'DMARC / PostgreSQL', 'One PostgreSQL server in detail.', ['postgres'], [
      row('Now', [pg.up, pg.uptime, pg.size, pg.used, pg.oldest, pg.hit]),
      row('Load', [pg.connections, pg.transactions, pg.rows, pg.canary, pg.blocks, pg.temp]),
      row('Locks', [pg.locks { span: 12 }, pg.deadlocks { span: 12 }]),
      row('WAL and replication', [pg.checkpoints { span: 6 }, pg.wal { span: 6 }, pg.archiver { span: 6 }, pg.replication { span: 6 }]),
      row('Tables', [pg.tables, pg.age, pg.sizes { span: 12 }, app.tableSizes { span: 12 }]),
      row('What the application keeps', [app.ingestion, app.messages, app.tls]),
    ]),

    [if has('redis') then 'dmarc-redis.json']: d.new(c, 'dmarc-redis', 'DMARC / Redis', 'One Redis in detail.', ['redis'], [
      row('Now', [redis.up, redis.uptime, redis.usedShare, redis.hitRate, redis.keysCount, redis.queued]),
      row('Load', [redis.commands, redis.latency, redis.lookups, redis.clients, redis.connections, redis.network]),
      row('Memory', [redis.memory, redis.fragmentation, redis.evictions]),
      row('Data', [redis.queues, redis.keys, redis.persistence]),
      row('Process', [redis.cpu { span: 12 }, redis.errors { span: 12 }]),
    ]),

    [if has('nginx') then 'dmarc-nginx.json']: d.new(c, 'dmarc-nginx', 'DMARC / nginx', 'One nginx in detail.', ['nginx'], [
      row('Now', [nginx.up, nginx.rate, nginx.errorShare, nginx.p95, nginx.active, nginx.logUp]),
      row('Requests', [nginx.requestsByRoute, nginx.requestsByStatus, nginx.methods, nginx.latency, nginx.latencyByRoute, nginx.upstream]),
      row('Connections', [nginx.connections, nginx.accepted, nginx.traffic]),
      row('Access log', [nginx.logLines { span: 6 }, nginx.logLag { span: 6 }, nginx.missing { span: 6 }, nginx.cache { span: 6 }]),
    ]),

    [if has('node') then 'dmarc-node.json']: d.new(c, 'dmarc-node', 'DMARC / Node', 'One host in detail.', ['node'], [
      row('Now', [node.cpuNow, node.memoryNow, node.diskNow, node.load, node.uptime, node.containersNow]),
      row('CPU and memory', [node.cpu, node.memory, node.pressure, node.loads, node.processes, node.contextSwitches]),
      row('Disks', [node.disk, node.inodes, node.diskBusy, node.diskBytes { span: 12 }, node.iops { span: 12 }]),
      row('Network', [node.network, node.networkErrors, node.sockets]),
      row('Kernel', [node.clock { span: 12 }, node.descriptors { span: 12 }]),
    ]),

    'dmarc-slos.json': (import 'slos.libsonnet')(c, $._slos),
  },
}
