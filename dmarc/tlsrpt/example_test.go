package tlsrpt_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

const report = `{
  "organization-name": "Mail Corp",
  "date-range": {"start-datetime": "2026-03-01T00:00:00Z", "end-datetime": "2026-03-01T23:59:59Z"},
  "report-id": "42",
  "policies": [{
    "policy": {"policy-type": "sts", "policy-domain": "garden.example"},
    "summary": {"total-successful-session-count": "40", "total-failure-session-count": 5},
    "failure-details": [{"result-type": "certificate-expired", "failed-session-count": 5}]
  }]
}`

func ExampleParse() {
	r, err := tlsrpt.Parse(strings.NewReader(report))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.OrganizationName, r.Start.Format("2 January 2006"))
	for _, p := range r.Policies {
		fmt.Println(p.Domain, p.Type, p.Successful, "of", p.Sessions())
		for _, d := range p.Details {
			fmt.Println("-", d.ResultType, d.FailedSessions)
		}
	}
	for _, w := range r.Warnings {
		fmt.Println("warning:", w.Code, w.Value)
	}
	// Output:
	// Mail Corp 1 March 2026
	// garden.example sts 40 of 45
	// - certificate-expired 5
	// warning: tls_count_repaired 40
}

func ExampleParser_Parse() {
	_, err := tlsrpt.Parser{Limits: tlsrpt.Limits{Bytes: 100}}.Parse(strings.NewReader(report))
	var refused *dmarc.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Reason)
	}
	// Output: too_large
}

func ExampleReport_Domains() {
	r, err := tlsrpt.Parse(strings.NewReader(report))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Domains(), r.Sessions(), r.Successful(), r.Failed())
	// Output: [garden.example] 45 40 5
}

func ExampleCodes() {
	fmt.Println(tlsrpt.Codes()[0])
	// Output: tls_bom
}
