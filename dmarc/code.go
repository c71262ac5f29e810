package dmarc

import "slices"

// The codes of an aggregate report as XML: what was tolerated in its bytes
// and its structure.
const (
	CodeLeadingSpace       Code = "leading_space"       // white space before the XML declaration
	CodeStrayText          Code = "stray_text"          // text between elements, dropped
	CodeStrayEndTag        Code = "stray_end_tag"       // an end tag without its start tag, dropped
	CodeSchemaTag          Code = "schema_tag"          // the report is wrapped in an XML schema element, dropped
	CodeMissingRoot        Code = "missing_root"        // the feedback element is missing
	CodeTrailingData       Code = "trailing_data"       // data after the end of the report, dropped
	CodeMalformedTag       Code = "malformed_tag"       // a start tag with broken attributes, which are ignored
	CodeControlCharacter   Code = "control_character"   // characters that XML forbids, dropped
	CodeBareAmpersand      Code = "bare_ampersand"      // an ampersand that starts no reference, kept as text
	CodeBareAngle          Code = "bare_angle"          // an angle bracket that starts no tag, kept as text
	CodeEntityNotExpanded  Code = "entity_not_expanded" // a reference to an entity of the document type, dropped
	CodeCharsetMislabelled Code = "charset_mislabelled" // the declared character set is not the one that is used
	CodeCharsetUnknown     Code = "charset_unknown"     // the declared character set is unknown, read as UTF-8
	CodeInvalidText        Code = "invalid_text"        // bytes that are not UTF-8, read as windows-1252
	CodeValueCut           Code = "value_cut"           // a value longer than Limits.TextBytes, cut
	CodeUnknownElement     Code = "unknown_element"     // an element of no namespace that neither RFC has, skipped
	CodeForeignElement     Code = "foreign_element"     // an element of another namespace with a name of the report's, skipped
	CodeUnknownNamespace   Code = "unknown_namespace"   // the namespace of the root element is not one of DMARC
	CodeUndeclaredPrefix   Code = "undeclared_prefix"   // a namespace prefix without a declaration
	CodeDuplicateElement   Code = "duplicate_element"   // an element that may occur once occurs again: the first wins
	CodeDuplicatePolicy    Code = "duplicate_policy"    // a second policy_published, skipped
	CodeRenamedElement     Code = "renamed_element"     // an element by another name, such as identities
	CodeEmptyRecord        Code = "empty_record"        // a record without a single value, skipped
	CodeElementsDropped    Code = "elements_dropped"    // a list longer than any honest one, cut
	CodeNestedElement      Code = "nested_element"      // an element inside a value, skipped
)

// The codes of an aggregate report's values.
const (
	CodeValueCase          Code = "value_case"           // a keyword in upper or mixed case, folded
	CodeOrgMissing         Code = "org_missing"          // no org_name: the domain of the e-mail address stands in
	CodeOrgAddress         Code = "org_address"          // org_name contains an e-mail address, kept
	CodeReportIDMissing    Code = "report_id_missing"    // no report_id: one is made from the content
	CodeDateMilliseconds   Code = "date_milliseconds"    // a date in milliseconds or finer, divided
	CodeDateFraction       Code = "date_fraction"        // a date with fractional seconds, cut
	CodeDateText           Code = "date_text"            // a date that is not a number, such as ISO 8601
	CodePeriodEmpty        Code = "period_empty"         // the reporting period begins and ends in the same second
	CodePeriodReversed     Code = "period_reversed"      // the reporting period ends before it begins
	CodePeriodLong         Code = "period_long"          // the reporting period is longer than a day and an hour
	CodePolicyValueMissing Code = "policy_value_missing" // an element of policy_published is empty
	CodePolicyValueInvalid Code = "policy_value_invalid" // an element of policy_published has an unknown value, ignored
	CodeCountMissing       Code = "count_missing"        // no count: 0
	CodeCountInvalid       Code = "count_invalid"        // a count that is not a whole number: 0
	CodeCountRange         Code = "count_range"          // a negative or absurdly large count: 0
	CodeCountRepaired      Code = "count_repaired"       // a whole number in an odd form, such as 5.0
	CodeSourceMissing      Code = "source_ip_missing"    // no source_ip
	CodeSourceInvalid      Code = "source_ip_invalid"    // a source_ip that is not an address, kept as text
	CodeSourceRepaired     Code = "source_ip_repaired"   // an address in an odd form, such as brackets or a zone
	CodeDispositionMissing Code = "disposition_missing"  // no disposition: absent, not none
	CodeDispositionUnknown Code = "disposition_unknown"  // an unknown disposition: absent, not none
	CodeEvaluationMissing  Code = "evaluation_missing"   // policy_evaluated lacks dkim or spf: not aligned
	CodeEvaluationUnknown  Code = "evaluation_unknown"   // dkim or spf of policy_evaluated is neither pass nor fail: not aligned
	CodeReasonTypeMissing  Code = "reason_type_missing"  // a policy override reason without a type, kept
	CodeHeaderFromMissing  Code = "header_from_missing"  // no header_from: the policy domain stands in
	CodeDomainNormalized   Code = "domain_normalized"    // a domain in upper case or with a trailing dot
	CodeDomainInvalid      Code = "domain_invalid"       // a domain that is no host name, kept
	CodeAuthResultsMissing Code = "auth_results_missing" // a record without DKIM and SPF results
	CodeResultMissing      Code = "result_missing"       // a DKIM or SPF entry without a result
	CodeResultUnknown      Code = "result_unknown"       // an unknown DKIM or SPF result: other, never pass
)

// Codes returns every Code of an aggregate report, in the order of documentation.
func Codes() []Code { return slices.Clone(codes[:]) }

var codes = [...]Code{
	CodeLeadingSpace, CodeStrayText, CodeStrayEndTag, CodeSchemaTag, CodeMissingRoot, CodeTrailingData,
	CodeMalformedTag, CodeControlCharacter, CodeBareAmpersand, CodeBareAngle, CodeEntityNotExpanded,
	CodeCharsetMislabelled, CodeCharsetUnknown, CodeInvalidText, CodeValueCut, CodeUnknownElement,
	CodeForeignElement, CodeUnknownNamespace, CodeUndeclaredPrefix, CodeDuplicateElement, CodeDuplicatePolicy,
	CodeRenamedElement, CodeEmptyRecord, CodeElementsDropped, CodeNestedElement,
	CodeValueCase, CodeOrgMissing, CodeOrgAddress, CodeReportIDMissing, CodeDateMilliseconds,
	CodeDateFraction, CodeDateText, CodePeriodEmpty, CodePeriodReversed, CodePeriodLong,
	CodePolicyValueMissing, CodePolicyValueInvalid, CodeCountMissing, CodeCountInvalid, CodeCountRange,
	CodeCountRepaired, CodeSourceMissing, CodeSourceInvalid, CodeSourceRepaired,
	CodeDispositionMissing, CodeDispositionUnknown, CodeEvaluationMissing, CodeEvaluationUnknown,
	CodeReasonTypeMissing, CodeHeaderFromMissing, CodeDomainNormalized, CodeDomainInvalid,
	CodeAuthResultsMissing, CodeResultMissing, CodeResultUnknown,
}
