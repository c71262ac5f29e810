// The messages in reports about the last days. Anybody can send a report:
// while authentic ones about a domain come, only these count, as they do for its
// policy.
local a = import 'alert.libsonnet';

{
  // window has the labels domain, class and window; recent the domains about which
  // authentic reports come.
  window:: 'domain:dmarc_messages:window',
  recent:: 'domain:dmarc_authentic_messages:increase14d',

  // recordings count both once. What arrived in the last days has no days of its
  // own, so it is what a counter grew: by what it was, or by all of it where it
  // began since, or by what was seen where nobody looked before.
  recordings(c)::
    local words = {
      dmarc: c.selectors.dmarc,
      group: a.group_(c),
      domain: a.group_(c) + ', domain',
      class: a.group_(c) + ', domain, class',
      authentic: 'dmarc_authentic_messages_total{%s}' % c.selectors.dmarc,
      created: 'dmarc_state_created_timestamp_seconds{%s}' % c.selectors.dmarc,
      recent: $.recent,
    };
    local fill(expr, more) = a.clean(std.rstripChars(expr % (words + more), '\n'));
    [{
      name: 'dmarc-suite-dmarc-seen',
      rules: [
        {
          record: $.recent,
          expr: fill(|||
            sum by (%(domain)s) (%(authentic)s)
              - (sum by (%(domain)s) (%(authentic)s offset 14d) or 0 * sum by (%(domain)s) (%(authentic)s)) > 0
          |||, {}),
          labels: { suite: c.suite },
        },
      ] + [
        {
          record: $.window,
          expr: fill(|||
            (
                sum by (%(class)s) (%(authentic)s) - sum by (%(class)s) (%(authentic)s offset %(window)s) >= 0
                or sum by (%(class)s) (%(authentic)s) and on (%(group)s) (%(created)s offset %(window)s or %(created)s > time() - %(seconds)s)
                or sum by (%(class)s) (increase(%(authentic)s[%(window)s]))
              )
              and on (%(domain)s) %(recent)s
            or sum by (%(class)s) (dmarc_window_messages{%(dmarc)s, window="%(window)s"}) unless on (%(domain)s) %(recent)s
          |||, { window: '%dd' % days, seconds: days * 86400 }),
          labels: { suite: c.suite, window: '%dd' % days },
        }
        for days in [1, 7, 30]
      ],
    }],
}
