// The SLO dashboard: one row for each objective, and the detail of those chosen.
local d = import '../lib/dashboard.libsonnet';
local s = (import '../lib/panel.libsonnet').signal;

function(c, slos)
  local chosen = 'slo=~"$slo"';
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
  local percent = [{ id: 'unit', value: 'percentunit' }, { id: 'decimals', value: 2 }];
  local wide = { span: 12, height: 9 };

  d.new(c, 'dmarc-slos', 'DMARC / SLOs', 'Objectives over the last %s, what is left of their error budgets, and how fast these are spent.' % period, c.selectors.suite, [
    d.row('Objectives over the last ' + period + ', rolling', [
      s('Objectives', 'short', 'Each objective: target, what was measured, budget left, burn rates, and days until the budget is spent at the rate of the last 3 days. docs/slos.md explains them.', [
        ['max by (slo) (slo:objective:ratio{%s})' % chosen, 'Objective'],
        ['max by (slo) (1 - slo:error_ratio:rate%s{%s})' % [period, chosen], 'Measured'],
        ['max by (slo) (slo:error_budget:remaining_ratio{%s})' % chosen, 'Budget left'],
        ['max by (slo) (%s)' % rate('1h'), 'Burn 1 h'],
        ['max by (slo) (%s)' % rate('6h'), 'Burn 6 h'],
        ['max by (slo) (%s)' % rate('3d'), 'Burn 3 d'],
        ['max by (slo) (clamp_min(slo:error_budget:remaining_ratio{%s}, 0) * 30 / (%s > 0))' % [chosen, rate('3d')], 'Days left'],
      ], {
        kind: 'table',
        by: 'slo',
        span: 24,
        height: 11,
        noValue: '–',
        columns: {
          Objective: percent,
          Measured: percent,
          'Budget left': gauge([0.1, 0.25, 0.5]),
          'Burn 1 h': burn,
          'Burn 6 h': burn,
          'Burn 3 d': burn,
          'Days left': [{ id: 'unit', value: 'short' }, { id: 'decimals', value: 1 }],
        },
        overrides: [{
          matcher: { id: 'byName', options: 'slo' },
          properties: [{ id: 'links', value: [{ title: 'Show ${__value.text} below', url: '/d/dmarc-slos?var-slo=${__value.text}&${datasource:queryparam}' }] }],
        }],
      }),
    ]),
    d.row('Budgets', [
      s('Budget left', 'percentunit', 'What is left of each error budget. Below 50 % be cautious, below 25 % freeze what is not critical, below 10 % freeze.', [['slo:error_budget:remaining_ratio{%s}' % chosen, '{{slo}}']], wide { max: 1, thresholds: [[null, 'red'], [0.1, 'orange'], [0.25, 'yellow'], [0.5, 'green']] }),
      s('Burn rate, 1 hour', 'short', 'How many times too fast the budget is spent. At 14.4 a page is sent, and 1 is just as fast as the objective allows.', [[rate('1h'), '{{slo}}']], wide { min: 0, thresholds: [[null, 'green'], [c.slo.windows[0].factor, 'red']] }),
      s('Burn rate, 6 hours', 'short', 'How many times too fast the budget is spent. At 6 a page is sent.', [[rate('6h'), '{{slo}}']], wide { min: 0, thresholds: [[null, 'green'], [c.slo.windows[1].factor, 'red']] }),
      s('Burn rate, 3 days', 'short', 'How many times too fast the budget is spent. At 1 a ticket is opened.', [[rate('3d'), '{{slo}}']], wide { min: 0, thresholds: [[null, 'green'], [c.slo.windows[3].factor, 'red']] }),
    ]),
    d.row('Events', [
      s('Events', 'cps', 'Events a second that an objective measures.', [['slo:events:rate5m{%s}' % chosen, '{{slo}}']], wide { min: 0 }),
      s('Bad events', 'percentunit', 'Share of the events of the last 5 minutes that were bad.', [['slo:error_ratio:rate5m{%s}' % chosen, '{{slo}}']], wide { min: 0 }),
    ]),
    d.row('Alerts', [
      s('Firing', 'short', 'Alerts of objectives that fire or are pending.', [['count by (slo, alertname, alertstate, severity) (ALERTS{%s})' % chosen, 'Alerts']], { kind: 'table', by: 'slo', span: 24, height: 6, noValue: 'none' }),
    ]),
  ], variables=[d.variable('slo', 'Objective', 'label_values(slo:objective:ratio, slo)')], from='now-30d')
