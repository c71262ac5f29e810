// The SLO dashboard: one row for each objective, and the detail of those chosen.
local d = import '../lib/dashboard.libsonnet';
local panel = import '../lib/panel.libsonnet';
local s = panel.signal;

function(c, slos, alerts)
  local chosen = '%s=~"$cluster", slo=~"$slo"' % c.clusterLabel;
  local period = c.slo.period;
  local left = [[null, 'red'], [0.1, 'orange'], [0.25, 'yellow'], [0.5, 'green']];
  local burn = [
    { id: 'unit', value: 'short' },
    { id: 'decimals', value: 2 },
    { id: 'custom.cellOptions', value: { type: 'color-text' } },
    { id: 'thresholds', value: { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 1, color: 'orange' }, { value: 6, color: 'red' }] } },
  ];
  local minutes = (import '../lib/alert.libsonnet').minutes;
  local rate(window) = 'slo:error_ratio:rate%s{%s} / (1 - slo:objective:ratio{%s})' % [window, chosen, chosen];
  // The windows shown: two that page, and the longest.
  local all = c.slo.windows;
  local shown = if std.length(all) > 3 then all[:2] + [all[std.length(all) - 1]] else all;
  local longest = all[std.length(all) - 1].long;
  local percent = [{ id: 'unit', value: 'percentunit' }, { id: 'decimals', value: 2 }];
  local wide = { span: 12, height: 9 };

  d.new(c, 'dmarc-slos', 'DMARC / SLOs', 'Objectives over the last %s, what is left of their error budgets, and how fast these are spent.' % period, c.parts, alerts, [
    d.row('Objectives over the last ' + period + ', rolling', [
      s('Objectives', 'short', 'Each objective: target, what was measured, budget left, burn rates, and days until the budget is spent at the rate of the last ' + longest + '. docs/slos.md explains them.', [
        ['max by (slo) (slo:objective:ratio{%s})' % chosen, 'Objective'],
        ['min by (slo) (1 - slo:error_ratio:rate%s{%s})' % [period, chosen], 'Measured'],
        ['min by (slo) (slo:error_budget:remaining_ratio{%s})' % chosen, 'Budget left'],
      ] + [
        ['max by (slo) (%s)' % rate(w.long), 'Burn ' + w.long]
        for w in shown
      ] + [
        ['min by (slo) (clamp_min(slo:error_budget:remaining_ratio{%s}, 0) * %s / (%s > 0))' % [chosen, std.rstripChars(period, 'd'), rate(longest)], 'Days left'],
      ], {
        kind: 'table',
        by: 'slo',
        span: 24,
        height: 18,
        noValue: '–',
        sortBy: { displayName: 'Budget left', desc: false },
        columns: {
          Objective: percent,
          Measured: percent,
          'Budget left': panel.share(left),
          'Days left': [{ id: 'unit', value: 'none' }, { id: 'decimals', value: 1 }],
        } + { ['Burn ' + w.long]: burn for w in shown },
        overrides: [panel.to('slo', 'dmarc-slos', 'Show ${__value.text} below', more='${cluster:queryparam}&')],
      }),
    ]),
    d.row('Burn-down', [
      s('Burn-down', 'percentunit', 'What bad events left of a budget that began with the range shown, beside the ideal that spends all of it evenly. Choose one objective. A line below the ideal will not last.', [
        // Steps of the subqueries are as wide as what they average: nothing falls
        // between them, and a page of a few minutes has points as one of a month.
        ['1 - sum by (slo) (sum_over_time((avg_over_time(slo:errors:rate5m{%s}[$__interval]) * (time() > bool $__from / 1000))[$__range:$__interval])) / sum by (slo) ((1 - slo:objective:ratio{%s}) * sum_over_time(avg_over_time(slo:events:rate5m{%s}[$__interval])[$__range:$__interval] @ end()))' % [chosen, chosen, chosen], '{{slo}}'],
        ['vector(1 - (time() - $__from / 1000) / $__range_s)', 'ideal'],
      ], { span: 16, height: 9, every: '1m', points: 500, coloured: false, noValue: 'nothing was recorded in this range', overrides: [{ matcher: { id: 'byName', options: 'ideal' }, properties: [
        { id: 'color', value: { mode: 'fixed', fixedColor: 'text' } },
        { id: 'custom.lineStyle', value: { fill: 'dash', dash: [10, 10] } },
      ] }] }),
      s('Bad events left', 'short', 'How many more events may be bad until the budget is spent, at the mean rate of events of the last %s.' % period, [
        ['floor(min by (slo) (slo:error_budget:remaining_ratio{%s} * (1 - slo:objective:ratio{%s}) * avg_over_time(slo:events:rate5m{%s}[%s])) * %d)' % [chosen, chosen, chosen, period, minutes(period) * 60], 'Left'],
        ['ceil(sum by (slo) (avg_over_time(slo:errors:rate5m{%s}[1d])) * 86400)' % chosen, 'Bad, 1 day'],
      ], { kind: 'table', by: 'slo', span: 8, height: 9, sortBy: { displayName: 'Left', desc: false }, columns: { Left: [
        { id: 'custom.cellOptions', value: { type: 'color-text' } },
        { id: 'thresholds', value: { mode: 'absolute', steps: [{ value: null, color: 'red' }, { value: 1, color: 'text' }] } },
      ] } }),
    ]),
    d.row('Budgets', [
      s('Budget left', 'percentunit', 'What is left of each error budget. Below 50 % be cautious, below 25 % freeze what is not critical, below 10 % freeze.', [['slo:error_budget:remaining_ratio{%s}' % chosen, '{{slo}}']], wide { max: 1, thresholds: left, coloured: false }),
    ] + [
      s('Burn rate, ' + w.long, 'short', 'How many times too fast the budget is spent. At %g, %s spend %s of the budget of %s, and a %s is sent.' % [w.factor, w.long, w.spent, period, if w.severity == 'critical' then 'page' else 'ticket'], [[rate(w.long), '{{slo}}']], wide { min: 0, coloured: false, thresholds: [[null, 'green'], [w.factor, 'red']] })
      for w in shown
    ]),
    d.detail('Events', [
      s('Events', 'cps', 'Events a second that an objective measures.', [['slo:events:rate5m{%s}' % chosen, '{{slo}}']], wide { min: 0, coloured: false }),
      s('Bad events', 'percentunit', 'Share of the events of the last 5 minutes that were bad.', [['slo:error_ratio:rate5m{%s}' % chosen, '{{slo}}']], wide { min: 0, coloured: false }),
    ]),
  ], variables=[d.variable('slo', 'Objective', 'label_values(slo:objective:ratio{%s=~"$cluster"}, slo)' % c.clusterLabel)], from='now-' + period, scoped=false)
