// The exporters of the suite, as parts that may run or not, under any job.
//
// suite:exporter:last_seen_timestamp_seconds remembers which target exposed what
// only an exporter of a part exposes, for as long as its absence is an alert: a
// target that is down exposes nothing any more. One that was given another job is
// forgotten under its old one: what is new at the same instance takes its place.
local a = import 'alert.libsonnet';

{
  // exporters are what messages and alerts call a part, and what it exposes.
  exporters:: {
    dmarc: { name: 'DMARC', title: 'The DMARC', binary: 'dmarc_exporter', exposes: 'dmarc_exporter_build_info|dmarc_source_up' },
    postgres: { name: 'Postgres', title: 'The PostgreSQL', binary: 'postgres_queries_exporter', exposes: 'postgres_queries_exporter_build_info|pg_up' },
    redis: { name: 'Redis', title: 'The Redis', binary: 'redis_exporter', exposes: 'redis_exporter_build_info|redis_up' },
    nginx: { name: 'Nginx', title: 'The nginx', binary: 'nginx_exporter', exposes: 'nginx_exporter_build_info|nginx_up' },
    node: { name: 'Node', title: 'The node', binary: 'node_exporter', exposes: 'node_exporter_build_info' },
  },

  seen:: 'suite:exporter:last_seen_timestamp_seconds',

  local select(more) = '{' + std.join(', ', [m for m in more if m != '']) + '}',
  local target(c) = a.group_(c) + ', instance',

  // names is a regular expression of the metrics that tell the targets of parts.
  names(parts):: std.join('|', [$.exporters[p].exposes for p in parts]),

  // up are the series of up of all parts: by the jobs that are known, or by what
  // a target exposed in the last hours.
  up(c):: 'up%(jobs)s or up%(suite)s and on (%(target)s) last_over_time(%(exposed)s[6h])' % {
    target: target(c),
    suite: select([c.selectors.suite]),
    jobs: select([c.selectors.suite, 'job=~"%s"' % std.join('|', [c.jobs[p] for p in c.parts])]),
    exposed: select(['__name__=~"%s"' % $.names(c.parts), c.selectors.suite]),
  },

  // recordings remember the targets of parts that are seen now or were of late.
  recordings(c):: [
    {
      name: 'dmarc-suite-exporters-seen',
      interval: '1m',
      rules: [
        {
          local words = {
            target: target(c),
            instance: std.join(', ', c.groupLabels + ['instance']),
            exposed: select(['__name__=~"%s"' % $.exporters[p].exposes, c.selectors[p]]),
            jobs: select([c.selectors[p], 'job=~"%s"' % c.jobs[p]]),
            selected: select([c.selectors[p]]),
            memory: $.seen + select(['part="%s"' % p]),
            days: c.absentDays,
          },
          record: $.seen,
          expr: |||
            time() * group by (%(target)s) (%(exposed)s or up%(jobs)s or up%(selected)s and on (%(target)s) last_over_time(%(memory)s[1d]))
              or max without (part, suite) (last_over_time(%(memory)s[1d])) > time() - %(days)s * 86400
              unless on (%(instance)s) (group by (%(target)s) (%(exposed)s) unless on (%(target)s) %(memory)s offset 25h)
          ||| % words,
          labels: { part: p, suite: c.suite },
        }
        for p in c.parts
      ],
    },
  ],

  // down makes the pair of alerts of an exporter: its targets cannot be scraped,
  // or there are none where there were some.
  down(c, part):: {
    local e = $.exporters[part],
    local job = c.jobs[part],
    local others = [p for p in c.parts if p != part],
    local words = {
      memory: $.seen + select(['part="%s"' % part]),
      others: $.seen + select(['part!="%s"' % part]),
      up: 'up' + select([c.selectors[part]]),
      group: a.group_(c),
      target: target(c),
      environment: std.join(', ', c.groupLabels),
      job: job,
      n: std.length(others),
    },
    local remembered(part, job) = { ['%s{part="%s", suite="%s", job="%s", instance="a"}' % [$.seen, part, c.suite, job]]: '0+60x40' },
    local up(v) = { 'up{job="mine", instance="a"}': v },
    rules: [
      a.new(
        c,
        e.name + 'ExporterDown',
        |||
          %(up)s == 0
            and on (%(group)s) %(memory)s
            unless on (%(target)s) (%(others)s unless on (%(target)s) %(memory)s)
        ||| % words,
        e.title + ' exporter cannot be scraped.',
        'Prometheus cannot scrape {{ $labels.job }} at {{ $labels.instance }} for 5 minutes: nothing that it watches is seen.',
        'dmarc-exporters',
        { series: remembered(part, 'mine') + up('0x30') },
        { series: remembered(part, 'mine') + up('1x30') },
        'critical',
        '5m'
      ),
      a.new(
        c,
        e.name + 'ExporterAbsent',
        std.rstripChars(|||
          group by (%(group)s) (%(memory)s)
            unless on (%(group)s) (up unless on (%(target)s) (%(others)s unless on (%(target)s) %(memory)s))
        ||| % words, '\n') + (
          // All others run under the names of k8s/ and compose: the suite is
          // deployed as a whole, and one of it never was.
          if std.length(others) < 2 then '' else '\n' + std.rstripChars(|||
            or label_replace(count by (%(environment)s) (group by (%(environment)s, part) (%(others)s)) == %(n)d, "job", "%(job)s", "", "")
              unless on (%(environment)s) %(memory)s
          ||| % words, '\n')
        ) + (
          if !std.member(c.expected, part) then '' else '\nor label_replace(absent(%(memory)s), "job", "%(job)s", "", "")' % words
        ),
        e.title + ' exporter is not a target.',
        'Prometheus has no target of {{ $labels.job }} any more, or never had one: ' + std.asciiLower(e.title) + ' exporter is not deployed, not discovered, or has another job now.',
        'dmarc-exporters',
        { series: remembered(part, 'mine') + { 'up{job="another", instance="b"}': '1x30' } },
        { series: remembered(part, 'mine') + up('0x30') },
        'critical',
        '10m'
      ),
    ],
  }.rules,
}
