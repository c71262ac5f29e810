// docs/slos.md, from the same list as the rules.
local percent(x) = '%g %%' % (std.round(x * 100000) / 1000);
local table(head, rows) = std.join('\n', [
  '| ' + std.join(' | ', r) + ' |'
  for r in [head, std.makeArray(std.length(head), function(i) '---')] + rows
]);

{
  text(c, slos):: |||
    # Service level objectives

    <!-- Generated from mixin/slos.libsonnet by `make generate`. Do not edit. -->

    Each objective holds over the last %(period)s, rolling: there is no day on which a budget starts anew. Prometheus must
    keep at least 35 days. The dashboard is `dmarc-slos`; the rules are in `rules/prometheus/slos.yaml`.

    ## Objectives

    %(objectives)s

    The error budget is what the objective allows to be bad. `slo:error_budget:remaining_ratio` is 1 when nothing was bad, 0
    when all of the budget is spent, and negative when the objective is missed.

    ## Where the events come from

    %(sources)s

    `_config.slo.sources` chooses between the metrics of the application, the access log of nginx, and SQL.

    ## Alerts

    A burn rate of 1 spends the budget in exactly %(period)s. An alert fires when both windows burn faster than its rate and at
    least %(floor)d events were bad in the long one: below that floor nobody is paged, however bad the share.

    %(burn)s

    When less than a share of the budget is left:

    %(policy)s

    `SLONoData` fires when the exporter is up but an objective has had no events to measure for 15 minutes. Alertmanager
    mutes tickets while a page of the same objective fires, and smaller budget alerts while a larger one does.

    ## Policy

    The deployment pipeline asks for `slo:error_budget:remaining_ratio` before it deploys. An override needs a reason that is
    recorded with the deployment. The freeze ends when the budget is above the threshold again, or when the owners of the
    service agree on a lower objective.

    ## Reviews

    * Weekly: budget left and what spent it; alerts that fired, and whether somebody had to act.
    * Monthly: objectives that were missed or never in danger; thresholds, floors and runbooks that were wrong.
    * Quarterly: whether the objectives are what users need; change them here, in one place.

    ## Incident response

    1. A page names the objective. Open the dashboard in its `dashboard_url`, then the page in its `runbook_url`.
    2. Stop what spends the budget first (roll back, shed load, fail over), find the cause after.
    3. Say in the channel of the incident what is broken for users, and until when the next message comes.
    4. When the burn rate is below 1 again, close the incident; write down the share of the budget it spent.
    5. Hold a review without blame for every incident that spent more than a tenth of a budget.
  ||| % {
    period: c.slo.period,
    floor: c.slo.minErrors,
    objectives: table(
      ['objective', 'target', 'good events, of which events', 'budget', 'also shown'],
      [[s.title, percent(s.objective), s.text, percent(s.budget), s.shown] for s in slos]
    ),
    sources: table(['objective', 'metric'], [[s.title, '`%s`' % s.events.metric] for s in slos]),
    burn: table(
      ['alert', 'burn rate', 'long window', 'short window', 'for', 'budget spent', 'severity'],
      [['[SLOBudgetBurn%s](runbooks/SLOBudgetBurn%s.md)' % [w.name, w.name], '%g×' % w.factor, w.long, w.short, w['for'], w.spent, w.severity] for w in c.slo.windows]
    ),
    policy: table(
      ['alert', 'left', 'severity', 'action'],
      [['[%s](runbooks/%s.md)' % [p.alert, p.alert], '< %g %%' % (p.below * 100), p.severity, p.action] for p in c.slo.policy]
    ),
  },
}
