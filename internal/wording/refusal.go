package wording

import (
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// Refusal says what a reason for refusing an input means, and what to do. It is
// empty for what is no reason.
func Refusal(reason dmarc.Reason) string { return refusals[reason] }

var refusals = map[dmarc.Reason]string{
	dmarc.ReasonNotAReport:  "There is no report in it: other mail, spam or a bounce. Nothing is to be done, unless it was meant to be a report.",
	dmarc.ReasonEmpty:       "It is empty. Reporters do that now and then; nothing is to be done.",
	dmarc.ReasonSyntax:      "It looks like a report, but its markup is broken, and records may be missing. Tell the reporter.",
	dmarc.ReasonTruncated:   "It ends before the report does. Look for a limit of size on the way of the mail, or a disk that was full; otherwise tell the reporter.",
	dmarc.ReasonCorrupt:     "An attachment or an archive is damaged. If it happens with several reporters, something on the way changes mails, such as a virus scanner.",
	dmarc.ReasonEncoding:    "Its character set or encoding is not one that is read. Tell the reporter.",
	dmarc.ReasonEncrypted:   "It is encrypted. Reports are not: a gateway on the way may have done it.",
	dmarc.ReasonNoDates:     "The report does not say which days it is about, so that it cannot be counted. Tell the reporter.",
	dmarc.ReasonNoDomain:    "The report does not say which domain it is about, so that it cannot be counted. Tell the reporter.",
	dmarc.ReasonTooLarge:    "It is larger than any honest report. If you know the sender, check the file with dmarc_exporter check.",
	dmarc.ReasonTooDeep:     "It is nested deeper than any honest report. If you know the sender, check the file with dmarc_exporter check.",
	dmarc.ReasonTooMany:     "It has more parts or records than any honest report. If you know the sender, split it, such as an archive of old reports.",
	dmarc.ReasonRatio:       "It expands to so much that it is taken for a decompression bomb. Nothing is to be done.",
	dmarc.ReasonTooCostly:   "Reading it takes more work than an input may take. If it is an archive of old reports, split it, or raise --limit.work.",
	dmarc.ReasonNotDMARC:    "It is a feedback report about something else, such as a spam complaint. Nothing is to be done.",
	dmarc.ReasonUnsupported: "It is in a container that is not read, such as an Outlook .msg. Save the attachment, or forward the mail as MIME.",
	dmarc.ReasonAbsurd:      "It has more messages than a report can have. If that is true of your domain, raise --limit.record-messages and --limit.report-messages.",
	dmarc.ReasonUntrusted:   "The mail that carried it failed authentication as the configuration wants it. If the reporter is honest, look at trust in the configuration.",
	dmarc.ReasonIO:          "It could not be read. Look at the permissions of the file, or at the connection to the mailbox.",
}

// TLSResult says what a result of TLS sessions means (RFC 8460, section 4.3).
func TLSResult(result tlsrpt.ResultType) string { return tlsResults[result] }

var tlsResults = map[tlsrpt.ResultType]string{
	tlsrpt.ResultTypeSTARTTLSNotSupported:    "The host did not offer STARTTLS.",
	tlsrpt.ResultTypeCertificateHostMismatch: "The certificate has another name than the host.",
	tlsrpt.ResultTypeCertificateExpired:      "The certificate has expired.",
	tlsrpt.ResultTypeCertificateNotTrusted:   "The certificate is not of an authority that the sender trusts.",
	tlsrpt.ResultTypeValidationFailure:       "The session failed for a reason that has no name of its own.",
	tlsrpt.ResultTypeTLSAInvalid:             "No TLSA record fits the certificate.",
	tlsrpt.ResultTypeDNSSECInvalid:           "The DNSSEC of the domain did not validate.",
	tlsrpt.ResultTypeDANERequired:            "The sender wants DANE, and the domain has no valid TLSA record.",
	tlsrpt.ResultTypeSTSPolicyFetchError:     "The MTA-STS policy could not be fetched.",
	tlsrpt.ResultTypeSTSPolicyInvalid:        "The MTA-STS policy is not valid.",
	tlsrpt.ResultTypeSTSWebPKIInvalid:        "The certificate of the MTA-STS web server is not valid.",
	tlsrpt.ResultTypeOther:                   "The report has a result that RFC 8460 does not have.",
}
