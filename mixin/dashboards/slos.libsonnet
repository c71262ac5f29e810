// The SLO dashboard: one row for each objective, and the detail of those chosen.
local d = import '../lib/dashboard.libsonnet';
local s = (import '../lib/panel.libsonnet').signal;

function(c, slos)
  local chosen = '%s=~"$cluster", slo=~"$slo"' % c.clusterLabel;
  local period = c.slo.period;
  local gauge(good) = [
    { id: 'unit', value: 'percentunit' },
    { id: 'decimals', value: 1 },
    { id: 'min', value: 0 },
    { id: 'max', value: 1 },
    { id: 'custom.cellOptions', value: { type: 'gauge', mode: 'basic', valueDisplayMode: 'text' } },
    { id: 'thresholds', value: { mode: 'absolute', steps: [{ value: null, color: 'red' }] + [{ value: good[i], color: ['orange', 'yellow', 'green'][i] } for i in [0, 1, 2]] } },
  ];
  local burn = [
    { id: 'unit', value: 'short' },
    { id: 'decimals', value: 2 },
    { id: 'custom.cellOptions', value: { type: 'color-text' } },
    { id: 'thresholds', value: { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 1, color: 'orange' }, { value: 6, color: 'red' }] } },
  ];
  local rate(window) = 'slo:error_ratio:rate%s{%s} / (1 - slo:objective:ratio{%s})' % [window, chosen, chosen];
  // The windows shown: two that page, and the longest.
  local all = c.slo.windows;
  local shown = if std.length(all) > 3 then all[:2] + [all[std.length(all) - 1]] else all;
  local longest = all[std.length(all) - 1].long;
  local percent = [{ id: 'unit', value: 'percentunit' }, { id: 'decimals', value: 2 }];
  local wide = { span: 12, height: 9 };

  d.new(c, 'dmarc-slos', 'DMARC / SLOs', 'Objectives over the last %s, what is left of their error budgets, and how fast these are spent.' % period, c.parts, [
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
        height: 14,
        noValue: '–',
        columns: {
          Objective: percent,
          Measured: percent,
          'Budget left': gauge([0.1, 0.25, 0.5]),
          'Days left': [{ id: 'unit', value: 'none' }, { id: 'decimals', value: 1 }],
        } + { ['Burn ' + w.long]: burn for w in shown },
        overrides: [{
          matcher: { id: 'byName', options: 'slo' },
          properties: [{ id: 'links', value: [{ title: 'Show ${__value.text} below', url: '/d/dmarc-slos?var-slo=${__value.text}&${datasource:queryparam}' }] }],
        }],
      }),
    ]),
    d.row('Budgets', [
      s('Budget left', 'percentunit', 'What is left of each error budget. Below 50 % be cautious, below 25 % freeze what is not critical, below 10 % freeze.', [['slo:error_budget:remaining_ratio{%s}' % chosen, '{{slo}}']], wide { max: 1, thresholds: [[null, 'red'], [0.1, 'orange'], [0.25, 'yellow'], [0.5, 'green']] }),
    ] + [
      s('Burn rate, ' + w.long, 'short', 'How many times too fast the budget is spent. At %g, %s spend %s of the budget of %s, and a %s is sent.' % [w.factor, w.long, w.spent, period, if w.severity == 'critical' then 'page' else 'ticket'], [[rate(w.long), '{{slo}}']], wide { min: 0, thresholds: [[null, 'green'], [w.factor, 'red']] })
      for w in shown
    ]),
    d.row('Events', [
      s('Events', 'cps', 'Events a second that an objective measures.', [['slo:events:rate5m{%s}' % chosen, '{{slo}}']], wide { min: 0 }),
      s('Bad events', 'percentunit', 'Share of the events of the last 5 minutes that were bad.', [['slo:error_ratio:rate5m{%s}' % chosen, '{{slo}}']], wide { min: 0 }),
    ]),
    d.row('Alerts', [
      s('Firing', 'short', 'Alerts of objectives that fire or are pending.', [['count by (slo, alertname, alertstate, severity) (ALERTS{%s, suite="%s"})' % [chosen, c.suite], 'Alerts']], { kind: 'table', by: 'slo', span: 24, height: 6, noValue: 'none' }),
    ]),
  ], variables=[d.variable('slo', 'Objective', 'label_values(slo:objective:ratio, slo)')], from='now-30d')
