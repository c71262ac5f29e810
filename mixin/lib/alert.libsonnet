// alert makes a rule and keeps its two tests beside it, in the hidden field
// tests. A test has the input series, and the minute at which to look.
local minutes(d) =
  local n = std.parseInt(std.substr(d, 0, std.length(d) - 1));
  { m: 1, h: 60, d: 1440 }[d[std.length(d) - 1]] * n;

{
  minutes:: minutes,

  // words are what %(name)s in an expression or a description stands for.
  words(c):: c.selectors + { [k]: '%.10g' % c.thresholds[k] for k in std.objectFields(c.thresholds) } + {
    [k]: c[k]
    for k in ['queueKeys', 'expectedReporters', 'ignoredReporters', 'parkedDomains', 'filesystems', 'blockDevices', 'netDevices']
  } + { suite: c.suite, group: $.group_(c), environment: std.join(', ', c.groupLabels) },

  // group_ are the labels of an environment and the job in it.
  group_(c):: std.join(', ', c.groupLabels + ['job']),

  // clean removes what empty selectors leave behind.
  clean(expr):: std.strReplace(std.strReplace(expr, '{, ', '{'), '{}', ''),

  // link is the address of a dashboard, with what the alert is about chosen.
  link(c, dashboard):: '%s/d/%s?%s' % [c.grafanaUrl, dashboard, std.join('', [
    '{{ with $labels.%s }}&var-%s={{ . | urlquery }}{{ end }}' % [l, v]
    for l in std.set([c.clusterLabel, 'job', 'instance', 'domain', 'slo'])
    for v in [if l == c.clusterLabel then 'cluster' else l]
  ])],

  // fill is much faster than std.format.
  fill(text, words):: std.foldl(
    function(t, k) std.strReplace(t, '%(' + k + ')s', words[k]), if std.strReplace(text, '%(', '') == text then [] else std.objectFields(words), text
  ),

  // c is _config; expr is formatted with the selectors and thresholds.
  new(c, name, expr, summary, description, dashboard, fires, silent, severity='warning', wait='15m', keep=null):: {
    assert std.length(name) <= 40 : name + ' is longer than 40 characters',
    assert std.member(['critical', 'warning', 'info'], severity) : severity + ' is no severity',

    alert: name,
    local words = if std.objectHasAll(c, 'words') then c.words else $.words(c),
    expr: $.clean(std.rstripChars($.fill(expr, words), '\n')),
    'for': c.wait(wait),
    [if keep != null then 'keep_firing_for']: c.wait(keep),
    labels: { severity: severity, suite: c.suite },
    annotations: {
      summary: summary,
      description: $.fill(description, words),
      runbook_url: std.strReplace(c.runbookURL, '%s', name),
      dashboard_url: $.link(c, dashboard),
    },
    tests:: { fires: fires, silent: silent },
  },

  // group makes a group of the alerts of a subject.
  group(name, rules):: { name: 'dmarc-suite-' + name, rules: rules },
}
