-- The reports themselves. What many records or reports have in common is kept
-- once; its id is a hash of it, and its month the last one that used it.

CREATE TABLE reports (
  id INTEGER PRIMARY KEY, -- sqlite
  id BIGINT NOT NULL, -- postgres
  day INTEGER NOT NULL, kind TEXT NOT NULL, org_name TEXT NOT NULL, email TEXT NOT NULL, domain TEXT NOT NULL, report_id TEXT NOT NULL,
  period_begin BIGINT NOT NULL, period_end BIGINT NOT NULL, received BIGINT NOT NULL, source TEXT NOT NULL,
  records BIGINT NOT NULL, kept BIGINT NOT NULL, messages BIGINT NOT NULL, pass_messages BIGINT NOT NULL,
  digest BLOB NOT NULL, header BIGINT -- sqlite
  digest BYTEA NOT NULL, header BIGINT, PRIMARY KEY (day, id) -- postgres
); -- sqlite
) PARTITION BY RANGE (day); -- postgres
CREATE SEQUENCE report_ids; -- postgres
CREATE INDEX reports_day ON reports (day); -- sqlite
CREATE INDEX reports_domain ON reports (domain, day);

CREATE TABLE report_headers (
  id INTEGER PRIMARY KEY, -- sqlite
  id BIGINT PRIMARY KEY, -- postgres
  month BIGINT NOT NULL,
  version TEXT, namespace TEXT, generator TEXT, extra_contact_info TEXT, errors TEXT,
  p TEXT, sp TEXT, np TEXT, adkim TEXT, aspf TEXT, pct BIGINT, fo TEXT, testing TEXT, discovery_method TEXT
);

CREATE TABLE records (
  day INTEGER NOT NULL, n INTEGER NOT NULL, report BIGINT NOT NULL, messages BIGINT NOT NULL, content BIGINT NOT NULL,
  source_ip TEXT NOT NULL, PRIMARY KEY (report, n) -- sqlite
) WITHOUT ROWID; -- sqlite
  source_ip TEXT NOT NULL -- postgres
) PARTITION BY RANGE (day); -- postgres
CREATE INDEX records_report ON records (report); -- postgres
CREATE INDEX records_source_ip ON records (source_ip);

CREATE TABLE record_contents (
  id INTEGER PRIMARY KEY, -- sqlite
  id BIGINT PRIMARY KEY, -- postgres
  month BIGINT NOT NULL,
  disposition TEXT, dkim TEXT, spf TEXT, header_from TEXT, envelope_from TEXT, envelope_to TEXT,
  reasons TEXT, auth_dkim TEXT, auth_spf TEXT, as_sent TEXT
);

-- What is known of an address beside its records.
CREATE TABLE addresses (
  source_ip TEXT PRIMARY KEY, sender TEXT, asn BIGINT, as_name TEXT, country TEXT
) WITHOUT ROWID; -- sqlite
); -- postgres

CREATE TABLE tls_policies (
  report BIGINT NOT NULL, n BIGINT NOT NULL, policy_type TEXT, domain TEXT, policy TEXT, mx_hosts TEXT,
  successful_sessions BIGINT NOT NULL, failed_sessions BIGINT NOT NULL, PRIMARY KEY (report, n)
);
CREATE TABLE tls_details (
  report BIGINT NOT NULL, policy BIGINT NOT NULL, n BIGINT NOT NULL, result_type TEXT, sending_mta_ip TEXT, receiving_ip TEXT,
  receiving_mx_hostname TEXT, receiving_mx_helo TEXT, failed_sessions BIGINT NOT NULL, additional_information TEXT,
  failure_reason_code TEXT, PRIMARY KEY (report, policy, n)
);
CREATE TABLE failures (
  report BIGINT PRIMARY KEY, auth_failure TEXT, delivery_result TEXT, source_ip TEXT, arrival BIGINT, incidents BIGINT NOT NULL,
  mail_from TEXT, rcpt_to TEXT, dkim_domain TEXT, dkim_selector TEXT, header_from TEXT, reporting_mta TEXT, details TEXT,
  original BLOB -- sqlite
  original BYTEA -- postgres
);

-- What was refused, the newest only.
CREATE TABLE refusals (
  id INTEGER PRIMARY KEY, -- sqlite
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- postgres
  refused BIGINT NOT NULL, source TEXT, input TEXT, reason TEXT NOT NULL, message TEXT,
  mail_date BIGINT, mail_from TEXT, mail_subject TEXT, mail_message_id TEXT
);

CREATE VIEW dmarc_reports AS SELECT
  r.id, r.report_id, r.org_name, r.email, h.extra_contact_info,
  datetime(r.period_begin, 'unixepoch') AS date_begin, datetime(r.period_end, 'unixepoch') AS date_end, -- sqlite
  to_timestamp(r.period_begin) AT TIME ZONE 'UTC' AS date_begin, to_timestamp(r.period_end) AT TIME ZONE 'UTC' AS date_end, -- postgres
  r.domain, h.adkim, h.aspf, h.p, h.sp, h.np, h.pct, h.fo, h.testing, h.discovery_method, h.version, h.generator, h.errors,
  r.records, r.messages, r.pass_messages, r.source,
  datetime(r.received, 'unixepoch') AS created_at -- sqlite
  to_timestamp(r.received) AT TIME ZONE 'UTC' AS created_at -- postgres
