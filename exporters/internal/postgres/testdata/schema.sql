-- The tables of the DMARC dashboard, as far as the pack reads them.
CREATE TABLE ingested_reports (
  id serial PRIMARY KEY, message_id varchar(255), received_at timestamp NOT NULL, filename varchar(255),
  content_hash varchar(64) UNIQUE, file_size int, storage_path text, status varchar(20) NOT NULL,
  parse_error text, created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'), updated_at timestamp
);
CREATE TABLE dmarc_reports (
  id serial PRIMARY KEY, ingested_report_id int REFERENCES ingested_reports, report_id varchar(255) NOT NULL,
  org_name varchar(255) NOT NULL, email varchar(255), extra_contact_info text, date_begin timestamp NOT NULL,
  date_end timestamp NOT NULL, domain varchar(255) NOT NULL, adkim varchar(1), aspf varchar(1), p varchar(20),
  sp varchar(20), pct int, created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
CREATE TABLE dmarc_records (
  id serial PRIMARY KEY, report_id int NOT NULL REFERENCES dmarc_reports ON DELETE CASCADE, source_ip varchar(45) NOT NULL,
  count int NOT NULL, disposition varchar(20), dkim varchar(20), spf varchar(20), header_from varchar(255),
  envelope_from varchar(255), envelope_to varchar(255), dkim_domain varchar(255), dkim_result varchar(20),
  dkim_selector varchar(255), spf_domain varchar(255), spf_result varchar(20), spf_scope varchar(20),
  created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
CREATE INDEX ON dmarc_records (report_id);
CREATE TABLE alert_history (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), alert_type varchar(50), severity varchar(20), fingerprint varchar(64),
  title text, message text, domain varchar(255), current_value float, threshold_value float, alert_metadata jsonb,
  status varchar(20), created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'), acknowledged_at timestamp,
  resolved_at timestamp, notification_sent boolean
);
CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), username varchar(50), email varchar(255), role varchar(20),
  is_active boolean NOT NULL, is_locked boolean NOT NULL, failed_login_attempts int, last_login timestamp
);
CREATE TABLE tls_reports (
  id serial PRIMARY KEY, report_id varchar(255), organization_name varchar(255), date_range_begin timestamp,
  date_range_end timestamp, policy_domain varchar(255), policy_type varchar(20), successful_session_count bigint,
  failed_session_count bigint
);
CREATE TABLE tls_failure_summaries (policy_domain varchar(255), result_type varchar(50), failure_count bigint);
CREATE TABLE celery_taskmeta (
  id serial PRIMARY KEY, task_id varchar(155) UNIQUE, status varchar(50), result bytea, date_done timestamp,
  traceback text, name varchar(155), worker varchar(155), retries int, queue varchar(155)
);
