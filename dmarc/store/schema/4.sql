-- What had to be repaired or dropped to read a report, and in the mail or the
-- archive that carried it: the codes of its warnings, each once, with spaces in
-- between. NULL for reports that an older version has kept.
ALTER TABLE reports ADD COLUMN warnings TEXT;
DROP VIEW dmarc_reports;
CREATE VIEW dmarc_reports AS SELECT
  r.id, r.report_id, r.org_name, r.email, h.extra_contact_info,
  datetime(r.period_begin, 'unixepoch') AS date_begin, datetime(r.period_end, 'unixepoch') AS date_end, -- sqlite
  to_timestamp(r.period_begin) AT TIME ZONE 'UTC' AS date_begin, to_timestamp(r.period_end) AT TIME ZONE 'UTC' AS date_end, -- postgres
  r.domain, h.adkim, h.aspf, h.p, h.sp, h.np, h.pct, h.fo, h.testing, h.discovery_method, h.version, h.generator, h.errors,
  r.warnings, r.records, r.messages, r.pass_messages, r.source,
  datetime(r.received, 'unixepoch') AS created_at -- sqlite
  to_timestamp(r.received) AT TIME ZONE 'UTC' AS created_at -- postgres
FROM reports r LEFT JOIN report_headers h ON h.id = r.header WHERE r.kind = 'aggregate';
