-- Answers: what many records of a day come to, kept once more in a form that is
-- read at once, and what is known of who sends.

-- The records of the reports about a domain that end on a day, up to the report
-- last, as rollup.go writes them. Later reports are read as they are.
CREATE TABLE rollups (
  domain TEXT NOT NULL, day BIGINT NOT NULL, last BIGINT NOT NULL, records BIGINT NOT NULL,
  data BLOB NOT NULL, -- sqlite
  data BYTEA NOT NULL, -- postgres
  PRIMARY KEY (domain, day)
);
CREATE INDEX reports_report_id ON reports (report_id); -- sqlite
CREATE INDEX reports_report_id ON reports USING hash (report_id); -- postgres

-- Who sends: by what authenticated, and by what is known of an address.
ALTER TABLE record_contents ADD COLUMN sender TEXT;
ALTER TABLE addresses ADD COLUMN guess TEXT;
ALTER TABLE addresses ADD COLUMN host TEXT;
ALTER TABLE addresses ADD COLUMN host_sender TEXT;
ALTER TABLE addresses ADD COLUMN looked_up BIGINT;
DROP VIEW dmarc_records;
CREATE VIEW dmarc_records AS SELECT
  (k.report << 24) + k.n AS id, k.report AS report_id, k.source_ip, k.messages AS count,
  c.disposition, c.dkim, c.spf, c.header_from, c.envelope_from, c.envelope_to,
  c.auth_dkim ->> '$[0].domain' AS dkim_domain, c.auth_dkim ->> '$[0].result' AS dkim_result, -- sqlite
  c.auth_dkim ->> '$[0].selector' AS dkim_selector, c.auth_spf ->> '$[0].domain' AS spf_domain, -- sqlite
  c.auth_spf ->> '$[0].result' AS spf_result, c.auth_spf ->> '$[0].scope' AS spf_scope, -- sqlite
  c.auth_dkim::json -> 0 ->> 'domain' AS dkim_domain, c.auth_dkim::json -> 0 ->> 'result' AS dkim_result, -- postgres
  c.auth_dkim::json -> 0 ->> 'selector' AS dkim_selector, c.auth_spf::json -> 0 ->> 'domain' AS spf_domain, -- postgres
  c.auth_spf::json -> 0 ->> 'result' AS spf_result, c.auth_spf::json -> 0 ->> 'scope' AS spf_scope, -- postgres
  c.reasons, c.auth_dkim, c.auth_spf, c.as_sent, coalesce(a.sender, c.sender, a.guess, a.host_sender, a.as_name) AS sender,
  a.asn, a.as_name, a.country, a.host, r.domain, r.org_name,
  datetime(r.period_begin, 'unixepoch') AS date_begin, datetime(r.period_end, 'unixepoch') AS date_end, -- sqlite
  datetime(r.received, 'unixepoch') AS created_at -- sqlite
  to_timestamp(r.period_begin) AT TIME ZONE 'UTC' AS date_begin, to_timestamp(r.period_end) AT TIME ZONE 'UTC' AS date_end, -- postgres
  to_timestamp(r.received) AT TIME ZONE 'UTC' AS created_at -- postgres
FROM records k JOIN reports r ON r.id = k.report -- sqlite
FROM records k JOIN reports r ON r.id = k.report AND r.day = k.day -- postgres
JOIN record_contents c ON c.id = k.content LEFT JOIN addresses a ON a.source_ip = k.source_ip;
