// Dashboards from rows of signals.
local panel = import 'panel.libsonnet';
local exporters = import 'parts.libsonnet';
local datasource = panel.sources.prometheus;

local variable(name, label, query, more={}) = {
  type: 'query',
  name: name,
  label: label,
  datasource: datasource,
  query: { query: query, refId: 'variable-' + name },
  definition: query,
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: '.+',
  current: { text: ['All'], value: ['$__all'], selected: true },
  options: [],
  hide: 0,
  regex: '',
  skipUrlSync: false,
} + more;

// place gives panels their positions from y on: from left to right, a new line
// when the 24 columns are full.
local place(panels, y) =
  local step(acc, p) =
    local wraps = acc.x + p.gridPos.w > 24;
    local x = if wraps then 0 else acc.x;
    local y = if wraps then acc.y + acc.h else acc.y;
    {
      x: x + p.gridPos.w,
      y: y,
      h: if wraps then p.gridPos.h else std.max(acc.h, p.gridPos.h),
      out: acc.out + [p { gridPos+: { x: x, y: y } }],
    };
  std.foldl(step, panels, { x: 0, y: y, h: 0, out: [] });

// stack puts rows below each other. A collapsed one holds its panels and takes
// one line.
local stack(rows) =
  local step(acc, r) =
    local inside = place(r.panels, acc.y + 1);
    local panels = [inside.out[i] { id: acc.id + 1 + i } for i in std.range(0, std.length(inside.out) - 1)];
    local head = { type: 'row', id: acc.id, title: r.title, collapsed: r.collapsed, panels: if r.collapsed then panels else [], gridPos: { x: 0, y: acc.y, w: 24, h: 1 } };
    {
      id: acc.id + 1 + std.length(panels),
      y: if r.collapsed then acc.y + 1 else inside.y + inside.h,
      out: acc.out + [head] + (if r.collapsed then [] else panels),
    };
  std.foldl(step, rows, { id: 1, y: 0, out: [] }).out;

local watchdog = 'DMARCSuiteWatchdog';

// firing are the alerts of a page that fire now: the worst first, each with its
// runbook and the pages about what it names.
local firing(c, alerts, matchers) =
  local of(severity) = 'max by (alertname, job, instance, domain, source, slo) (ALERTS{%s})' % std.join(', ', [
    matchers,
    'suite="%s"' % c.suite,
    'alertstate="firing"',
    'severity="%s"' % severity,
    if alerts == [] then 'alertname!="%s"' % watchdog else 'alertname=~"%s"' % std.join('|', [name for name in alerts if name != watchdog]),
  ]);
  local levels = ['info', 'warning', 'critical'];
  panel.signal('Firing now', 'short', 'Alerts of this page that fire now, the worst first. The name leads to the runbook, what it is about to its page.', [
    [std.join(' or ', ['%s * %d' % [of(levels[i]), i + 1] for i in [2, 1, 0]]), 'Severity'],
  ], {
    kind: 'table',
    by: 'alertname',
    span: 24,
    height: 5,
    noValue: 'nothing fires',
    sortBy: { displayName: 'Severity', desc: true },
    columns: { Severity: panel.state([{ type: 'value', options: {
      '1': { text: 'INFO', color: 'blue', index: 2 },
      '2': { text: 'WARNING', color: 'orange', index: 1 },
      '3': { text: 'CRITICAL', color: 'red', index: 0 },
    } }]) + [{ id: 'custom.width', value: 110 }] },
    overrides: [{ matcher: { id: 'byName', options: 'alertname' }, properties: [
      { id: 'links', value: [{ title: 'Runbook of ${__value.text}', url: std.strReplace(c.runbookURL, '%s', '${__value.text}'), targetBlank: true }] },
    ] }] + [
      panel.to(l[0], l[1], l[2], more='${cluster:queryparam}&')
      for l in [
        ['domain', 'dmarc-reports', 'Reports about ${__value.text}'],
        ['instance', 'dmarc-exporters', 'Exporter at ${__value.text}'],
        ['slo', 'dmarc-slos', 'Budget of ${__value.text}'],
      ]
      if l[0] != 'domain' || std.member(c.parts, 'dmarc')
    ],
  });

