package tlsrpt

import "github.com/dmarc-suite/dmarc-suite/dmarc"

// The warnings of a TLS report, about its text and structure.
const (
	CodeBOM              dmarc.Code = "tls_bom"               // a byte order mark before the report
	CodeLeadingSpace     dmarc.Code = "tls_leading_space"     // white space before the report
	CodeTrailingData     dmarc.Code = "tls_trailing_data"     // data after the report, dropped
	CodeCharset          dmarc.Code = "tls_charset"           // the report is UTF-16, not UTF-8
	CodeInvalidText      dmarc.Code = "tls_invalid_text"      // bytes that are not UTF-8, read as windows-1252
	CodeControlCharacter dmarc.Code = "tls_control_character" // raw control characters in a string, dropped
	CodeValueCut         dmarc.Code = "tls_value_cut"         // a string longer than 4096 bytes, cut
	CodeDuplicateKey     dmarc.Code = "tls_duplicate_key"     // a key that occurs again: the first wins
	CodeWrongType        dmarc.Code = "tls_wrong_type"        // a value of another JSON type than RFC 8460 has
	CodeEntrySkipped     dmarc.Code = "tls_entry_skipped"     // an empty policy or failure detail
	CodeListCut          dmarc.Code = "tls_list_cut"          // a list of strings longer than any honest one, cut
	CodePoliciesMissing  dmarc.Code = "tls_policies_missing"  // no policies key
)

// The warnings of a TLS report, about its values.
const (
	CodeValueCase        dmarc.Code = "tls_value_case"          // a keyword in upper or mixed case, folded
	CodeOrgMissing       dmarc.Code = "tls_org_missing"         // no organization-name: the domain of contact-info stands in
	CodeReportIDMissing  dmarc.Code = "tls_report_id_missing"   // no report-id: one is made from the content
	CodeDateForm         dmarc.Code = "tls_date_form"           // a date in another form than 2016-04-01T00:00:00Z
	CodePeriodEmpty      dmarc.Code = "tls_period_empty"        // the reporting period begins and ends in the same second
	CodePeriodReversed   dmarc.Code = "tls_period_reversed"     // the reporting period ends before it begins
	CodePeriodLong       dmarc.Code = "tls_period_long"         // the reporting period is longer than a day and an hour
	CodePolicyMissing    dmarc.Code = "tls_policy_missing"      // a policy without a type
	CodePolicyUnknown    dmarc.Code = "tls_policy_unknown"      // an unknown policy type: other
	CodeDomainMissing    dmarc.Code = "tls_domain_missing"      // a policy without its domain
	CodeDomainNormalized dmarc.Code = "tls_domain_normalized"   // a domain in upper case or with a trailing dot
	CodeDomainInvalid    dmarc.Code = "tls_domain_invalid"      // a domain that is no host name, kept
	CodeCountMissing     dmarc.Code = "tls_count_missing"       // a count is missing: 0
	CodeCountRepaired    dmarc.Code = "tls_count_repaired"      // a whole number in an odd form, such as "5"
	CodeCountInvalid     dmarc.Code = "tls_count_invalid"       // a count that is not a whole number: 0
	CodeCountRange       dmarc.Code = "tls_count_range"         // a negative or absurdly large count: 0
	CodeSumMismatch      dmarc.Code = "tls_sum_mismatch"        // the failure details do not add up to the summary, which counts
	CodeResultMissing    dmarc.Code = "tls_result_type_missing" // a failure detail without a result type
	CodeResultUnknown    dmarc.Code = "tls_result_type_unknown" // an unknown result type: other
	CodeAddressRepaired  dmarc.Code = "tls_address_repaired"    // an address in an odd form, such as in brackets
	CodeAddressInvalid   dmarc.Code = "tls_address_invalid"     // an address that is none, kept as text
)

// Codes returns every warning code of this package, in the order of documentation.
func Codes() []dmarc.Code {
	return []dmarc.Code{
		CodeBOM, CodeLeadingSpace, CodeTrailingData, CodeCharset, CodeInvalidText, CodeControlCharacter,
		CodeValueCut, CodeDuplicateKey, CodeWrongType, CodeEntrySkipped, CodeListCut, CodePoliciesMissing,
		CodeValueCase, CodeOrgMissing, CodeReportIDMissing, CodeDateForm, CodePeriodEmpty,
		CodePeriodReversed, CodePeriodLong, CodePolicyMissing, CodePolicyUnknown, CodeDomainMissing,
		CodeDomainNormalized, CodeDomainInvalid, CodeCountMissing, CodeCountRepaired, CodeCountInvalid,
		CodeCountRange, CodeSumMismatch, CodeResultMissing, CodeResultUnknown, CodeAddressRepaired,
		CodeAddressInvalid,
	}
}
