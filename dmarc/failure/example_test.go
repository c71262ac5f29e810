package failure_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
)

const mail = `From: reports@mailcorp.example
Date: Mon, 2 Mar 2026 08:00:05 +0000
Message-ID: <1@mailcorp.example>
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: message/feedback-report

Feedback-Type: auth-failure
Auth-Failure: dmarc
Identity-Alignment: none
Source-IP: [192.0.2.77] (unknown)
Original-Rcpt-To: <alice@mailcorp.example>
Delivery-Result: reject

--b
Content-Type: message/rfc822

From: director@garden.example
Subject: payment

--b--
`

func ExampleParse() {
	r, err := failure.Parse(strings.NewReader(mail))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Reporter, "saw", r.Incidents, "failure of", r.Domain, "from", r.SourceIP)
	fmt.Println(r.AuthFailure, r.DeliveryResult)
	for _, w := range r.Warnings {
		fmt.Println("warning:", w.Code, w.Value)
	}
	// Output:
	// mailcorp.example saw 1 failure of garden.example from 192.0.2.77
	// dmarc reject
	// warning: failure_source_ip_repaired [192.0.2.77] (unknown)
	// warning: failure_domain_missing garden.example
	// warning: failure_date_missing
}

func ExampleParser_Parse() {
	complaint := strings.Replace(mail, "auth-failure", "abuse", 1)
	_, err := failure.Parser{Limits: failure.Limits{Parts: 10}}.Parse(strings.NewReader(complaint))
	var refused *dmarc.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Reason)
	}
	// Output: not_dmarc
}

func ExampleReport_Redact() {
	r, err := failure.Parse(strings.NewReader(mail))
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Redact()
	fmt.Println(r.OriginalRcptTo, r.ReporterAddress)
	// Output: [@mailcorp.example] @mailcorp.example
}

func ExampleCodes() {
	fmt.Println(failure.Codes()[4])
	// Output: failure_plain_text
}
