// Dashboards from rows of signals.
local panel = import 'panel.libsonnet';
local exporters = import 'parts.libsonnet';
local datasource = { type: 'prometheus', uid: '${datasource}' };

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

// place gives panels their positions: from left to right, a new line when the
// 24 columns are full.
local place(rows) =
  local step(acc, p) =
    local wraps = acc.x + p.gridPos.w > 24 || p.type == 'row';
    local x = if wraps then 0 else acc.x;
    local y = if wraps then acc.y + acc.h else acc.y;
    local h = if wraps then p.gridPos.h else std.max(acc.h, p.gridPos.h);
    {
      x: x + p.gridPos.w,
      y: y,
      h: h,
      out: acc.out + [p { id: std.length(acc.out) + 1, gridPos+: { x: x, y: y } }],
    };
  std.foldl(step, rows, { x: 0, y: 0, h: 0, out: [] }).out;

{
  variable:: variable,

  // row is a title and its signals.
  row(title, signals):: { title: title, signals: signals },

  // parts are the exporters that the variables offer, known by what they expose:
  // their jobs may have any name. loose shows series without a job too, as those
  // of dmarc_exporter backfill.
  new(c, uid, title, description, parts, rows, variables=[], from=null, loose=false):: {
    local targets(more) = '{' + std.join(', ', [m for m in ['__name__=~"%s"' % exporters.names(parts)] + (if std.length(parts) == 1 then [c.selectors[parts[0]]] else [c.selectors.suite]) + more if m != '']) + '}',
    local cluster = '%s=~"$cluster"' % c.clusterLabel,
    local selector = std.join(', ', [cluster, 'job=~"$job"', 'instance=~"$instance"']),

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
    time: { from: if from != null then from else c.dashboardFrom, to: 'now' },
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
    annotations: {
      list: [
        {
          name: 'Alerts',
          datasource: datasource,
          enable: true,
          hide: false,
          iconColor: 'red',
          expr: 'count by (alertname) (ALERTS{alertstate="firing", suite="%s"})' % c.suite,
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
          expr: 'count by (job) (changes(process_start_time_seconds{%s}[2m]) > 0)' % selector,
          titleFormat: 'Restart of {{job}}',
          step: '60s',
          useValueForTime: false,
        },
      ],
    },
    templating: {
      list: [
        {
          type: 'datasource',
          name: 'datasource',
          label: 'Data source',
          query: 'prometheus',
          current: { text: 'default', value: 'default', selected: true },
          hide: 0,
          includeAll: false,
          multi: false,
          options: [],
          refresh: 1,
          regex: '',
          skipUrlSync: false,
        },
        variable('cluster', 'Cluster', 'label_values(%s, %s)' % [targets([]), c.clusterLabel], {
          allValue: '.*',
          hide: if c.showMultiCluster then 0 else 2,
        }),
        // All is all of the suite, not all that Prometheus knows.
        variable('job', 'Job', 'label_values(%s, job)' % targets([cluster]), { allValue: if loose then '.*' else null }),
        variable('instance', 'Instance', 'label_values(%s, instance)' % targets([cluster, 'job=~"$job"']), { allValue: '.*' }),
      ] + variables,
    },
    panels: place(std.flattenArrays([
      [{ type: 'row', title: r.title, collapsed: false, panels: [], gridPos: { w: 24, h: 1 } }] + [
        panel.panel(s, selector) + { gridPos: { w: s.span, h: s.height } }
        for s in r.signals
      ]
      for r in rows
    ])),
  },
}
