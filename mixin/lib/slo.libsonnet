// SLOs as data: events of three kinds, and what is made of them.
//
// Errors and events are recorded as rates once a minute; these two are the only
// rules that touch raw series. A window is the sum of errors by the sum of
// events in it, so that a minute weighs as much as its traffic.
//
// Every sum keeps the labels of an environment (_config.groupLabels): an
// objective holds in each. They are written as @ in the expressions of events.
local a = import 'alert.libsonnet';
local minutes = a.minutes;
local labels(l) = std.join(', ', ['%s="%s"' % [k, l[k]] for k in std.objectFields(l)]);
// job is one that a selector matches, for tests.
local job(selector) = if std.length(std.findSubstr('job=', selector)) == 0 && std.length(std.findSubstr('job=~', selector)) == 0 then 'job="any"' else 'job="%s"' % std.split(std.split(selector, '"')[1], '|')[0];
local match(list) = '{' + std.join(', ', [m for m in list if m != null && m != '']) + '}';
// windows are those that burn rates are measured over, shortest first.
local windows(c) = std.uniq(std.sort(std.flattenArrays([[w.short, w.long] for w in c.slo.windows]), minutes));

{
  // status: a counter whose bad events carry the matcher bad; only narrows all
  // of them. In tests, the label with two values has the good and the bad one.
  status(selector, metric, bad, example, only=null):: {
    metric: metric,
    total: 'sum by (@) (rate(%s%s[5m]))' % [metric, match([selector, only])],
    // Before the first failure there may be no series of failures.
    errors: 'sum by (@) (rate(%s%s[5m])) or 0 * sum by (@) (rate(%s%s[5m]))' % [metric, match([selector, only, bad]), metric, match([selector, only])],
    local series(i) = '%s{%s, %s}' % [metric, job(selector), labels({
      [k]: if std.isArray(example[k]) then example[k][i] else example[k]
      for k in std.objectFields(example)
    })],
    input(pieces, born=false, float=false):: {
      [series(0)]: $.steps([p { n: p.n * (1 - p.ratio) } for p in pieces]),
      // A born series begins with its first error.
      [series(1)]: if born
      then '_x%d %s' % [pieces[0].m - 1, $.steps([p { n: p.n * p.ratio } for p in pieces[1:]], 1)]
      else $.steps([p { n: p.n * p.ratio } for p in pieces]),
    },
  },

  // bucket: a histogram of which what is above le is bad. Prometheus 3 stores
  // le="1" as le="1.0"; both are matched.
  bucket(selector, metric, le, example):: {
    metric: metric,
    le: le,
    whole:: !std.member(le, '.'),
    local at = if self.whole then 'le=~"%s|%s\\\\.0"' % [le, le] else 'le="%s"' % le,
    total: 'sum by (@) (rate(%s_count%s[5m]))' % [metric, match([selector])],
    errors: 'clamp_min(sum by (@) (rate(%s_count%s[5m])) - sum by (@) (rate(%s_bucket%s[5m])), 0)' % [metric, match([selector]), metric, match([selector, at])],
    local name(suffix, more='') = '%s_%s{%s, %s%s}' % [metric, suffix, job(selector), labels(example), more],
    input(pieces, born=false, float=false):: {
      [name('count')]: $.steps(pieces),
      [name('bucket', ', le="%s%s"' % [le, if float then '.0' else ''])]: $.steps([p { n: p.n * (1 - p.ratio) } for p in pieces]),
    },
  },

  // gauge: a look at each series once a minute is an event, bad if the
  // comparison holds. Tests have 20 series of which a share is bad.
  // matchers narrow the series, and of is an expression in its place.
  gauge(metric, selector, comparison, example, badValue, goodValue, matchers='', of=null):: {
    metric: metric,
    looks:: true,
    local series = if of != null then '(' + of + ')' else metric + match([selector, matchers]),
    total: 'sum by (@) (count_over_time(%s[5m:1m])) / 300' % series,
    errors: 'sum by (@) (sum_over_time((%s %s)[5m:1m])) / 300' % [series, comparison],
    local head = metric + '{' + labels({ job: std.split(job(selector), '"')[1] } + example) + ', instance="',
    input(pieces, born=false, float=false)::
      local bad(p) = (if std.get(p, 'below', false) then std.floor else std.ceil)(p.ratio * 20);
      local cells = [{ v: std.join('', [if i < bad(p) then 'b' else 'g' for p in pieces]), i: i } for i in std.range(0, 19)];
      local texts = {
        [k]: std.join(' ', [(if k[n] == 'b' then badValue else goodValue) + 'x' + (pieces[n].m - 1) for n in std.range(0, std.length(pieces) - 1)])
        for k in std.set([x.v for x in cells])
      };
      { [head + x.i + '"}']: texts[x.v] for x in cells },
  },

  // steps writes a counter that grows by n a minute for m minutes, piece by piece.
  steps(pieces, start=0):: std.join(' ', std.foldl(
    function(acc, p)
      local base = if std.get(p, 'reset', false) then 0 else acc.at;
      {
        at: base + p.n * p.m,
        out: acc.out + ['%.10g+%.10gx%d' % [base + (if acc.out == [] then 0 else p.n), p.n, p.m - 1]],
      },
    pieces,
    { at: start, out: [] }
  ).out),

  // check holds what an SLO must be for its alerts to be able to fire.
  check(c, slos)::
    assert std.length(std.set([s.name for s in slos])) == std.length(slos) : 'two objectives have the same name';
    [
      {
        alerting: true,
        budget: 1 - self.objective,
        allowed: '%g %%' % (self.budget * 100),
        selector: 'slo="%s"' % self.name,
        labels: { slo: s.name, suite: c.suite },
      } + s + {
        assert self.objective > 0 && self.objective < 1 : s.name + ': the objective is not a share',
        assert !self.alerting || std.all([w.factor * self.budget < 1 for w in c.slo.windows]) : s.name + ': a burn rate can never be reached',
        assert std.all([minutes(w.short) < minutes(w.long) for w in c.slo.windows]) : 'a short window is not shorter than its long one',
        assert std.all([minutes(w.long) <= minutes(c.slo.period) for w in c.slo.windows]) : 'a window is longer than the period',
        assert !std.objectHas(s.events, 'le') || std.member($.buckets[s.events.metric], s.events.le) : s.name + ': the threshold is no bucket boundary',
      }
      for s in slos
      if std.member(['any', 'application'] + c.parts, std.get(s, 'part', 'any'))
    ],

  // buckets are the boundaries of the histograms that SLOs use; a test compares
  // them with what the exporters expose.
  buckets:: {
    nginx_access_request_duration_seconds: ['0.005', '0.01', '0.025', '0.05', '0.1', '0.2', '0.3', '0.5', '1', '2', '2.5', '5', '10', '30'],
    http_request_duration_seconds: ['0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10'],
    db_query_duration_seconds: ['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10'],
    dmarc_ingestion_freshness_seconds: ['60', '300', '900', '1800', '3600', '7200', '14400', '86400'],
  },

  local ratio(s, w) =
    'sum_over_time(slo:errors:rate5m{' + s.selector + '}[' + w + ']) / (sum_over_time(slo:events:rate5m{' + s.selector + '}[' + w + ']) > 0)',

  recordings(c, slos):: [
    {
      name: 'dmarc-suite-slo-' + s.name,
      interval: '%ds' % c.slo.interval,
      local record(name, expr) = { record: name, expr: std.strReplace(a.clean(expr), '@', std.join(', ', c.groupLabels)), labels: s.labels },
      rules: [
        record('slo:events:rate5m', s.events.total),
        record('slo:errors:rate5m', s.events.errors),
        record('slo:error_ratio:rate5m', 'slo:errors:rate5m{%s} / (slo:events:rate5m{%s} > 0)' % [s.selector, s.selector]),
      ] + [
        record('slo:error_ratio:rate' + w, ratio(s, w))
        for w in windows(c)
        if w != '5m'
      ] + [record('slo:objective:ratio', '%g + 0 * slo:events:rate5m{%s}' % [s.objective, s.selector])],
    }
    for s in slos
  ] + [
    {
      // The period is read less often, and from the recordings only.
      name: 'dmarc-suite-slo-period',
      interval: '%ds' % c.slo.periodInterval,
      rules: std.flattenArrays([
        [
          {
            record: 'slo:error_ratio:rate' + c.slo.period,
            expr: ratio(s, c.slo.period),
            labels: s.labels,
          },
          {
            record: 'slo:error_budget:remaining_ratio',
            // The budget is that of a whole period: of what was seen of it yet,
            // bad events spend their share. Rounded, so that nobody reads
            // 1e-14 % in an alert.
            expr: 'round(1 - slo:error_ratio:rate%s{%s} / %.6g * clamp_max(count_over_time(slo:events:rate5m{%s}[%s:%s]) / %d, 1), 0.0001)' % [
              c.slo.period,
              s.selector,
              s.budget,
              s.selector,
              c.slo.period,
              c.slo.periodStep,
              minutes(c.slo.period) / minutes(c.slo.periodStep),
            ],
            labels: s.labels,
          },
        ]
        for s in slos
      ]),
    },
  ],

  local annotations(c, name, summary, description) = {
    summary: summary,
    description: description,
    runbook_url: std.strReplace(c.runbookURL, '%s', name),
    dashboard_url: a.link(c, 'dmarc-slos'),
  },

  local enough(c, s, window) =
    'sum_over_time(slo:errors:rate5m{' + s.selector + '}[' + window + ']) * ' + c.slo.interval + ' >= ' + c.slo.minErrors,

  alerts(c, slos):: [
    {
      name: 'dmarc-suite-slo-%s-alerts' % s.name,
      rules: [
        {
          alert: 'SLOBudgetBurn' + w.name,
          local limit = '%.6g' % (w.factor * s.budget),
          local burns(window) = 'slo:error_ratio:rate' + window + '{' + s.selector + '} > ' + limit,
          expr: burns(w.long) + '\n  and ' + burns(w.short) + '\n  and ' + enough(c, s, w.long),
          'for': c.wait(w['for']),
          keep_firing_for: c.wait('5m'),
          labels: { severity: w.severity } + s.labels,
          annotations: annotations(
            c,
            'SLOBudgetBurn' + w.name,
            'An SLO spends its error budget too fast, by the last ' + w.name + '.',
            s.title + ': {{ $value | humanizePercentage }} of the events of the last ' + w.long + ' were bad; the objective allows ' + s.allowed + '. At ' + w.factor + ' times, ' + w.long + ' spend ' + w.spent + ' of the budget of ' + c.slo.period + '.'
          ),
        }
        for w in c.slo.windows
      ] + [
        {
          alert: p.alert,
          expr: 'slo:error_budget:remaining_ratio{' + s.selector + '} < ' + p.below + '\n  and ' + enough(c, s, c.slo.period),
          'for': c.wait('10m'),
          labels: { severity: p.severity } + s.labels,
          annotations: annotations(
            c,
            p.alert,
            'An SLO has little of its error budget left.',
            s.title + ': {{ $value | humanizePercentage }} of the error budget of the last ' + c.slo.period + ' is left. ' + p.action
          ),
        }
        for p in c.slo.policy
      ] + [
        {
          alert: 'SLONoData',
          // What never was is not missed; inhibitions mute it while the
          // exporter is known to be down.
          expr: 'max without (__name__) (max_over_time(slo:events:rate5m{%s}[7d:10m])) > 0\n  unless slo:events:rate5m{%s}' % [s.selector, s.selector],
          'for': c.wait('15m'),
          labels: { severity: 'warning' } + s.labels,
          annotations: annotations(
            c,
            'SLONoData',
            'An SLO has no events to measure.',
            s.title + ': {{ $labels.slo }} had events within the last week, and what it measures is not exposed any more for 15 minutes.'
          ),
        },
      ],
    }
    for s in slos
    if s.alerting
  ],

  // tests are the cases that every SLO must pass. A case says what is fed
  // (pieces of m minutes with n events a minute and a share of bad ones), at
  // which minute to look, and which alerts fire then.
  tests(c, slos):: (import 'slotests.libsonnet').cases(c, [s for s in slos if s.alerting]),

  docs(c, slos):: (import 'slodocs.libsonnet').text(c, slos),
}
