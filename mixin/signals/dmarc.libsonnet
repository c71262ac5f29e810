// Signals of dmarc_exporter.
local panel = import '../lib/panel.libsonnet';
local s = panel.signal;
local messages = import '../lib/messages.libsonnet';
local pass = 'class=~"aligned_both|dkim_only|spf_only"';
// seen are the messages of the last days: those in authentic reports where these
// come, of all others where not, and where nothing was recorded, as of the past.
local seen(matchers) = '(sum by (domain, class) (%s{%s}) or sum by (domain, class) (dmarc_window_messages{%s}))' % [messages.window, matchers, matchers];
local wide = { span: 12, height: 8 };
// How tables show the share that passes.
local passed = panel.share([[null, 'red'], [0.9, 'orange'], [0.98, 'green']]);
local small = { kind: 'stat', span: 4, height: 4 };

// d are the matchers of pages, which end with the domain where they know it.
function(c, d='%(s)s, domain=~"$domain"') {
  // toDomain makes the name of a domain lead to its reports.
  local toDomain = [panel.to('domain', 'dmarc-reports', 'Reports about ${__value.text}', others=panel.exporter(c, 'Page of ${__value.text}', 'domain', 'name'))],

  // grown is how much sums grew in a time, by a label. A series begins with its
  // first value, which increase() leaves out: of what did not exist before, all
  // counts, unless nobody looked before and the state is older.
  local grown(metric, matchers, label, range='$__interval') =
    local labels = std.join(', ', c.groupLabels + (if label == '' then [] else [label]));
    local environment = std.join(', ', c.groupLabels);
    local created = 'dmarc_state_created_timestamp_seconds{%(s)s}';
    local now = 'sum by (%s) (%s{%s})' % [labels, metric, matchers];
    local before = 'sum by (%s) (%s{%s} offset %s)' % [labels, metric, matchers, range];
    'sum%s (%s - %s >= 0 or %s and on (%s) (%s offset %s or %s > time() - 86400))' % [
      if label == '' then '' else ' by (%s)' % label,
      now,
      before,
      now,
      environment,
      created,
      range,
      created,
    ],

  local recent = 'sum by (domain) (%s{%s})' % [messages.recent, d],
  local known = '%s, source!="other"' % d,
  local month = seen(d + ', window="30d"'),
  local share = 'sum by (domain) (%s) / (sum by (domain) (%s) > 0)' % [seen(d + ', window="30d", ' + pass), month],

  local week = 'sum by (domain) (%s) / (sum by (domain) (%s) > 0)' % [seen(d + ', window="7d", ' + pass), seen(d + ', window="7d"')],

  passRate: s('DMARC pass rate', 'percentunit', 'Share of the messages of the last 7 complete days that pass DMARC: DKIM or SPF is aligned.', [
    ['sum(%s) / sum(%s)' % [seen(d + ', window="7d", ' + pass), seen(d + ', window="7d"')], 'passed'],
  ], small { decimals: 1, min: 0, max: 1, noValue: 'no reports in 7 days', thresholds: [[null, 'red'], [0.9, 'orange'], [0.98, 'green']] }),
  messages: s('Messages (7 days)', 'short', 'Messages that aggregate reports told of, in the last 7 days; only authentic reports count where they come.', [
    ['sum(%s)' % seen(d + ', window="7d"'), 'messages'],
  ], small { noValue: 'no reports in 7 days' }),
  unauthenticated: s('Unauthenticated (1 day)', 'short', 'Messages of the last complete day that passed neither DKIM nor SPF. The alert DMARCSpoofingSurge looks at them by domain.', [
    ['sum(%s)' % seen(d + ', window="1d", class="unauthenticated"'), 'messages'],
  ], small { noValue: 'no reports of yesterday' }),
  reports: s('Reports counted (24 h)', 'short', 'Reports that were counted in the last 24 hours, of all kinds.', [
    [grown('dmarc_reports_total', '%(s)s, result="counted"', '', '24h'), 'reports'],
  ], small { decimals: 0 }),
  domains: s('Domains', 'short', 'Domains that reports told of.', [
    ['count(count by (domain) (dmarc_report_last_end_timestamp_seconds{%s}))' % d, 'domains'],
  ], small),
  latest: s('Latest report', 's', 'Time since the end of the latest reported period.', [
    ['time() - max(dmarc_report_last_end_timestamp_seconds{%s})' % d, 'ago'],
  ], small { thresholds: [[null, 'green'], [c.thresholds.silenceDays * 86400, 'red']] }),
  byClass: s('Messages by class and day', 'short', 'Messages by how they authenticated, on the day that reports told of them; only authentic reports count where they come.', [
    ['sum by (class) (%s and on (domain) %s or %s unless on (domain) %s)' % [
      grown('dmarc_authentic_messages_total', d, 'domain, class'),
      recent,
      grown('dmarc_messages_by_class_total', d, 'domain, class'),
      recent,
    ], '{{class}}'],
  ], wide { every: '1d', stack: true, min: 0 }),
  attention: s('Domains that need attention', 'short', 'The ten domains that passed least in the last 7 days. The name leads to its reports.', [
    ['bottomk(10, %s)' % week, 'Passed, 7 days'],
    // The others have no row: an empty cell would stand before the worst.
    ['sum by (domain) (%s) and on (domain) bottomk(10, %s)' % [seen(d + ', window="7d", class="unauthenticated"'), week], 'Unauthenticated, 7 days'],
    ['time() - max by (domain) (dmarc_report_last_end_timestamp_seconds{%s}) and on (domain) bottomk(10, %s)' % [d, week], 'Latest report'],
  ], { kind: 'table', by: 'domain', span: 12, noValue: 'no reports in 7 days', sortBy: { displayName: 'Passed, 7 days', desc: false }, columns: {
    'Passed, 7 days': passed,
    'Latest report': [{ id: 'unit', value: 's' }],
  }, overrides: toDomain }),
  passed: s('Mail that passes', 'percentunit', 'Share of the messages of the last complete days that pass DMARC.', [
    ['sum(%s) / (sum(%s) > 0)' % [seen('%s, window="%dd", %s' % [d, days, pass]), seen('%s, window="%dd"' % [d, days])], if days == 1 then '1 day' else '%d days' % days]
    for days in [1, 7, 30]
  ], { kind: 'stat', span: 8, height: 4, decimals: 1, min: 0, max: 1, noValue: 'no reports', thresholds: [[null, 'red'], [0.9, 'orange'], [0.98, 'green']], links: [panel.page('Reports', 'dmarc-reports')] }),
  daily: s('Messages by day', 'short', 'Messages that passed and failed DMARC, on the day that reports told of them.', [
    [grown('dmarc_compliant_messages_total', d, ''), 'passed'],
    ['%s - %s' % [grown('dmarc_messages_total', d, ''), grown('dmarc_compliant_messages_total', d, '')], 'failed'],
  ], wide { every: '1d', stack: true, min: 0, timeFrom: '30d' }),
  byDisposition: s('Messages by disposition and day', 'short', 'Messages by what receivers did with them, on the day that reports told of them.', [
    [grown('dmarc_messages_total', d, 'disposition'), '{{disposition}}'],
  ], wide { every: '1d', stack: true, min: 0 }),
  passRateByDomain: s('Pass rate of the worst domains', 'percentunit', 'Share of messages that pass DMARC, of the last 7 days, of the ten domains where it is lowest.', [
    ['bottomk(10, %s)' % week, '{{domain}}'],
  ], wide { min: 0, max: 1 }),
  alignment: s('Alignment', 'percentunit', 'Share of messages whose DKIM or SPF result is aligned, by verdict, of those in the reports of each bar.', [
    ['%s / (%s > 0)' % [grown('dmarc_messages_total', d + ', dkim="pass"', ''), grown('dmarc_messages_total', d, '')], 'DKIM aligned'],
    ['%s / (%s > 0)' % [grown('dmarc_messages_total', d + ', spf="pass"', ''), grown('dmarc_messages_total', d, '')], 'SPF aligned'],
    ['%s / (%s > 0)' % [grown('dmarc_compliant_messages_total', d, ''), grown('dmarc_messages_total', d, '')], 'either'],
  ], wide { every: '1d', line: true, min: 0, max: 1 }),
  domainTable: s('Domains, worst first', 'short', 'Each domain: messages of the last days, share that passes, and when the latest report ended. The name leads to its reports.', [
    ['sum by (domain) (%s)' % seen(d + ', window="1d"'), 'Messages, 1 day'],
    ['sum by (domain) (%s)' % month, 'Messages, 30 days'],
    [share, 'Passed, 30 days'],
    ['sum by (domain) (%s)' % seen(d + ', window="1d", class="unauthenticated"'), 'Unauthenticated, 1 day'],
    ['max by (domain) (dmarc_report_last_end_timestamp_seconds{%s}) * 1000' % d, 'Latest report'],
  ], { kind: 'table', by: 'domain', span: 24, height: 9, sortBy: { displayName: 'Passed, 30 days', desc: false }, columns: {
    'Passed, 30 days': passed,
    'Latest report': [{ id: 'unit', value: 'dateTimeAsIso' }],
  }, overrides: toDomain }),
  // readiness is a number for each domain, and what it means.
  readiness: s('Ready for a stricter policy?', 'short', 'Each domain by its messages of the last 30 days: whether it may be protected more, or why not yet. Known senders are those that have a name.', [
    [std.join(' or ', [
      'max by (domain) (dmarc_policy_published_info{%s, p="reject"}) * 5' % d,
      '(sum by (domain) (%s) < %g) * 0' % [month, c.thresholds.messagesFloor],
      '(%s >= %g) * 0 + 4' % [share, c.thresholds.readyForReject],
      '(%s >= %g) * 0 + 3' % [share, c.thresholds.readyForQuarantine],
      '(%s / (%s > 0) >= %g) * 0 + 2' % [
        grown('dmarc_messages_by_source_total', known + ', compliant="true"', 'domain', '30d'),
        grown('dmarc_messages_by_source_total', known, 'domain', '30d'),
        c.thresholds.readyForReject,
      ],
      '%s * 0 + 1' % share,
    ]), 'Verdict'],
    [share, 'Passed'],
    ['sum by (domain) (%s)' % month, 'Messages'],
  ], { kind: 'table', by: 'domain', span: 14, height: 9, sortBy: { displayName: 'Messages', desc: true }, columns: {
    Passed: passed,
    Verdict: [
      { id: 'custom.cellOptions', value: { type: 'color-text' } },
      { id: 'custom.width', value: 400 },
      { id: 'custom.align', value: 'left' },
      { id: 'mappings', value: [{ type: 'value', options: {
        '0': { text: 'too few messages to tell', color: 'text', index: 0 },
        '1': { text: 'not yet: own senders fail', color: 'red', index: 1 },
        '2': { text: 'known senders pass, others fail: forged, or not named yet', color: 'orange', index: 2 },
        '3': { text: 'ready for quarantine', color: 'yellow', index: 3 },
        '4': { text: 'ready for reject', color: 'green', index: 4 },
        '5': { text: 'rejects already', color: 'blue', index: 5 },
      } }] },
    ],
  }, overrides: toDomain }),
  reporters: s('Reporters', 'short', 'Messages by the organisation that reported them.', [
    ['topk(10, %s)' % grown('dmarc_reporter_messages_total', '%(s)s', 'reporter'), '{{reporter}}'],
  ], wide { every: '1d', stack: true, min: 0 }),
  reporterTable: s('Reporters, most messages first', 'short', 'Each organisation: reports and messages since counting began, and when the period of its latest report ended.', [
    ['sum by (reporter) (dmarc_reports_total{%(s)s, kind="aggregate", result="counted"})', 'Reports'],
    ['sum by (reporter) (dmarc_reporter_messages_total{%(s)s})', 'Messages'],
    ['max by (reporter) (dmarc_reporter_last_end_timestamp_seconds{%(s)s}) * 1000', 'Latest report'],
  ], { kind: 'table', by: 'reporter', span: 12, height: 8, sortBy: { displayName: 'Messages', desc: true }, sums: ['Reports', 'Messages'], columns: {
    'Latest report': [{ id: 'unit', value: 'dateTimeAsIso' }],
  } }),
  senders: s('Senders', 'short', 'Messages by who sent them, as networks tell: well-known services and the senders of the configuration; everyone else is other.', [
    ['topk(10, %s)' % grown('dmarc_messages_by_source_total', d, 'source'), '{{source}}'],
  ], wide { every: '1d', stack: true, min: 0 }),
  senderTable: s('Senders, most failures first', 'short', 'Each sender: messages that reports told of in the range, how many of them failed DMARC, and the share that passed.', [
    [grown('dmarc_messages_by_source_total', d, 'source', '$__range'), 'Messages'],
    [grown('dmarc_messages_by_source_total', d + ', compliant="false"', 'source', '$__range'), 'Failed'],
    ['%s / (%s > 0)' % [grown('dmarc_messages_by_source_total', d + ', compliant="true"', 'source', '$__range'), grown('dmarc_messages_by_source_total', d, 'source', '$__range')], 'Passed'],
  ], { kind: 'table', by: 'source', span: 12, height: 9, sortBy: { displayName: 'Failed', desc: true }, sums: ['Messages', 'Failed'], columns: { Passed: passed }, overrides: panel.toExporter(c, 'source', 'Addresses of ${__value.text}', 'sources', 'sender') }),
  policy: s('Published policy', 'short', 'Policy that the latest report about a domain saw.', [
    ['max by (domain, p, sp, adkim, aspf, testing) (dmarc_policy_published_info{%s})' % d, 'Seen'],
  ], { kind: 'table', by: 'domain', span: 10, height: 9, valueless: true, overrides: [
    { matcher: { id: 'byName', options: name }, properties: [{ id: 'custom.width', value: 75 }] }
    for name in ['adkim', 'aspf', 'testing']
  ] }),
  tlsSessions: s('TLS sessions', 'short', 'SMTP sessions that TLS reports told of, by result.', [
    [grown('dmarc_tls_sessions_total', d, 'result'), '{{result}}'],
  ], wide { every: '1d', stack: true, min: 0 }),
  tlsFailures: s('TLS failures', 'short', 'Failed SMTP sessions by type of failure.', [
    [grown('dmarc_tls_failures_total', d, 'result_type'), '{{result_type}}'],
  ], wide { bad: true, every: '1d', stack: true, min: 0, noValue: 'no failures' }),
  failureReports: s('Failure reports', 'short', 'Incidents in failure reports, by the check that failed.', [
    [grown('dmarc_failure_reports_total', d, 'auth_failure'), '{{auth_failure}}'],
  ], { bad: true, every: '1h', min: 0, noValue: 'no failure reports' }),
  reportResults: s('Reports by outcome', 'short', 'Reports by outcome.', [
    [grown('dmarc_reports_total', '%(s)s', 'result'), '{{result}}'],
  ], { every: '1h', min: 0, stack: true }),
  reportKinds: s('Reports by kind', 'short', 'Counted reports by kind.', [
    [grown('dmarc_reports_total', '%(s)s, result="counted"', 'kind'), '{{kind}}'],
  ], { every: '1h', min: 0, stack: true }),
  refused: s('Refused, by reason', 'short', 'Inputs that were refused, by reason; reasons that never occurred are left out.', [
    [grown('dmarc_reports_invalid_total', '%(s)s', 'reason') + ' and sum by (reason) (dmarc_reports_invalid_total{%(s)s}) > 0', '{{reason}}'],
  ], { bad: true, every: '1h', min: 0, stack: true, noValue: 'nothing was refused' }),
  warnings: s('Tolerated deviations', 'short', 'Deviations in reports that were counted nevertheless, by code.', [
    ['topk(10, %s)' % grown('dmarc_report_warnings_total', '%(s)s', 'code'), '{{code}}'],
  ], { every: '1h', min: 0, stack: true, noValue: 'no deviations' }),
  duplicates: s('Duplicates and conflicts', 'short', 'Reports that were known already: the same again, or the same identity with other content.', [
    [grown('dmarc_reports_duplicate_total', '%(s)s', ''), 'duplicates'],
    [grown('dmarc_reports_conflict_total', '%(s)s', ''), 'conflicts'],
  ], { every: '1h', min: 0 }),
  auth: s('Authentication of report mails', 'short', 'Reports by the authentication of the mail that carried them.', [
    [grown('dmarc_report_auth_total', '%(s)s', 'auth'), '{{auth}}'],
  ], { every: '1h', min: 0, stack: true, noValue: 'no reports by mail' }),
  overflow: s('Overflow', 'short', 'Names that were counted as other because the budget of series is spent.', [
    [grown('dmarc_series_overflow_total', '%(s)s', 'label'), '{{label}}'],
  ], { every: '1h', min: 0, noValue: 'the budget is not spent' }),
  tenants: s('Tenants, fullest first', 'short', 'Each tenant: series that exist because of reports to it, of those that may, and names that were counted as other in the last 24 hours because its part of the budget is spent.', [
    ['max by (tenant) (dmarc_tenant_series{%(s)s})', 'Series'],
    ['max by (tenant) (dmarc_tenant_series_limit{%(s)s})', 'Limit'],
    ['max by (tenant) (dmarc_tenant_series{%(s)s} / dmarc_tenant_series_limit{%(s)s})', 'Used'],
    [grown('dmarc_tenant_series_overflow_total', '%(s)s', 'tenant', '24h'), 'Other, 24 h'],
  ], { kind: 'table', by: 'tenant', span: 12, noValue: 'no tenants are configured', sortBy: { displayName: 'Used', desc: true }, sums: ['Series', 'Limit', 'Other, 24 h'], columns: {
    Used: panel.share([[null, 'green'], [0.8, 'orange'], [1, 'red']]),
    'Other, 24 h': [{ id: 'decimals', value: 0 }],
  } }),
  replicas: s('Replicas', 'short', 'Each process of those that share a database: whether it leads, whether it reaches the database, and what it takes in. The one that leads reads mailboxes and files and exposes the counts.', [
    ['max by (instance) (dmarc_replica_leading{%(s)s})', 'Leads'],
    ['min by (instance) (dmarc_up{%(s)s} and on (instance) dmarc_replica_leading{%(s)s})', 'Database'],
    ['sum by (instance) (rate(dmarc_source_inputs_total{%(s)s}[5m]) and on (instance) dmarc_replica_leading{%(s)s})', 'Inputs'],
  ], { kind: 'table', by: 'instance', span: 12, noValue: 'no process shares its database', sortBy: { displayName: 'Leads', desc: true }, sums: ['Inputs'], columns: {
    Leads: panel.state([{ type: 'value', options: { '0': { text: 'FOLLOWS', color: 'text', index: 0 }, '1': { text: 'LEADS', color: 'green', index: 1 } } }]),
    Database: panel.state(panel.up),
    Inputs: [{ id: 'unit', value: 'cps' }],
  } }),
  sources: s('Sources', 'short', 'Whether each source of reports can be read.', [
    ['min by (source) (dmarc_source_up{%(s)s})', '{{source}}'],
  ], { kind: 'stat', mappings: panel.up }),
  inputs: s('Inputs by outcome', 'cps', 'Inputs a second by outcome, of all sources.', [
    ['sum by (outcome) (rate(dmarc_source_inputs_total{%(s)s}[$__rate_interval]))', '{{outcome}}'],
  ], { min: 0, stack: true }),
  backlog: s('Backlog', 'short', 'Inputs that wait to be read, by source.', [
    ['sum by (source) (dmarc_source_backlog{%(s)s})', '{{source}}'],
  ], { min: 0, thresholds: [[null, 'green'], [c.thresholds.backlogInputs, 'red']] }),
  ingestTime: s('Time spent on ingestion', 'percentunit', 'Share of the time that a source spends on reading, decoding and committing.', [
    ['max by (source) (rate(dmarc_source_ingest_seconds_total{%(s)s}[$__rate_interval]))', '{{source}}'],
  ], { min: 0 }),
  lastInput: s('Last input', 's', 'Time since each source last delivered an input.', [
    ['time() - max by (source) (dmarc_source_last_success_timestamp_seconds{%(s)s})', '{{source}}'],
  ], { kind: 'stat', noValue: 'no input since the start', thresholds: [[null, 'green'], [c.thresholds.ingestionSilenceDays * 86400, 'red']] }),
}
