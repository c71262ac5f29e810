package tally_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

const report = `<feedback>
 <report_metadata><org_name>Example Mail</org_name><email>dmarc@mail.example</email><report_id>1</report_id>
  <date_range><begin>1795392000</begin><end>1795478399</end></date_range></report_metadata>
 <policy_published><domain>shop.example</domain><p>reject</p></policy_published>
 <record><row><source_ip>192.0.2.1</source_ip><count>7</count>
  <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
  <identifiers><header_from>shop.example</header_from></identifiers><auth_results/></record>
</feedback>`

// A report that comes twice counts once. Package store does this durably.
func Example() {
	now := func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }
	counts := tally.New(tally.Config{Now: now})
	delta := counts.Begin()
	for range 2 {
		err := unpack.Walk(strings.NewReader(report), unpack.Limits{}, func(doc *unpack.Document) error {
			entry, err := tally.Read(doc)
			if err == nil {
				fmt.Println(delta.Count(entry).Outcome)
			}
			return err
		})
		if err != nil {
			panic(err)
		}
	}
	counts.Apply(delta)
	for _, series := range counts.Snapshot().Series[tally.Messages] {
		fmt.Println(series.Labels, series.Value)
	}
	// Output:
	// counted
	// duplicate
	// [shop.example none pass fail] 7
}

func ExampleRead() {
	err := unpack.Walk(strings.NewReader(report[:400]), unpack.Limits{}, func(doc *unpack.Document) error {
		_, err := tally.Read(doc)
		return err
	})
	fmt.Println("a report that is cut counts nothing:", err != nil)
	// Output: a report that is cut counts nothing: true
}
