package reports_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
)

// A mailbox with reports of all kinds.
func ExampleRead() {
	err := reports.Read(strings.NewReader(mailbox), func(r *reports.Report) error {
		switch {
		case r.Err != nil:
			fmt.Println(r.Document, "was refused:", r.Err)
		case r.Aggregate != nil:
			fmt.Println(r.Aggregate.Metadata.OrgName, "has", len(r.Aggregate.Records), "records about", r.Aggregate.Policy.Domain)
		case r.TLS != nil:
			fmt.Println(r.TLS.OrganizationName, "saw", r.TLS.Failed(), "sessions fail")
		case r.Failure != nil:
			fmt.Println(r.Failure.Reporter, "refused mail from", r.Failure.SourceIP)
		}
		for _, w := range r.Warnings {
			fmt.Println("tolerated:", w.Code)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Postal Example has 1 records about garden.example
	// tolerated: value_case
	// Postal Example saw 3 sessions fail
	// mail 1/part 3 was refused: truncated: gzip header ends early
	// mail.example refused mail from 192.0.2.9
	// tolerated: failure_date_missing
}

// Records of reports of any size, one by one, and text of all scripts.
func ExampleReader() {
	messages := int64(0)
	reader := reports.Reader{
		Text: i18n.Text(),
		Record: func(_ *reports.Report, rec *dmarc.Record) error {
			messages += rec.Count
			return nil
		},
	}
	for _, input := range []string{mailbox, aggregate, "a holiday greeting"} {
		err := reader.Read(strings.NewReader(input), func(r *reports.Report) error {
			if r.Aggregate != nil {
				fmt.Println(messages, "messages") // The report is whole.
			}
			messages = 0
			return nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 7 messages
	// 7 messages
	// not_a_report: neither a report nor a container of one
}

// Everything as JSON, a line for each record, policy and failure report.
func ExampleRead_json() {
	err := reports.Read(strings.NewReader(tlsReport), func(r *reports.Report) error {
		if r.Err != nil {
			return reportjson.Write(os.Stdout, reportjson.NewRefusal("report.json", r.Err))
		}
		for line := range reportjson.Lines("report.json", r) {
			if err := reportjson.Write(os.Stdout, line); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: {"path":"report.json","kind":"tls","org":"Postal Example","email":"tls@postal.example","report_id":"t1","domain":"garden.example","begin":"2026-11-21T00:00:00Z","end":"2026-11-21T23:59:59Z","policy_type":"sts","policy_string":[],"mx_host":[],"successful_sessions":40,"failed_sessions":3,"failure_details":[]}
}
