package dmarc_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

const report = `<?xml version="1.0"?>
<feedback>
  <report_metadata>
    <org_name>Postal Example</org_name>
    <email>reports@postal.example</email>
    <report_id>2026.320.7</report_id>
    <date_range><begin>1795305600</begin><end>1795391999</end></date_range>
  </report_metadata>
  <policy_published><domain>garden.example</domain><p>reject</p></policy_published>
  <record>
    <row>
      <source_ip>192.0.2.25</source_ip>
      <count>7</count>
      <policy_evaluated><disposition>none</disposition><dkim>PASS</dkim><spf>fail</spf></policy_evaluated>
    </row>
    <identifiers><header_from>garden.example</header_from></identifiers>
    <auth_results>
      <dkim><domain>garden.example</domain><selector>s1</selector><result>pass</result></dkim>
    </auth_results>
  </record>
</feedback>`

// A whole report in memory.
func ExampleParse() {
	r, err := dmarc.Parse(strings.NewReader(report))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Metadata.OrgName, r.Policy.Domain, r.Metadata.Begin)
	for _, rec := range r.Records {
		fmt.Println(rec.SourceIP, rec.Count, rec.Aligned())
	}
	for _, w := range r.Warnings {
		fmt.Printf("line %d: %s: %s\n", w.Line, w.Code, w.Value)
	}
	// Output:
	// Postal Example garden.example 2026-11-22 00:00:00 +0000 UTC
	// 192.0.2.25 7 true
	// line 14: value_case: PASS
}

// A report that is not whole is an error that says why and where.
func ExampleParse_truncated() {
	_, err := dmarc.Parse(strings.NewReader(report[:600]))
	var refused *dmarc.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Reason, refused.Line)
	}
	// Output: truncated 16
}

// A report of any size in constant memory: what is counted is kept only when
// the report turns out to be whole.
func ExampleDecoder() {
	d := dmarc.NewDecoder(strings.NewReader(report))
	var rec dmarc.Record
	var messages int64
	for {
		err := d.Next(&rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		messages += rec.Count
	}
	fmt.Println(d.Report().Metadata.ReportID, messages)
	// Output: 2026.320.7 7
}

// The same as a range loop.
func ExampleDecoder_Records() {
	d := dmarc.NewDecoder(strings.NewReader(report))
	for rec, err := range d.Records() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(rec.Source, rec.DKIM, rec.AuthDKIM[0].Selector)
	}
	// Output: 192.0.2.25 pass s1
}

// One Decoder reads many reports and allocates next to nothing.
func ExampleDecoder_Reset() {
	d := dmarc.NewDecoder(strings.NewReader(report))
	d.Limits.Records = 1000
	var rec dmarc.Record
	for range 2 {
		for d.Next(&rec) == nil {
			fmt.Println(rec.Source)
		}
		d.Reset(strings.NewReader(report))
	}
	// Output:
	// 192.0.2.25
	// 192.0.2.25
}

// A Decoder reuses the slices of a Record: clone what is to be kept.
func ExampleRecord_Clone() {
	d := dmarc.NewDecoder(strings.NewReader(report))
	var kept []dmarc.Record
	for rec, err := range d.Records() {
		if err != nil {
			fmt.Println(err)
			return
		}
		kept = append(kept, rec.Clone())
	}
	fmt.Println(kept[0].AuthDKIM[0].Domain)
	// Output: garden.example
}

func ExampleCodes() {
	fmt.Println(len(dmarc.Codes()), dmarc.Codes()[0])
	// Output: 55 leading_space
}

func ExampleReasons() {
	fmt.Println(len(dmarc.Reasons()), dmarc.Reasons()[0])
	// Output: 19 not_a_report
}
