package reportjson_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
)

const report = `<feedback><report_metadata><org_name>Example Mail</org_name><email>dmarc@mail.example</email><report_id>1</report_id>
<date_range><begin>1795219200</begin><end>1795305599</end></date_range></report_metadata>
<policy_published><domain>shop.example</domain><p>reject</p></policy_published>
<record><row><source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>shop.example</header_from></identifiers><auth_results/></record></feedback>`

func Example() {
	r, err := dmarc.Parse(strings.NewReader(report))
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range r.Records {
		if err := reportjson.Write(os.Stdout, reportjson.NewRecord(reportjson.Header{Path: "report.xml"}, r, &r.Records[i])); err != nil {
			fmt.Println(err)
		}
	}
	// Output: {"path":"report.xml","kind":"aggregate","org":"Example Mail","email":"dmarc@mail.example","report_id":"1","domain":"shop.example","begin":"2026-11-21T00:00:00Z","end":"2026-11-21T23:59:59Z","policy_published":{"p":"reject"},"source_ip":"192.0.2.1","count":7,"disposition":"none","dkim":"pass","spf":"fail","pass":true,"reasons":[],"header_from":"shop.example","envelope_from":"","envelope_to":"","auth_dkim":[],"auth_spf":[]}
}

func ExampleEscape() {
	fmt.Printf("%s\n", reportjson.Escape([]byte("{\"org_name\":\"\u202eelpmaxe\u009b31m – Grüße 🙂\"}")))
	// Output: {"org_name":"\u202eelpmaxe\u009b31m – Grüße 🙂"}
}
