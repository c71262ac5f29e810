package store

// Sheet is one of the tables of reports, to which rows are added. The columns
// are strings, int64s, byte slices, or nil.
type Sheet struct {
	Name    string
	Columns []string
	// Key are the columns that tell rows apart which may be known already; empty
	// when rows are always new. Of a row that is known, Raised becomes the
	// larger one of both, or without Raised all columns replace those before.
	Key    string
	Raised string
}

// RowReader returns one row after the other, nil after the last one. A row is
// valid until the next call.
type RowReader func() ([]any, error)

// The tables of reports.
var (
	sheetReports = &Sheet{Name: "reports", Columns: []string{
		"day", "id", "kind", "org_name", "email", "domain", "report_id", "period_begin", "period_end", "received", "source",
		"records", "kept", "messages", "pass_messages", "digest", "header", "warnings",
	}}
	sheetHeaders = &Sheet{Name: "report_headers", Key: "id", Raised: "month", Columns: []string{
		"id", "month", "version", "namespace", "generator", "extra_contact_info", "errors",
		"p", "sp", "np", "adkim", "aspf", "pct", "fo", "testing", "discovery_method",
	}}
	sheetRecords  = &Sheet{Name: "records", Columns: []string{"day", "n", "report", "messages", "content", "source_ip"}}
	sheetContents = &Sheet{Name: "record_contents", Key: "id", Raised: "month", Columns: []string{
		"id", "month", "disposition", "dkim", "spf", "header_from", "envelope_from", "envelope_to", "reasons", "auth_dkim", "auth_spf", "as_sent", "sender",
	}}
	sheetAddresses = &Sheet{Name: "addresses", Key: "source_ip", Columns: []string{"source_ip", "sender", "guess", "asn", "as_name", "country"}}
	sheetHosts     = &Sheet{Name: "addresses", Key: "source_ip", Columns: []string{"source_ip", "host", "host_sender", "looked_up"}}
	sheetPolicies  = &Sheet{Name: "tls_policies", Columns: []string{
		"report", "n", "policy_type", "domain", "policy", "mx_hosts", "successful_sessions", "failed_sessions",
	}}
	sheetSessions = &Sheet{Name: "tls_details", Columns: []string{
		"report", "policy", "n", "result_type", "sending_mta_ip", "receiving_ip", "receiving_mx_hostname", "receiving_mx_helo",
		"failed_sessions", "additional_information", "failure_reason_code",
	}}
	sheetFailures = &Sheet{Name: "failures", Columns: []string{
		"report", "auth_failure", "delivery_result", "source_ip", "arrival", "incidents", "mail_from", "rcpt_to", "dkim_domain", "dkim_selector",
		"header_from", "reporting_mta", "details", "original",
	}}
	sheetRollups  = &Sheet{Name: "rollups", Key: "domain, day", Columns: []string{"domain", "day", "last", "records", "data"}}
	sheetRefusals = &Sheet{Name: "refusals", Columns: []string{
		"refused", "source", "input", "reason", "message", "mail_date", "mail_from", "mail_subject", "mail_message_id",
	}}
)

// rowsOf returns rows that are held in memory.
func rowsOf(rows [][]any) RowReader {
	return func() ([]any, error) {
		if len(rows) == 0 {
			return nil, nil
		}
		row := rows[0]
		rows = rows[1:]
		return row, nil
	}
}