FROM reports r LEFT JOIN report_headers h ON h.id = r.header WHERE r.kind = 'aggregate';

CREATE VIEW dmarc_records AS SELECT
  (k.report << 24) + k.n AS id, k.report AS report_id, k.source_ip, k.messages AS count,
  c.disposition, c.dkim, c.spf, c.header_from, c.envelope_from, c.envelope_to,
  c.auth_dkim ->> '$[0].domain' AS dkim_domain, c.auth_dkim ->> '$[0].result' AS dkim_result, -- sqlite
  c.auth_dkim ->> '$[0].selector' AS dkim_selector, c.auth_spf ->> '$[0].domain' AS spf_domain, -- sqlite
  c.auth_spf ->> '$[0].result' AS spf_result, c.auth_spf ->> '$[0].scope' AS spf_scope, -- sqlite
  c.auth_dkim::json -> 0 ->> 'domain' AS dkim_domain, c.auth_dkim::json -> 0 ->> 'result' AS dkim_result, -- postgres
  c.auth_dkim::json -> 0 ->> 'selector' AS dkim_selector, c.auth_spf::json -> 0 ->> 'domain' AS spf_domain, -- postgres
  c.auth_spf::json -> 0 ->> 'result' AS spf_result, c.auth_spf::json -> 0 ->> 'scope' AS spf_scope, -- postgres
  c.reasons, c.auth_dkim, c.auth_spf, c.as_sent, a.sender, a.asn, a.as_name, a.country,
  r.domain, r.org_name,
  datetime(r.period_begin, 'unixepoch') AS date_begin, datetime(r.period_end, 'unixepoch') AS date_end, -- sqlite
  datetime(r.received, 'unixepoch') AS created_at -- sqlite
  to_timestamp(r.period_begin) AT TIME ZONE 'UTC' AS date_begin, to_timestamp(r.period_end) AT TIME ZONE 'UTC' AS date_end, -- postgres
  to_timestamp(r.received) AT TIME ZONE 'UTC' AS created_at -- postgres
FROM records k JOIN reports r ON r.id = k.report -- sqlite
FROM records k JOIN reports r ON r.id = k.report AND r.day = k.day -- postgres
JOIN record_contents c ON c.id = k.content LEFT JOIN addresses a ON a.source_ip = k.source_ip;

CREATE VIEW tls_reports AS SELECT
  (p.report << 24) + p.n AS id, r.report_id, r.org_name AS organization_name, r.email AS contact_info,
  datetime(r.period_begin, 'unixepoch') AS date_range_begin, datetime(r.period_end, 'unixepoch') AS date_range_end, -- sqlite
  datetime(r.received, 'unixepoch') AS created_at, -- sqlite
  to_timestamp(r.period_begin) AT TIME ZONE 'UTC' AS date_range_begin, to_timestamp(r.period_end) AT TIME ZONE 'UTC' AS date_range_end, -- postgres
  to_timestamp(r.received) AT TIME ZONE 'UTC' AS created_at, -- postgres
  p.domain AS policy_domain, p.policy_type, p.policy, p.mx_hosts,
  p.successful_sessions AS successful_session_count, p.failed_sessions AS failed_session_count
FROM tls_policies p JOIN reports r ON r.id = p.report;

CREATE VIEW tls_failure_summaries AS SELECT
  r.report_id, r.org_name AS organization_name, p.domain AS policy_domain, d.result_type, d.failed_sessions AS failure_count,
  d.sending_mta_ip, d.receiving_ip, d.receiving_mx_hostname, d.receiving_mx_helo, d.additional_information, d.failure_reason_code,
  datetime(r.period_end, 'unixepoch') AS date_range_end -- sqlite
  to_timestamp(r.period_end) AT TIME ZONE 'UTC' AS date_range_end -- postgres
FROM tls_details d JOIN tls_policies p ON p.report = d.report AND p.n = d.policy JOIN reports r ON r.id = d.report;

CREATE VIEW dmarc_failures AS SELECT
  f.report AS id, r.report_id, r.org_name, r.domain,
  datetime(f.arrival, 'unixepoch') AS arrival_date, datetime(r.received, 'unixepoch') AS created_at, -- sqlite
  to_timestamp(f.arrival) AT TIME ZONE 'UTC' AS arrival_date, to_timestamp(r.received) AT TIME ZONE 'UTC' AS created_at, -- postgres
  f.incidents, f.auth_failure, f.delivery_result, f.source_ip, f.header_from, f.mail_from, f.rcpt_to, f.dkim_domain, f.dkim_selector,
  f.reporting_mta, f.details, f.original, r.source
FROM failures f JOIN reports r ON r.id = f.report;

CREATE VIEW dmarc_refusals AS SELECT
  id, source, input, reason, message, mail_from, mail_subject, mail_message_id,
  datetime(refused, 'unixepoch') AS refused_at, datetime(mail_date, 'unixepoch') AS mail_date -- sqlite
  to_timestamp(refused) AT TIME ZONE 'UTC' AS refused_at, to_timestamp(mail_date) AT TIME ZONE 'UTC' AS mail_date -- postgres
FROM refusals;
