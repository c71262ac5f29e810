package failure

import "github.com/dmarc-suite/dmarc-suite/dmarc"

// The warnings of a failure report.
const (
	CodeBoundaryGuessed    dmarc.Code = "failure_boundary_guessed"     // the boundary of the mail is missing or wrong
	CodeNoEndBoundary      dmarc.Code = "failure_no_end_boundary"      // the mail ends without its closing boundary
	CodeEncodingWrong      dmarc.Code = "failure_encoding_wrong"       // the transfer encoding of the feedback report is not the declared one
	CodeMediaType          dmarc.Code = "failure_media_type"           // the feedback report is no message/feedback-report part
	CodePlainText          dmarc.Code = "failure_plain_text"           // the report is plain text without fields of RFC 5965
	CodePartSkipped        dmarc.Code = "failure_part_skipped"         // a second feedback report in the same mail, dropped
	CodePartCut            dmarc.Code = "failure_part_cut"             // a feedback report or header longer than 256 KiB, cut
	CodeInvalidText        dmarc.Code = "failure_invalid_text"         // bytes that are not UTF-8, read as windows-1252
	CodeFieldMalformed     dmarc.Code = "failure_field_malformed"      // a line that is no field, dropped
	CodeFieldRepeated      dmarc.Code = "failure_field_repeated"       // a field that may occur once occurs again: the first wins
	CodeFieldsDropped      dmarc.Code = "failure_fields_dropped"       // a field that occurs more than 100 times
	CodeValueCut           dmarc.Code = "failure_value_cut"            // a value longer than 4096 bytes, cut
	CodeValueCase          dmarc.Code = "failure_value_case"           // a keyword in upper or mixed case, folded
	CodeTypeMissing        dmarc.Code = "failure_type_missing"         // no Feedback-Type beside other fields: auth-failure
	CodeAuthFailureMissing dmarc.Code = "failure_auth_failure_missing" // no Auth-Failure
	CodeAuthFailureUnknown dmarc.Code = "failure_auth_failure_unknown" // an unknown Auth-Failure: other
	CodeDeliveryUnknown    dmarc.Code = "failure_delivery_unknown"     // an unknown Delivery-Result: other
	CodeDomainMissing      dmarc.Code = "failure_domain_missing"       // no Reported-Domain: another one stands in
	CodeDomainNormalized   dmarc.Code = "failure_domain_normalized"    // a domain in upper case or with a trailing dot
	CodeDomainInvalid      dmarc.Code = "failure_domain_invalid"       // a Reported-Domain that is no host name, dropped
	CodeDateMissing        dmarc.Code = "failure_date_missing"         // no readable Arrival-Date: the date of the mail stands in
	CodeDateForm           dmarc.Code = "failure_date_form"            // a date in another form than RFC 5322 has
	CodeDateInvalid        dmarc.Code = "failure_date_invalid"         // a date that cannot be read, dropped
	CodeSourceInvalid      dmarc.Code = "failure_source_ip_invalid"    // a Source-IP without an address, kept as text
	CodeSourceRepaired     dmarc.Code = "failure_source_ip_repaired"   // a Source-IP in an odd form, such as in brackets
	CodePortInvalid        dmarc.Code = "failure_source_port_invalid"  // a Source-Port that is none, dropped
	CodeIncidentsInvalid   dmarc.Code = "failure_incidents_invalid"    // Incidents that are no 32-bit number: 1
	CodeReportIDMissing    dmarc.Code = "failure_report_id_missing"    // no Message-ID: an identity is made from the content
)

// Codes returns every warning code of this package, in the order of documentation.
func Codes() []dmarc.Code {
	return []dmarc.Code{
		CodeBoundaryGuessed, CodeNoEndBoundary, CodeEncodingWrong, CodeMediaType, CodePlainText,
		CodePartSkipped, CodePartCut, CodeInvalidText, CodeFieldMalformed, CodeFieldRepeated,
		CodeFieldsDropped, CodeValueCut, CodeValueCase, CodeTypeMissing, CodeAuthFailureMissing,
		CodeAuthFailureUnknown, CodeDeliveryUnknown, CodeDomainMissing, CodeDomainNormalized,
		CodeDomainInvalid, CodeDateMissing, CodeDateForm, CodeDateInvalid, CodeSourceInvalid,
		CodeSourceRepaired, CodePortInvalid, CodeIncidentsInvalid, CodeReportIDMissing,
	}
}
