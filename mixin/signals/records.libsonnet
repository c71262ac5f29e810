// Signals of the records that dmarc_exporter keeps in PostgreSQL: questions in SQL
// to the views of docs/store.md. Times there are in UTC, without a time zone.
local panel = import '../lib/panel.libsonnet';
local s = panel.signal;
local small = { kind: 'stat', span: 4, height: 4 };
local passed = panel.share([[null, 'red'], [0.9, 'orange'], [0.98, 'green']]);
local time = [{ id: 'unit', value: 'dateTimeAsIso' }, { id: 'custom.width', value: 165 }];

// c is _config.
function(c)
  local view(name) = c.recordsSchema + '.' + name;
  // of is where the rows of a view are, of the domains and the time that are chosen.
  local of(name, time='date_end', domain='domain') = 'FROM %s WHERE $__timeFilter(%s) AND %s IN (${domain:sqlstring})' % [view(name), time, domain];
  local records = of('dmarc_records');
  local pass = "(coalesce(dkim, '') = 'pass' OR coalesce(spf, '') = 'pass')";
  local messages = 'coalesce(sum(count), 0) AS "Messages"';
  local failed = 'coalesce(sum(count) FILTER (WHERE NOT %s), 0) AS "Failed"' % pass;
  local share = 'coalesce(sum(count) FILTER (WHERE %s), 0) / nullif(sum(count), 0) AS "Passed"' % pass;
  local number(title, unit, description, sql, more={}) = s(title, unit, description, [[sql, title]], small + more) + { sql: true };
  // rows are the largest of a question: what distinguishes them comes first.
  local rows(title, description, sql, span=12, more={}) = s(title, 'short', description, [[sql, title]], {
    kind: 'table',
    sql: true,
    span: span,
    noValue: 'nothing is kept',
    columns: { Passed: passed, 'First seen': time, 'Latest report': time, Received: time, Begin: time, End: time },
  } + more);
  local by(title, description, what, order='"Failed" DESC, "Messages" DESC', span=12, more={}) =
    rows(title, description, 'SELECT %s, %s, %s, %s %s GROUP BY %s ORDER BY %s LIMIT 200' % [
      std.join(', ', ['%s AS "%s"' % w for w in what]),
      messages,
      failed,
      share,
      records,
      std.join(', ', ['%d' % (i + 1) for i in std.range(0, std.length(what) - 1)]),
      order,
    ], span, more);
  local days(title, description, columns, from, day, more={}) = s(title, 'short', description, [
    ["SELECT date_trunc('day', %s) AS time, %s %s GROUP BY 1 ORDER BY 1" % [day, columns, from], title],
  ], { sql: true, span: 12, every: '1d', stack: true, min: 0, noValue: 'nothing is kept' } + more);
  // each unfolds a list of results that is kept as JSON.
  local each(list, name) = 'FROM %s CROSS JOIN LATERAL json_array_elements(%s::json) AS %s WHERE $__timeFilter(date_end) AND domain IN (${domain:sqlstring})' % [view('dmarc_records'), list, name];
  local toAddress = panel.toExporter(c, 'Address', 'Page of ${__value.text}', 'source', 'address');
  local total(title, sql, description, more={}) = number(title, 'short', description, sql, more);

  {
    messages: total('Messages', 'SELECT %s %s' % [messages, records], 'Messages in the kept records.'),
    share: number('Passed', 'percentunit', 'Share of the messages that pass DMARC.', 'SELECT %s %s' % [share, records], { decimals: 1, min: 0, max: 1, thresholds: [[null, 'red'], [0.9, 'orange'], [0.98, 'green']], noValue: 'no records' }),
    reports: total('Reports', 'SELECT count(*) %s' % of('dmarc_reports'), 'Aggregate reports that are kept.'),
    reporters: total('Reporters', 'SELECT count(DISTINCT org_name) %s' % of('dmarc_reports'), 'Organisations that sent them.'),
    sources: total('Addresses', 'SELECT count(DISTINCT source_ip) %s' % records, 'Addresses that sent mail.'),
    failing: total('Failing addresses', 'SELECT count(DISTINCT source_ip) %s AND NOT %s' % [records, pass], 'Addresses that sent mail which failed DMARC.'),

    byResult: days('Messages by result', 'Messages that passed and failed, by the day on which the reported period ended.', 'sum(count) FILTER (WHERE %s) AS passed, sum(count) FILTER (WHERE NOT %s) AS failed' % [pass, pass], records, 'date_end'),
    byDisposition: days('Messages by applied policy', 'Messages by what receivers did with them.', std.join(', ', [
      "sum(count) FILTER (WHERE disposition = '%s') AS %s" % [d, d]
      for d in ['none', 'pass', 'quarantine', 'reject']
    ]), records, 'date_end'),

    bySender: by('By sender', 'Who sent, as far as it is known, most failures first.', [["coalesce(sender, 'unknown')", 'Sender']]),
    byNetwork: by('By network', 'The autonomous system of the address, most failures first.', [['asn', 'AS'], ["coalesce(as_name, 'unknown')", 'Network']]),
    byAddress: by('Sources, most failures first', 'Each address with what is known of it.', [
      ['source_ip', 'Address'],
      ["coalesce(host, '')", 'Host'],
      ["coalesce(sender, 'unknown')", 'Sender'],
      ["coalesce(as_name, '')", 'Network'],
      ["coalesce(country, '')", 'Country'],
    ], span=24, more={ height: 10, overrides: toAddress }),
    byCountry: by('By country', 'The country of the network, most failures first.', [["coalesce(country, 'unknown')", 'Country']]),
    map: s('Map', 'short', 'Where messages came from: the larger a circle the more, and red where many failed.', [[
      'SELECT country AS "Country", %s, %s, %s %s AND country IS NOT NULL GROUP BY 1 ORDER BY 2 DESC' % [messages, failed, share, records],
      'Map',
    ]], { kind: 'geomap', sql: true, span: 12, size: 'Messages', lookup: 'Country', colour: 'Passed', columns: { Passed: passed }, noValue: 'no address has a country' }),
    fresh: rows('New sources', 'Addresses that no kept record of an earlier time has, largest first.', |||
      SELECT source_ip AS "Address", max(coalesce(sender, 'unknown')) AS "Sender", min(date_end) AS "First seen", %s, %s, %s
      FROM %s WHERE domain IN (${domain:sqlstring})
      GROUP BY 1 HAVING min(date_end) >= $__timeFrom() AND min(date_end) <= $__timeTo()
      ORDER BY "Messages" DESC LIMIT 50
    ||| % [messages, failed, share, view('dmarc_records')], 24, { overrides: toAddress }),

    alignment: by('Alignment', 'Aligned results and what receivers did, largest first.', [["coalesce(dkim, 'none')", 'DKIM'], ["coalesce(spf, 'none')", 'SPF'], ["coalesce(disposition, 'none')", 'Applied policy']], '"Messages" DESC'),
    overrides: rows('Overrides', 'Why receivers did not apply the policy, largest first.', |||
      SELECT r ->> 'type' AS "Reason", coalesce(r ->> 'comment', '') AS "Comment", sum(count) AS "Messages"
      %s GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 100
    ||| % each('reasons', 'r'), more={ noValue: 'no policy was overridden' }),
    dkim: rows('DKIM signatures', 'Each signing domain and selector with its results, whether aligned or not; every signature of a message counts.', |||
      SELECT d ->> 'domain' AS "Signer", coalesce(d ->> 'selector', '') AS "Selector", d ->> 'result' AS "Result", sum(count) AS "Messages", coalesce(sum(count) FILTER (WHERE dkim = 'pass'), 0) AS "Aligned"
      %s GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 200
    ||| % each('auth_dkim', 'd'), more={ noValue: 'no message was signed' }),
    spf: rows('SPF results', 'Each domain that was checked with its results, whether aligned or not.', |||
      SELECT d ->> 'domain' AS "Checked", coalesce(d ->> 'scope', '') AS "Scope", d ->> 'result' AS "Result", sum(count) AS "Messages", coalesce(sum(count) FILTER (WHERE spf = 'pass'), 0) AS "Aligned"
      %s GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 200
    ||| % each('auth_spf', 'd'), more={ noValue: 'nothing was checked' }),
    from: by('From and envelope', 'The domain in the From of messages, and that of the envelope.', [["coalesce(header_from, '')", 'From'], ["coalesce(envelope_from, '')", 'Envelope from'], ["coalesce(envelope_to, '')", 'Envelope to']]),

    byReporter: rows('Who reports', 'Each organisation with its reports, and what failed in them.', |||
      SELECT org_name AS "Reporter", count(*) AS "Reports", sum(messages) AS "Messages", sum(messages - pass_messages) AS "Failed", max(date_end) AS "Latest report"
      %s GROUP BY 1 ORDER BY 2 DESC LIMIT 200
    ||| % of('dmarc_reports')),
    list: rows('Reports, latest first', 'Each report with the policy that it saw, and codes of what was repaired in it.', |||
      SELECT created_at AS "Received", org_name AS "Reporter", domain AS "Domain", date_begin AS "Begin", date_end AS "End", p AS "Policy", sp AS "Subdomains", messages AS "Messages", messages - pass_messages AS "Failed", coalesce(warnings::text, '') AS "Repaired", report_id AS "Report"
      %s ORDER BY 1 DESC LIMIT 200
    ||| % of('dmarc_reports'), 24, { height: 10 }),
    policies: rows('Policies seen', 'Policies that reports saw, the latest first.', |||
      SELECT domain AS "Domain", p AS "Policy", sp AS "Subdomains", pct AS "Percent", adkim AS "DKIM", aspf AS "SPF", testing AS "Testing", count(*) AS "Reports", max(date_end) AS "Latest report"
      %s GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 9 DESC LIMIT 200
    ||| % of('dmarc_reports')),

    failures: rows('Failure reports, latest first', 'Each failure report: what failed, from where, for which message.', |||
      SELECT arrival_date AS "Received", org_name AS "Reporter", domain AS "Domain", auth_failure AS "Failed check", source_ip AS "Address", header_from AS "From", coalesce(dkim_selector, '') AS "Selector", coalesce(delivery_result, '') AS "Delivered", incidents AS "Incidents"
      %s ORDER BY created_at DESC LIMIT 200
    ||| % of('dmarc_failures', 'created_at'), 24, { noValue: 'no failure reports' }),
    tlsDays: days('TLS sessions by result', 'Sessions that TLS reports told of, by the day on which the reported period ended.', 'sum(successful_session_count) AS successful, sum(failed_session_count) AS failed', of('tls_reports', 'date_range_end', 'policy_domain'), 'date_range_end'),
    tlsHosts: rows('TLS failures by type and mail exchanger', 'What failed at which mail exchanger, most first.', |||
      SELECT result_type AS "Failure", coalesce(receiving_mx_hostname, '') AS "Mail exchanger", policy_domain AS "Domain", coalesce(failure_reason_code, '') AS "Reason", count(DISTINCT organization_name) AS "Reporters", sum(failure_count) AS "Sessions", max(date_range_end) AS "Latest report"
      %s GROUP BY 1, 2, 3, 4 ORDER BY 6 DESC LIMIT 200
    ||| % of('tls_failure_summaries', 'date_range_end', 'policy_domain'), more={ noValue: 'no failures' }),
    tlsDomains: rows('TLS by domain', 'Each domain, kind of policy and reporter with its sessions, most failures first.', |||
      SELECT policy_domain AS "Domain", policy_type AS "Policy", organization_name AS "Reporter", sum(successful_session_count) AS "Successful", sum(failed_session_count) AS "Failed", max(date_range_end) AS "Latest report"
      %s GROUP BY 1, 2, 3 ORDER BY 5 DESC, 4 DESC LIMIT 200
    ||| % of('tls_reports', 'date_range_end', 'policy_domain'), 24, { noValue: 'no TLS reports' }),
  }