{
  local d = self,
  variable:: variable,

  // row is a title and its signals; detail is collapsed when the page opens.
  row(title, signals):: { title: title, signals: signals, collapsed: false },
  detail(title, signals):: { title: title, signals: signals, collapsed: true },

  // page is what all dashboards have.
  page(c, uid, title, description, from, plugin):: {
    assert std.length(uid) <= 40 : uid + ' is longer than 40 characters',
    uid: uid,
    title: title,
    description: description,
    id: null,
    tags: c.dashboardTags,
    schemaVersion: 39,
    version: 1,
    editable: false,
    graphTooltip: 1,
    timezone: 'browser',
    weekStart: '',
    fiscalYearStartMonth: 0,
    liveNow: false,
    refresh: c.dashboardRefresh,
    time: { from: from, to: 'now' },
    timepicker: {},
    links: [{
      type: 'dashboards',
      title: 'DMARC suite',
      tags: c.dashboardTags,
      asDropdown: true,
      includeVars: true,
      keepTime: true,
      targetBlank: false,
      icon: 'external link',
      tooltip: '',
      url: '',
    }],
    source:: {
      type: 'datasource',
      name: 'datasource',
      label: 'Data source',
      query: plugin,
      current: { text: 'default', value: 'default', selected: true },
      hide: 0,
      includeAll: false,
      multi: false,
      options: [],
      refresh: 1,
      regex: '',
      skipUrlSync: false,
    },
  },

  // panels are those of rows, in their places.
  panels(rows, selector):: stack([
    { title: r.title, collapsed: r.collapsed, panels: [panel.panel(s, selector) + { gridPos: { w: s.span, h: s.height } } for s in r.signals] }
    for r in rows
    if r.signals != []
  ]),

  // parts are the exporters that the variables offer, known by what they expose:
  // their jobs may have any name. loose shows series without a job too, as those
  // of dmarc_exporter backfill. single is for pages about one instance, of many;
  // scoped ones know jobs and instances. alerts are the names of those that the
  // page shows when they fire.
  new(c, uid, title, description, parts, alerts, rows, variables=[], from=null, loose=false, single=false, scoped=true):: d.page(c, uid, title, description, if from != null then from else c.dashboardFrom, 'prometheus') + {
    local page = self,
    local targets(more) = '{' + std.join(', ', [m for m in ['__name__=~"%s"' % exporters.names(parts)] + (if std.length(parts) == 1 then [c.selectors[parts[0]]] else [c.selectors.suite]) + more if m != '']) + '}',
    local cluster = '%s=~"$cluster"' % c.clusterLabel,
    local selector = std.join(', ', [cluster, 'job=~"$job"', 'instance=~"$instance"']),
    local now = d.row('Now', [firing(c, alerts, if scoped then cluster + ', job=~"$job|", instance=~"$instance|"' else cluster + ', slo=~"$slo"')]),

    annotations: {
      list: [
        {
          name: 'Alerts',
          datasource: datasource,
          enable: true,
          hide: false,
          iconColor: 'red',
          expr: 'count by (alertname) (ALERTS{alertstate="firing", suite="%s", alertname!="%s"})' % [c.suite, watchdog],
          titleFormat: '{{alertname}}',
          step: '60s',
          useValueForTime: false,
        },
        {
          name: 'Restarts',
          datasource: datasource,
          enable: true,
          hide: false,
          iconColor: 'blue',
          expr: 'count by (job) (changes(process_start_time_seconds{%s}[2m]) > 0)' % (if scoped then selector else cluster),
          titleFormat: 'Restart of {{job}}',
          step: '60s',
          useValueForTime: false,
        },
      ],
    },
    templating: {
      list: [
        page.source,
        variable('cluster', 'Cluster', 'label_values(%s, %s)' % [targets([]), c.clusterLabel], {
          allValue: '.*',
          hide: if c.showMultiCluster then 0 else 2,
        }),
      ] + (if !scoped then [] else [
             // All is all of the suite, not all that Prometheus knows.
             variable('job', 'Job', 'label_values(%s, job)' % targets([cluster]), { allValue: if loose then '.*' else null }),
             variable('instance', 'Instance', 'label_values(%s, instance)' % targets([cluster, 'job=~"$job"']), if single then { multi: false, includeAll: false, allValue: null, current: {} } else { allValue: '.*' }),
           ]) + variables,
    },
    panels: d.panels([now] + rows, selector),
  },

  // ofSQL is a dashboard of questions to PostgreSQL. Variables have a name, a label
  // and a question.
  ofSQL(c, uid, title, description, rows, variables):: d.page(c, uid, title, description, 'now-30d', panel.sources.sql.type) + {
    local page = self,
    annotations: { list: [] },
    templating: {
      list: [page.source] + [
        variable(v[0], v[1], v[2], { datasource: panel.sources.sql, query: v[2], allValue: null })
        for v in variables
      ],
    },
    panels: d.panels(rows, ''),
  },
}
