package reportfiles

import (
	"io"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// policyLine is one policy of a TLS report.
type policyLine struct {
	reportHeader
	PolicyType string       `json:"policy_type"`
	RawType    string       `json:"raw_policy_type,omitempty"`
	Policy     []string     `json:"policy_string"`
	MXHosts    []string     `json:"mx_host"`
	Successful int64        `json:"successful_sessions"`
	Failed     int64        `json:"failed_sessions"`
	Details    []detailLine `json:"failure_details"`
}

type detailLine struct {
	ResultType    string `json:"result_type"`
	RawResultType string `json:"raw_result_type,omitempty"`
	SendingMTA    string `json:"sending_mta_ip,omitempty"`
	Receiving     string `json:"receiving_ip,omitempty"`
	MXHostname    string `json:"receiving_mx_hostname,omitempty"`
	MXHELO        string `json:"receiving_mx_helo,omitempty"`
	Failed        int64  `json:"failed_sessions"`
	Information   string `json:"additional_information,omitempty"`
	ReasonCode    string `json:"failure_reason_code,omitempty"`
}

// cells returns the columns of the section for TLS reports.
func (l *policyLine) cells() (section, []string) {
	return sectionTLS, []string{
		l.PolicyType, strconv.FormatInt(l.Successful, 10), strconv.FormatInt(l.Failed, 10),
		join(l.Details, func(d detailLine) string { return d.ResultType + "=" + strconv.FormatInt(d.Failed, 10) }),
	}
}

// parseTLS prints the policies of a TLS report.
func parseTLS(r io.Reader, header reportHeader, emit func(line)) error {
	report, err := tlsrpt.Parser{Text: i18n.Text()}.Parse(r)
	if err != nil {
		return err
	}
	header.Org, header.Email, header.ReportID = report.OrganizationName, report.ContactInfo, report.ReportID
	header.Begin, header.End = report.Start, report.End
	for i := range report.Policies {
		emit(newPolicyLine(header, &report.Policies[i]))
	}
	return nil
}

// newPolicyLine makes the line of one policy.
func newPolicyLine(header reportHeader, p *tlsrpt.Policy) *policyLine {
	header.Domain = p.Domain
	l := &policyLine{
		reportHeader: header, PolicyType: string(p.Type), RawType: p.RawType,
		Policy: orEmpty(p.Strings), MXHosts: orEmpty(p.MXHosts), Successful: p.Successful, Failed: p.Failed, Details: []detailLine{},
	}
	for i := range p.Details {
		d := &p.Details[i]
		l.Details = append(l.Details, detailLine{
			ResultType: string(d.ResultType), RawResultType: d.RawResultType, SendingMTA: d.SendingMTA, Receiving: d.Receiving,
			MXHostname: d.ReceivingMXHostname, MXHELO: d.ReceivingMXHELO, Failed: d.FailedSessions,
			Information: d.AdditionalInformation, ReasonCode: d.FailureReasonCode,
		})
	}
	return l
}

// orEmpty makes an empty list of none, so that JSON has [] and not null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
