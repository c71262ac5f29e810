package dmarc_test

import (
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

const small = `<?xml version="1.0" encoding="UTF-8"?>
<feedback>
  <report_metadata>
    <org_name>Example Mail</org_name>
    <email>noreply@mail.example</email>
    <report_id>2026-11-24.1</report_id>
    <date_range><begin>1795392000</begin><end>1795478399</end></date_range>
  </report_metadata>
  <policy_published><domain>shop.example</domain><p>reject</p><sp>reject</sp><pct>100</pct></policy_published>
  <record>
    <row>
      <source_ip>192.0.2.10</source_ip>
      <count>12</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated>
    </row>
    <identifiers><header_from>shop.example</header_from></identifiers>
    <auth_results>
      <dkim><domain>shop.example</domain><selector>s1</selector><result>pass</result></dkim>
      <spf><domain>bounce.example</domain><result>softfail</result></spf>
    </auth_results>
  </record>
</feedback>
`

func TestParse(t *testing.T) {
	r, err := dmarc.Parse(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Records) != 1 || r.Records[0].Count != 12 || !r.Records[0].Aligned() || len(r.Warnings) != 0 {
		t.Errorf("got %+v", r)
	}
}
