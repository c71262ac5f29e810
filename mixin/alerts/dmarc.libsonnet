// Alerts about what DMARC and TLS reports say, and about reading them.
local a = import '../lib/alert.libsonnet';

function(c)
  local alert(name, expr, summary, description, fires, silent, severity='warning', wait='15m', dashboard='dmarc-reports') =
    a.new(c, name, expr, summary, description, dashboard, fires, silent, severity, wait);
  local j = 'job="dmarc-exporter", instance="a"';
  local window(class, window, n) = { ['dmarc_window_messages{%s, domain="shop.example", class="%s", window="%s"}' % [j, class, window]]: '%dx40' % n };
  local windows(class, one, seven, thirty) = window(class, '1d', one) + window(class, '7d', seven) + window(class, '30d', thirty);
  // silent is what has stopped: a sum that grew in every such period of the four
  // weeks before, as one that it can rest for, and has not grown in the last one.
  // Four weeks have at least 14 days of looks, each 6 hours.
  // The periods before are half as long: who comes now and then has a longer rest
  // some day, but hardly twice as long a one. They end before the silence begins.
  local silent(sum, days) =
    local n = c.thresholds[days];
    local now = std.strReplace(sum, '@', ''), before(n) = std.strReplace(sum, '@', ' offset %gd' % n);
    |||
      (%(now)s - %(before)s == 0
        and min_over_time((%(now)s - %(shorter)s)[25d:6h] offset %(past)gd) > 0
        and count_over_time((%(now)s - %(shorter)s)[25d:6h] offset %(past)gd) >= 56)
    ||| % { now: now, before: before(n), shorter: before(n / 2), past: c.thresholds.silenceDaysAlways };
  local stopped(sum, each=['silenceDays', 'silenceDaysWeekdays', 'silenceDaysAlways']) =
    std.join('\nor ', [std.rstripChars(silent(sum, d), '\n') for d in each]);
  // since is how long ago a timestamp was, where that is too long; what never was
  // has the timestamp 0.
  local since(timestamp, each) =
    local now = std.strReplace(timestamp, '@', '');
    'time() - %s and (\n%s\n)\nor time() - (%s > 0) > %%(silenceDaysAlways)s * 86400' % [now, stopped(timestamp, each), now];
  // Sums that grow each day for n days, by samples of six hours, as rules look back.
  local daily(n, from=0) = std.join(' ', ['%dx3' % (from + i * 100) for i in std.range(0, n - 1)]);
  [a.group('dmarc', [
    alert(
      'DMARCSpoofingSurge',
      |||
        sum by (%(group)s, domain) (domain:dmarc_messages:window{suite="%(suite)s", class="unauthenticated", window="1d"})
          > %(spoofingMessages)s
        and sum by (%(group)s, domain) (domain:dmarc_messages:window{suite="%(suite)s", class="unauthenticated", window="1d"})
          > %(spoofingFactor)s / 6 * (
            sum by (%(group)s, domain) (domain:dmarc_messages:window{suite="%(suite)s", class="unauthenticated", window="7d"})
            - sum by (%(group)s, domain) (domain:dmarc_messages:window{suite="%(suite)s", class="unauthenticated", window="1d"})
          )
      |||,
      'Many more unauthenticated messages claim to come from a domain than in the week before.',
      '{{ $value | humanize }} unauthenticated messages in the last reported day claim to come from {{ $labels.domain }}, more than %(spoofingFactor)s times the mean of the six days before.',
      { series: windows('unauthenticated', 900, 1500, 3000) },
      { series: windows('unauthenticated', 300, 2100, 9000) },
    ),
    alert(
      'DMARCPassRateDropped',
      |||
        (
          sum by (%(group)s, domain) (domain:dmarc_messages:window{suite="%(suite)s", class=~"aligned_both|dkim_only|spf_only", window="30d"})
          / sum by (%(group)s, domain) (domain:dmarc_messages:window{suite="%(suite)s", window="30d"})
        ) - (
          sum by (%(group)s, domain) (domain:dmarc_messages:window{suite="%(suite)s", class=~"aligned_both|dkim_only|spf_only", window="1d"})
          / sum by (%(group)s, domain) (domain:dmarc_messages:window{suite="%(suite)s", window="1d"})
        ) > %(passRateDrop)s
        and sum by (%(group)s, domain) (domain:dmarc_messages:window{suite="%(suite)s", window="1d"}) > %(messagesFloor)s
      |||,
      'A smaller share of the messages of a domain passes DMARC than in its own past.',
      'The share of messages of {{ $labels.domain }} that pass DMARC is {{ $value | humanizePercentage }} below its mean of the last 30 days.',
      { series: windows('aligned_both', 500, 7000, 27000) + windows('unauthenticated', 500, 700, 3000) },
      { series: windows('aligned_both', 900, 7000, 27000) + windows('unauthenticated', 100, 700, 3000) },
    ),
    alert(
      'DMARCReporterMissing',
      // While authentic reports of one come, others in its name hide no silence.
      stopped('(%s)' % std.join(' or ', [
        'sum by (%(group)s, reporter) (' + metric + '{%(dmarc)s, reporter=~"%(expectedReporters)s", reporter!~"%(ignoredReporters)s", reporter!="other"}@)'
        for metric in ['dmarc_authentic_reporter_messages_total', 'dmarc_reporter_messages_total']
      ])),
      'A reporter that used to send reports has stopped.',
      'No aggregate report of {{ $labels.reporter }} was counted for longer than it has ever rested in the four weeks before.',
      { interval: '6h', at: 4 * 34, series: {
        ['dmarc_authentic_reporter_messages_total{%s, reporter="Example Mail"}' % j]: daily(30) + ' 2900x50',
        ['dmarc_reporter_messages_total{%s, reporter="Example Mail"}' % j]: daily(36),
      } },
      { interval: '6h', at: 4 * 34, series: { ['dmarc_reporter_messages_total{%s, reporter="Example Mail"}' % j]: daily(36) } },
      wait='1h',
    ),
    alert(
      'DMARCDomainSilent',
      since('max by (%(group)s, domain) (dmarc_report_last_end_timestamp_seconds{%(dmarc)s, domain!~"%(parkedDomains)s"}@)', ['silenceDays', 'silenceDaysWeekdays']),
      'Nobody reports about a domain any more.',
      'The latest report about {{ $labels.domain }} covers a period that ended {{ $value | humanizeDuration }} ago, longer than it has ever rested in the four weeks before: its rua address or the mailbox may be broken, or it sends no mail.',
      { interval: '6h', at: 4 * 34, series: { ['dmarc_report_last_end_timestamp_seconds{%s, domain="shop.example"}' % j]: daily(30, 86400) + ' 89300x50' } },
      { interval: '6h', at: 4 * 9, series: { ['dmarc_report_last_end_timestamp_seconds{%s, domain="shop.example"}' % j]: '_ 86400x60' } },
      wait='1h',
    ),
    alert(
      'DMARCDomainNeverReported',
      |||
        max by (%(group)s, domain) (dmarc_report_last_end_timestamp_seconds{%(dmarc)s, domain!~"%(parkedDomains)s"}) == 0
        and max by (%(group)s, domain) (last_over_time(dmarc_report_last_end_timestamp_seconds{%(dmarc)s}[1h] offset 2d)) == 0
        and on (%(group)s) sum by (%(group)s) (dmarc_messages_total{%(dmarc)s, domain="foreign"}) > 0
      |||,
      'No report about a configured domain was ever counted, while others count as unowned.',
      'No report about {{ $labels.domain }} was ever counted, but there are reports about domains that are not configured: the name may be misspelt, or its rua address leads elsewhere.',
      { interval: '1h', at: 60, series: {
        ['dmarc_report_last_end_timestamp_seconds{%s, domain="shop.exmaple"}' % j]: '0x70',
        ['dmarc_messages_total{%s, domain="foreign", disposition="none", dkim="pass", spf="pass"}' % j]: '7x70',
      } },
      { interval: '1h', at: 60, series: {
        ['dmarc_report_last_end_timestamp_seconds{%s, domain="shop.example"}' % j]: '0x40 86400x30',
        ['dmarc_report_last_end_timestamp_seconds{%s, domain="quiet.example"}' % std.strReplace(j, 'exporter', 'other')]: '0x70',
        ['dmarc_messages_total{%s, domain="foreign", disposition="none", dkim="pass", spf="pass"}' % j]: '7x70',
      } },
      wait='1h',  // it was the same two days ago, under any instance: pods move
    ),
    alert(
      'DMARCPolicyWeakened',
      |||
        max by (%(group)s, domain) (dmarc_policy_published_info{%(dmarc)s, p="none"}) == 1
        and max by (%(group)s, domain) (max_over_time(dmarc_policy_published_info{%(dmarc)s, p=~"quarantine|reject"}[7d])) == 1
      |||,
      'A domain that was protected publishes p=none.',
      'The latest report saw p=none for {{ $labels.domain }}, which had published quarantine or reject within the last week.',
      { at: 40, series: {
        ['dmarc_policy_published_info{%s, domain="shop.example", p="reject"}' % j]: '1x10 stale',
        ['dmarc_policy_published_info{%s, domain="shop.example", p="none"}' % j]: '_x10 1x40',
      } },
      { at: 40, series: { ['dmarc_policy_published_info{%s, domain="shop.example", p="none"}' % j]: '1x50' } },
      severity='critical',
    ),
    alert(
      'DMARCTLSFailures',
      |||
        sum by (%(group)s, domain) (increase(dmarc_tls_sessions_total{%(dmarc)s, result="failed"}[1d]))
        / sum by (%(group)s, domain) (increase(dmarc_tls_sessions_total{%(dmarc)s}[1d])) > %(tlsFailureRatio)s
        and sum by (%(group)s, domain) (increase(dmarc_tls_sessions_total{%(dmarc)s}[1d])) > %(messagesFloor)s
      |||,
      'Senders fail to deliver over TLS.',
      '{{ $value | humanizePercentage }} of the sessions to {{ $labels.domain }} that TLS reports told of in the last day failed.',
      { at: 60, series: {
        ['dmarc_tls_sessions_total{%s, domain="shop.example", policy_type="sts", result="failed"}' % j]: '0+10x80',
        ['dmarc_tls_sessions_total{%s, domain="shop.example", policy_type="sts", result="successful"}' % j]: '0+90x80',
      } },
      { at: 60, series: {
        ['dmarc_tls_sessions_total{%s, domain="shop.example", policy_type="sts", result="failed"}' % j]: '0+1x80',
        ['dmarc_tls_sessions_total{%s, domain="shop.example", policy_type="sts", result="successful"}' % j]: '0+99x80',
      } },
    ),
    alert(
      'DMARCReportsRefused',
      |||
        sum by (%(group)s, instance) (increase(dmarc_reports_invalid_total{%(dmarc)s}[1d]))
        / sum by (%(group)s, instance) (increase(dmarc_reports_total{%(dmarc)s}[1d])) > %(refusedRatio)s
        and sum by (%(group)s, instance) (increase(dmarc_reports_invalid_total{%(dmarc)s}[1d])) >= 5
      |||,
      'Many inputs are refused as reports.',
      '{{ $value | humanizePercentage }} of the inputs of {{ $labels.instance }} in the last day were refused; dmarc_reports_invalid_total has the reasons.',
      { at: 60, series: {
        ['dmarc_reports_invalid_total{%s, reason="syntax"}' % j]: '0+1x80',
        ['dmarc_reports_total{%s, kind="aggregate", reporter="a", result="counted"}' % j]: '0+4x80',
        ['dmarc_reports_total{%s, kind="unknown", reporter="other", result="invalid"}' % j]: '0+1x80',
      } },
      { at: 60, series: {
        ['dmarc_reports_invalid_total{%s, reason="syntax"}' % j]: '0+1x80',
        ['dmarc_reports_total{%s, kind="aggregate", reporter="a", result="counted"}' % j]: '0+99x80',
        ['dmarc_reports_total{%s, kind="unknown", reporter="other", result="invalid"}' % j]: '0+1x80',
      } },
    ),
    alert(
      'DMARCReportsConflict',
      'increase(dmarc_reports_conflict_total{%(dmarc)s}[1d]) > 5',
      'Reports arrive again with other content.',
      '{{ $value | humanize }} reports in the last day had the identity of a known report and other content: a reporter reuses identities, or somebody forges reports.',
      { series: { ['dmarc_reports_conflict_total{%s}' % j]: '0+1x60' }, at: 60 },
      { series: { ['dmarc_reports_conflict_total{%s}' % j]: '3x60' }, at: 60 },
      severity='info',
    ),
    alert(
      'DMARCSourceDown',
      'dmarc_source_up{%(dmarc)s} == 0',
      'A source of reports cannot be read.',
      '{{ $labels.source }} of {{ $labels.instance }} cannot be read for 15 minutes; reports wait there.',
      { series: { ['dmarc_source_up{%s, source="imap:reports"}' % j]: '0x30' } },
      { series: { ['dmarc_source_up{%s, source="imap:reports"}' % j]: '0x5 1x30' } },
      dashboard='dmarc-exporters',
    ),
    alert(
      'DMARCIngestionStalled',
      since('max by (%(group)s, source) (dmarc_source_last_success_timestamp_seconds{%(dmarc)s}@)', ['ingestionSilenceDays', 'silenceDaysWeekdays']),
      'A source has had no input for longer than it ever rests.',
      'Nothing was read from {{ $labels.source }} for {{ $value | humanizeDuration }}, longer than it has ever rested in the four weeks before, though it may be read without an error.',
      { interval: '6h', at: 4 * 33, series: { ['dmarc_source_last_success_timestamp_seconds{%s, source="imap:reports"}' % j]: daily(30, 86400) + ' 89300x50' } },
      { interval: '6h', at: 4 * 9, series: { ['dmarc_source_last_success_timestamp_seconds{%s, source="imap:reports"}' % j]: '_ 86400x60' } },
      severity='critical',
      wait='1h',
      dashboard='dmarc-exporters',
    ),
    alert(
      'DMARCBacklogHigh',
      'dmarc_source_backlog{%(dmarc)s} > %(backlogInputs)s',
      'A source has many inputs that wait.',
      '{{ $value | humanize }} inputs of {{ $labels.source }} wait to be read for an hour.',
      { at: 80, series: { ['dmarc_source_backlog{%s, source="dir:/reports"}' % j]: '5000x90' } },
      { at: 80, series: { ['dmarc_source_backlog{%s, source="dir:/reports"}' % j]: '5000x30 0x60' } },
      wait='1h',
      dashboard='dmarc-exporters',
    ),
    alert(
      'DMARCBacklogOld',
      // Pods move, and begin to wait anew.
      |||
        min_over_time(max by (%(group)s, source) (dmarc_source_backlog{%(dmarc)s})[1d:5m]) > 0
        and on (%(group)s, source) last_over_time(dmarc_source_backlog{%(dmarc)s}[1h] offset 1d)
      |||,
      'Inputs of a source have waited for a day.',
      'At least {{ $value | humanize }} inputs of {{ $labels.source }} have waited at any time of the last day: some cannot be read, or the exporter is too slow.',
      { interval: '1h', at: 30, series: { ['dmarc_source_backlog{%s, source="imap:reports"}' % j]: '2x40' } },
      { interval: '1h', at: 30, series: { ['dmarc_source_backlog{%s, source="imap:reports"}' % j]: '2x10 0 2x25' } },
      dashboard='dmarc-exporters',
    ),
    alert(
      'DMARCInputsMissed',
      'sum by (%(group)s, instance, source) (increase(dmarc_source_missed_inputs_total{%(dmarc)s}[1d])) > 0',
      'Inputs were gone before they could be read.',
      '{{ $value | humanize }} inputs that {{ $labels.source }} listed in the last day were gone before {{ $labels.instance }} read them: something else empties it, or the server lists what it does not have.',
      { series: { ['dmarc_source_missed_inputs_total{%s, source="imap:reports"}' % j]: '0x10 2x40' }, at: 40 },
      { series: { ['dmarc_source_missed_inputs_total{%s, source="imap:reports"}' % j]: '2x50' }, at: 40 },
      dashboard='dmarc-exporters',
    ),
    alert(
      'DMARCSourcePanics',
      'sum by (%(group)s, instance, source) (increase(dmarc_source_panics_total{%(dmarc)s}[1d])) > 0',
      'The exporter caught a panic of a source.',
      '{{ $value | humanize }} panics of {{ $labels.source }} on {{ $labels.instance }} in the last day: this is a defect of the exporter, and the log has the place.',
      { series: { ['dmarc_source_panics_total{%s, source="imap:reports"}' % j]: '0x10 1x40' }, at: 40 },
      { series: { ['dmarc_source_panics_total{%s, source="imap:reports"}' % j]: '1x50' }, at: 40 },
      dashboard='dmarc-exporters',
    ),
    alert(
      'DMARCListenerRejects',
      'sum by (%(group)s, instance, source) (increase(dmarc_source_rejections_total{%(dmarc)s}[15m])) > %(listenerRejections)s',
      'A listener for mail turns many clients away.',
      '{{ $labels.source }} of {{ $labels.instance }} turned away or cut off {{ $value | humanize }} clients or mails in 15 minutes: dmarc_source_rejections_total has the reasons.',
      { series: { ['dmarc_source_rejections_total{%s, source="smtp:25", reason="idle"}' % j]: '0+50x40' }, at: 35 },
      { series: { ['dmarc_source_rejections_total{%s, source="smtp:25", reason="idle"}' % j]: '0+5x40' }, at: 35 },
      dashboard='dmarc-exporters',
    ),
    alert(
      'DMARCSeriesOverflow',
      'increase(dmarc_series_overflow_total{%(dmarc)s}[1h]) > 0',
      'The budget of series is spent.',
      'New values of {{ $labels.label }} are counted as "other" on {{ $labels.instance }}: raise its limit, or look who sends reports about foreign names.',
      { series: { ['dmarc_series_overflow_total{%s, label="domain"}' % j]: '0+1x40' }, at: 30 },
      { series: { ['dmarc_series_overflow_total{%s, label="domain"}' % j]: '7x40' }, at: 30 },
      dashboard='dmarc-exporters',
    ),
    alert(
      'DMARCStateLost',
      'changes(dmarc_state_created_timestamp_seconds{%(dmarc)s}[1h]) > 0',
      'The counts began anew.',
      'The state file of {{ $labels.instance }} was replaced: reports that were counted before are counted again when they arrive again.',
      { series: { ['dmarc_state_created_timestamp_seconds{%s}' % j]: '1x10 700x30' } },
      { series: { ['dmarc_state_created_timestamp_seconds{%s}' % j]: '1x40' } },
      wait='5m',
      dashboard='dmarc-exporters',
    ),
    alert(
      'DMARCClockImplausible',
      'max by (%(group)s, instance) (dmarc_clock_implausible{%(dmarc)s}) == 1',
      'The clock of a DMARC exporter cannot be right, and it counts nothing.',
      'The clock of {{ $labels.instance }} is before the exporter was built, days before the last report, or was set by days: all inputs wait until it is right, or has gone on evenly for six hours.',
      { series: { ['dmarc_clock_implausible{%s}' % j]: '0x5 1x35' } },
      { series: { ['dmarc_clock_implausible{%s}' % j]: '0x40' } },
      wait='5m',
      dashboard='dmarc-exporters',
    ),
    alert(
      'DMARCNoLeader',
      'max by (%(group)s) (dmarc_replica_leading{%(dmarc)s}) == 0',
      'None of the replicas of a DMARC exporter leads.',
      'Replicas of {{ $labels.job }} run, but none of them reads mailboxes and files and exposes the counts.',
      { series: { ['dmarc_replica_leading{%s}' % j]: '0x40', 'dmarc_replica_leading{job="dmarc-exporter", instance="b"}': '1x3 0x37' } },
      { series: { ['dmarc_replica_leading{%s}' % j]: '0x40', 'dmarc_replica_leading{job="dmarc-exporter", instance="b"}': '1x40' } },
      wait='5m',
      dashboard='dmarc-exporters',
    ),
  ])]
