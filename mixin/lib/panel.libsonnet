// Signals become panels. A signal is a metric once: title, unit, description,
// expressions and legends; a dashboard says only where and how large it is.
local sources = {
  prometheus: { type: 'prometheus', uid: '${datasource}' },
  sql: { type: 'grafana-postgresql-datasource', uid: '${datasource}' },
};
local datasource(s) = if s.sql then sources.sql else sources.prometheus;

// colours are those of values that are good, bad or between, whatever panel shows
// them: legends that match a regular expression.
local colours = [
  ['red', '/fail|error|refused|invalid|reject|unauthenticated|critical|evicted|dropped|missing|misses|conflict|deadlock|rollback|^bad|^5[0-9x]{2}$/i'],
  ['orange', '/warning|quarantine|retry|pending|blocked|throttled|softfail|temp|unsigned|^4[0-9x]{2}$/i'],
  ['yellow', '/^(dkim_only|spf_only|duplicate|known|expired|stale|miss|bypass|processing|STARTED|twin)$/i'],
  ['blue', '/^3[0-9x]{2}$|^info$|waiting/i'],
  ['green', '/^(success|successful|succeeded|pass|passed|counted|aligned_both|aligned|authentic|completed|committed|commit|hits?|archived|none|stored|2[0-9x]{2})$/i'],
];

