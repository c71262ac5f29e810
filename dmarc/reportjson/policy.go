package reportjson

import (
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Policy is one policy of a TLS report, with the sessions that were held to it.
type Policy struct {
	Header
	PolicyType tlsrpt.PolicyType `json:"policy_type"`
	// RawType is given where it has more than PolicyType.
	RawType    string   `json:"raw_policy_type,omitempty"`
	Strings    []string `json:"policy_string"`
	MXHosts    []string `json:"mx_host"`
	Successful int64    `json:"successful_sessions"`
	Failed     int64    `json:"failed_sessions"`
	Details    []Detail `json:"failure_details"`
}

// Detail is one kind of failure of the sessions of a Policy.
type Detail struct {
	ResultType          tlsrpt.ResultType `json:"result_type"`
	RawResultType       string            `json:"raw_result_type,omitempty"`
	SendingMTA          string            `json:"sending_mta_ip,omitempty"`
	Receiving           string            `json:"receiving_ip,omitempty"`
	ReceivingMXHostname string            `json:"receiving_mx_hostname,omitempty"`
	ReceivingMXHELO     string            `json:"receiving_mx_helo,omitempty"`
	Failed              int64             `json:"failed_sessions"`
	Information         string            `json:"additional_information,omitempty"`
	ReasonCode          string            `json:"failure_reason_code,omitempty"`
}

// NewPolicy makes the line of a policy. The header needs only where the report
// was found; the rest is that of the report.
func NewPolicy(h Header, r *tlsrpt.Report, p *tlsrpt.Policy) *Policy {
	h.Kind, h.Org, h.Email, h.ReportID = unpack.KindTLS, r.OrganizationName, r.ContactInfo, r.ReportID
	h.Domain, h.Begin, h.End = p.Domain, r.Start, r.End
	l := &Policy{
		Header: h, PolicyType: p.Type, RawType: p.RawType, Strings: orEmpty(p.Strings), MXHosts: orEmpty(p.MXHosts),
		Successful: p.Successful, Failed: p.Failed, Details: make([]Detail, 0, len(p.Details)),
	}
	for i := range p.Details {
		d := &p.Details[i]
		l.Details = append(l.Details, Detail{
			ResultType: d.ResultType, RawResultType: d.RawResultType, SendingMTA: d.SendingMTA, Receiving: d.Receiving,
			ReceivingMXHostname: d.ReceivingMXHostname, ReceivingMXHELO: d.ReceivingMXHELO, Failed: d.FailedSessions,
			Information: d.AdditionalInformation, ReasonCode: d.FailureReasonCode,
		})
	}
	return l
}
