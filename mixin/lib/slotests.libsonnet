// The cases every SLO must pass, all SLOs at once: each has series of its own.
local burn(c) = ['SLOBudgetBurn' + w.name for w in c.slo.windows];

{
  cases(c, slos)::
    local names = [s.name for s in slos];
    local feed(pieces, born=false, float=false, only=slos) = std.foldl(
      function(all, s) all + s.events.input([p { n: p.n * std.get(s, 'scale', 1) } for p in pieces(s)], born, float), only, {}
    );
    local ended(series) = { [k]: series[k] + ' stale' for k in std.objectFields(series) };
    local share(w, s, by) = std.min(1, w.factor * s.budget * by);
    // Alerts that wait for hours are evaluated less often, to be quick.
    local every = { '1h': 1, '6h': 1, '1d': 5, '3d': 10 };
    local enough = { '1h': 10, '6h': 25, '1d': 100, '3d': 250 };
    // What is left of budgets is fed as it is recorded: nobody waits a month.
    local left(share) = std.foldl(function(all, s) all {
      ['slo:error_budget:remaining_ratio{slo="%s", suite="%s"}' % [s.name, c.suite]]: '%gx45' % share,
      ['slo:errors:rate5m{slo="%s", suite="%s"}' % [s.name, c.suite]]: '1x45',
    }, slos, {});
    local looks(s) = std.get(s.events, 'looks', false);

    std.flattenArrays([
      [
        {
          name: '%s: above %g times' % [w.name, w.factor],
          series: feed(function(s) [{ n: 1200, m: enough[w.name], ratio: share(w, s, 1.1) }]),
          every: every[w.name],
          checks: [{ at: enough[w.name] - every[w.name], alert: 'SLOBudgetBurn' + w.name, slos: names }],
        },
        {
          name: '%s: below %g times' % [w.name, w.factor],
          series: feed(function(s) [{ n: 1200, m: enough[w.name], ratio: share(w, s, 0.9), below: true }]),
          every: every[w.name],
          checks: [{ at: enough[w.name] - every[w.name], alert: 'SLOBudgetBurn' + w.name, slos: [] }],
        },
      ]
      for w in c.slo.windows
    ]) + std.flattenArrays([
      [
        {
          name: '%s: less than %g left' % [p.alert, p.below],
          series: left(p.below - 0.05),
          every: 5,
          checks: [{ at: 40, alert: p.alert, slos: names }],
        },
        {
          name: '%s: more than %g left' % [p.alert, p.below],
          series: left(p.below + 0.05),
          every: 5,
          checks: [{ at: 40, alert: p.alert, slos: [] }],
        },
      ]
      for p in c.slo.policy
    ]) + [
      {
        name: 'low traffic: one error among twelve events in an hour' + kind.of,
        series: feed(function(s) [{ n: 0.2, m: 50, ratio: 0 }, { n: 1, m: 1, ratio: 1 }, { n: 0.2, m: 10, ratio: 0 }], only=kind.slos),
        checks: [{ at: 54, alert: a, slos: [] } for a in burn(c) + ['SLOBudgetExhausted']],
      }
      // The errors of all classes together are enough for the objective that counts them.
      for kind in [
        { of: '', slos: [s for s in slos if !looks(s) && !std.objectHas(s, 'scale') && !std.objectHas(s, 'class')] },
        { of: ' of classes', slos: [s for s in slos if std.objectHas(s, 'class')][:2] },
      ]
      if kind.slos != []
    ] + [
      {
        name: 'no traffic: the counters stand still',
        series: feed(function(s) [{ n: 0, m: 30, ratio: 0 }]),
        checks: [{ at: 29, alert: a, slos: [] } for a in burn(c) + ['SLONoData', 'SLOBudgetHalfSpent']],
      },
      {
        name: 'first error: the series of errors begins with it',
        series: feed(function(s) [
          { n: 600, m: 35, ratio: 0 },
          { n: 600, m: 5, ratio: std.min(1, 2 * c.slo.windows[0].factor * s.budget) },
        ], born=true),
        checks: [{ at: 39, alert: a, slos: [] } for a in burn(c)],
      },
      {
        name: 'counter reset: the exporter restarts',
        series: feed(function(s) [{ n: 1200, m: 20, ratio: 0 }, { n: 1200, m: 10, ratio: 0, reset: true }]),
        checks: [{ at: 22, alert: a, slos: [] } for a in burn(c) + ['SLONoData', 'SLOBudgetHalfSpent']],
      },
      {
        name: 'no data: there were events, and they are not exposed any more',
        series: ended(feed(function(s) [{ n: 1200, m: 30, ratio: 0 }])),
        checks: [{ at: 60, alert: 'SLONoData', slos: names }],
      },
      {
        name: 'never any data: an objective that nobody measures',
        series: { 'up{job="any", instance="a"}': '1x60' },
        checks: [{ at: 50, alert: 'SLONoData', slos: [] }],
      },
      {
        name: 'recovery: all events fail for 15 minutes, then none',
        series: feed(function(s) [{ n: 1200, m: 15, ratio: 1 }, { n: 1200, m: 25, ratio: 0 }]),
        checks: [
          { at: 14, alert: 'SLOBudgetBurn1h', slos: names },
          { at: 35, alert: 'SLOBudgetBurn1h', slos: [] },
        ],
      },
      {
        name: 'le: whole boundaries as Prometheus 3 writes them',
        local whole = [s for s in slos if std.get(s.events, 'whole', false)],
        series: feed(function(s) [{ n: 1200, m: 20, ratio: 0 }], float=true, only=whole),
        checks: [{ at: 19, alert: a, slos: [] } for a in burn(c)],
      },
    ],
}