{
  sources:: sources,

  // signal describes what is shown. Targets are pairs of expression and legend;
  // %(s)s in an expression stands for the matchers of the dashboard's variables.
  // Where sql is set, they are questions to PostgreSQL.
  signal(title, unit, description, targets, more={}):: {
    title: title,
    unit: unit,
    description: description,
    targets: targets,
    min: null,
    max: null,
    decimals: null,
    kind: 'timeseries',
    // Bars stand where their hour or day ends, so the first one takes a while.
    noValue: if self.kind == 'table' then '–' else std.get({ '1h': 'nothing before this hour', '1d': 'nothing before today' }, if self.line then '' else self.every, 'no data'),
    thresholds: [],  // pairs of value and colour; the first has null
    mappings: [],
    stack: false,
    sql: false,
    valueless: false,  // a table of labels: the number says nothing
    bad: false,  // whatever is shown is bad, and red
    coloured: true,  // legends are values that are good or bad, and have their colours
    every: '30s',  // the least time between points; what counts by the hour or day has bars
    line: false,  // and yet it has lines
    span: 8,
    height: 8,
    links: [],
  } + more,

  up:: [{ type: 'value', options: {
    '0': { text: 'DOWN', color: 'red', index: 0 },
    '1': { text: 'UP', color: 'green', index: 1 },
  } }],

  local leads(column, links) = { matcher: { id: 'byName', options: column }, properties: [{ id: 'links', value: links }] },

  // to makes the values of a column lead to a page where a variable has that value,
  // and to others.
  to(column, uid, title, variable=column, more='${cluster:queryparam}&${job:queryparam}&', others=[]):: leads(column, [{
    title: title,
    url: '/d/%s?${datasource:queryparam}&%s${__url_time_range}&var-%s=${__value.text}' % [uid, more, variable],
  }] + others),

  // exporter is a link to a page of dmarc_exporter about a value, where it is known
  // at which address people reach these pages.
  exporter(c, title, route, name):: if c.pagesUrl == '' then [] else [{
    title: title,
    url: '%s/%s?%s=${__value.text}' % [std.rstripChars(c.pagesUrl, '/'), route, name],
    targetBlank: true,
  }],

  // toExporter makes the values of a column lead to such a page alone.
  toExporter(c, column, title, route, name)::
    local links = $.exporter(c, title, route, name);
    if links == [] then [] else [leads(column, links)],

  // page is a link of a panel to a page.
  page(title, uid):: { title: title, url: '/d/%s?${datasource:queryparam}&${cluster:queryparam}&${__url_time_range}' % uid, targetBlank: false },

  // share is how tables show a share: a bar, with colours from the threshold on.
  share(steps):: [
    { id: 'unit', value: 'percentunit' },
    { id: 'decimals', value: 1 },
    { id: 'min', value: 0 },
    { id: 'max', value: 1 },
    { id: 'custom.cellOptions', value: { type: 'gauge', mode: 'basic', valueDisplayMode: 'text' } },
    { id: 'thresholds', value: { mode: 'absolute', steps: [{ value: p[0], color: p[1] } for p in steps] } },
  ],

  // state is how tables show what is up or down.
  state(mappings):: [{ id: 'mappings', value: mappings }, { id: 'custom.cellOptions', value: { type: 'color-text' } }],

  local steps(pairs, default) = [
    { value: p[0], color: p[1] }
    for p in (if pairs == [] then [[null, default]] else pairs)
  ],

  local fieldConfig(s, custom, default='green', mode=null, fixed=null) = {
    defaults: std.prune({
      unit: s.unit,
      min: s.min,
      max: s.max,
      decimals: s.decimals,
    }) + {
      noValue: s.noValue,
      mappings: s.mappings,
      custom: custom,
      color: { mode: if mode != null then mode else if s.thresholds == [] then 'palette-classic' else 'thresholds', [if mode == 'shades' then 'fixedColor']: fixed },
      thresholds: { mode: 'absolute', steps: steps(s.thresholds, default) },
    },
    overrides: [],
  },

  local targets(s, selector, instant=false, format='time_series', exemplar=false) = [
    { refId: std.char(65 + i), datasource: datasource(s), editorMode: 'code', format: format } + if s.sql then {
      rawQuery: true,
      rawSql: std.strReplace(std.rstripChars(s.targets[i][0], '\n'), '\n', ' '),
    } else {
      expr: std.strReplace(s.targets[i][0], '%(s)s', selector),
      legendFormat: s.targets[i][1],
      instant: instant,
      range: !instant,
      exemplar: exemplar,
    }
    for i in std.range(0, std.length(s.targets) - 1)
  ],

  local base(s, type) = {
    type: type,
    title: s.title,
    description: s.description,
    datasource: datasource(s),
    links: s.links,
    transformations: [],
    // A day's bars in a dashboard of hours show a month.
    [if std.objectHas(s, 'timeFrom') then 'timeFrom']: s.timeFrom,
  },

  local bars(s) = std.member(['1h', '1d'], s.every),

  timeseries(s, selector):: base(s, 'timeseries') + {
    interval: s.every,
    [if std.objectHas(s, 'points') then 'maxDataPoints']: s.points,  // at most, for what is dear
    targets: targets(s, selector, exemplar=std.get(s, 'exemplars', false)),
    fieldConfig: fieldConfig(s, {
      drawStyle: if bars(s) && !s.line then 'bars' else 'line',
      lineWidth: 1,
      fillOpacity: if bars(s) && !s.line then 80 else if s.stack then 30 else 0,
      showPoints: 'never',
      spanNulls: false,
      lineInterpolation: 'linear',
      axisPlacement: 'auto',
      // The line of the threshold is on the axis, however small the values are;
      // a line at zero would have an axis up to 100, or 10,000 %.
      [if s.max == null then 'axisSoftMax']: std.foldl(
        function(most, p) if p[0] == null then most else std.max(most, p[0] * 1.1),
        s.thresholds,
        std.get({ percentunit: 0.01, s: 0.001, Bps: 1000, bytes: 1000 }, s.unit, 1)
      ),
      stacking: { mode: if s.stack then 'normal' else 'none', group: 'A' },
      thresholdsStyle: { mode: if s.thresholds == [] then 'off' else 'dashed' },
    }, mode=if s.bad then 'shades' else 'palette-classic', fixed='red') + {
      overrides: [
        { matcher: { id: 'byRegexp', options: c[1] }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: c[0] } }] }
        for c in colours
        if s.coloured && !s.bad
      ] + std.get(s, 'overrides', []),
    },
    options: {
      // Wide panels have room for the numbers beside the lines.
      legend: { showLegend: true } + (
        if s.span >= 12 then { displayMode: 'table', placement: 'right', calcs: ['lastNotNull', 'max'] } else { displayMode: 'list', placement: 'bottom', calcs: [] }
      ),
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  },

  local many(s) = std.length(s.targets) > 1 || std.member(s.targets[0][1], '{'),

  stat(s, selector):: base(s, 'stat') + {
    targets: targets(s, selector, instant=true, format=if s.sql then 'table' else 'time_series'),
    fieldConfig: fieldConfig(s, {}, if s.mappings != [] then 'text' else 'blue', 'thresholds'),
    options: {
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      colorMode: if s.thresholds == [] && s.mappings == [] then 'none' else 'background',
      graphMode: 'none',
      justifyMode: 'auto',
      orientation: 'auto',
      // Several values are easier to compare in letters of one size.
      [if many(s) then 'text']: { titleSize: 13, valueSize: if s.height > 5 then 40 else 24 },
      textMode: if many(s) then 'value_and_name' else 'auto',
      wideLayout: true,
    },
  },

  bargauge(s, selector):: base(s, 'bargauge') + {
    targets: targets(s, selector, instant=true),
    fieldConfig: fieldConfig(s, {}, 'blue', 'thresholds'),
    options: {
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      displayMode: 'gradient',
      orientation: 'horizontal',
      showUnfilled: true,
      valueMode: 'color',
      namePlacement: 'auto',
      // Larger names are cut.
      text: { titleSize: 14, valueSize: 24 },
      sizing: 'auto',
      minVizWidth: 8,
      minVizHeight: 16,
      maxVizHeight: 300,
    },
  },

  // table shows one row for each value of the label by, and a column for each target.
  table(s, selector):: base(s, 'table') + {
    targets: targets(s, selector, instant=true, format='table'),
    fieldConfig: fieldConfig(s, { align: 'auto', cellOptions: { type: 'auto' }, inspect: false, filterable: s.sql || std.objectHas(s, 'sortBy'), minWidth: 80 }, 'text', 'thresholds') + {
      // What an empty table says is not what an empty cell says.
      overrides: (if s.noValue == '–' then [] else [{ matcher: { id: 'byRegexp', options: '/.+/' }, properties: [{ id: 'noValue', value: '–' }] }]) + [
        {
          matcher: { id: 'byName', options: name },
          properties: s.columns[name],
        }
        for name in if s.sql then std.objectFields(s.columns) else [t[1] for t in s.targets]
        if std.objectHas(std.get(s, 'columns', {}), name)
      ] + (if s.sql || s.by == 'instance' then [] else [{ matcher: { id: 'byName', options: 'instance' }, properties: [{ id: 'custom.width', value: 190 }] }]) + std.get(s, 'overrides', []),
    },
    options: { showHeader: true, cellHeight: 'sm' } + (if !std.objectHas(s, 'sortBy') then {} else {
                                                         // The worst rows come first, and the footer adds up all of them.
                                                         sortBy: [s.sortBy],
                                                         footer: { show: true, reducer: ['sum'], countRows: false, enablePagination: true, fields: std.get(s, 'sums', []) },
                                                       }),
    transformations: if s.sql then [] else [
      { id: 'merge', options: {} },
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true, __name__: true } + { [if s.valueless then 'Value']: true },
          indexByName: { instance: 1 } + { [s.by]: 0 } + { ['Value #' + std.char(65 + i)]: i + 10 for i in std.range(0, std.length(s.targets) - 1) },
          renameByName: { ['Value' + (if std.length(s.targets) > 1 then ' #' + std.char(65 + i) else '')]: s.targets[i][1] for i in std.range(0, std.length(s.targets) - 1) },
        },
      },
    ],
  },

  // geomap shows a circle for each country: size, lookup and colour are columns.
  geomap(s, selector):: base(s, 'geomap') + {
    targets: targets(s, selector, format='table'),
    fieldConfig: fieldConfig(s, {}, 'blue', 'thresholds') + {
      overrides: [{ matcher: { id: 'byName', options: k }, properties: s.columns[k] } for k in std.objectFields(s.columns)],
    },
    options: {
      view: { id: 'zero', lat: 20, lon: 0, zoom: 1, allLayers: true },
      basemap: { type: 'default', name: 'Layer 0' },
      controls: { showZoom: true, mouseWheelZoom: false, showAttribution: true, showScale: false, showMeasure: false, showDebug: false },
      tooltip: { mode: 'details' },
      layers: [{
        type: 'markers',
        name: s.title,
        tooltip: true,
        location: { mode: 'lookup', lookup: s.lookup, gazetteer: 'public/gazetteer/countries.json' },
        config: {
          showLegend: false,
          style: { size: { field: s.size, min: 4, max: 30, fixed: 5 }, color: { field: s.colour, fixed: 'blue' }, opacity: 0.6, symbol: { mode: 'fixed', fixed: 'img/icons/marker/circle.svg' } },
        },
      }],
    },
  },

  panel(s, selector):: {
    timeseries: $.timeseries,
    stat: $.stat,
    bargauge: $.bargauge,
    table: $.table,
    geomap: $.geomap,
  }[s.kind](s, selector),
}
