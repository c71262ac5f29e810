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
    for k in ['queueKeys', 'expectedReporters', 'filesystems', 'blockDevices', 'netDevices']
  },

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
    expr: std.rstripChars($.fill(expr, words), '\n'),
    'for': c.wait(wait),
    [if keep != null then 'keep_firing_for']: c.wait(keep),
    labels: { severity: severity },
    annotations: {
      summary: summary,
      description: $.fill(description, words),
      runbook_url: std.strReplace(c.runbookURL, '%s', name),
      dashboard_url: std.strReplace(c.dashboardURL, '%s', dashboard),
    },
    tests:: { fires: fires, silent: silent },
  },

  // group makes a group of the alerts of a subject.
  group(name, rules):: { name: 'dmarc-suite-' + name, rules: rules },

  // down makes the pair of alerts of an exporter: its targets cannot be scraped,
  // or there are none.
  down(c, key, name, title, dashboard):: {
    local job = std.split(std.split(c.selectors[key], '"')[1], '|')[0],
    local up(v) = { ['up{job="%s", instance="a"}' % job]: v },
    rules: [
      $.new(
        c,
        name + 'ExporterDown',
        'up{%s} == 0' % c.selectors[key],
        title + ' exporter cannot be scraped.',
        'Prometheus cannot scrape {{ $labels.job }} at {{ $labels.instance }} for 5 minutes: nothing that it watches is seen.',
        dashboard,
        { series: up('0x20') },
        { series: up('1x20') },
        'critical',
        '5m'
      ),
      $.new(
        c,
        name + 'ExporterAbsent',
        'absent(up{%s})' % c.selectors[key],
        title + ' exporter is not a target.',
        'Prometheus has no target of {{ $labels.job }}: it is not deployed, not discovered, or has another job.',
        dashboard,
        { series: { 'up{job="another", instance="a"}': '1x30' } },
        { series: up('0x30') },
        'critical',
        '10m'
      ),
    ],
  }.rules,
}
