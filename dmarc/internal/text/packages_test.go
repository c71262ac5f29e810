package text_test

import (
	"encoding/json"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// verdict is what a package makes of a domain.
type verdict struct {
	domain       string
	folded, isOK bool
}

func verdictOf(domain string, warnings []dmarc.Warning, folded, invalid dmarc.Code) verdict {
	has := func(code dmarc.Code) bool {
		return slices.ContainsFunc(warnings, func(w dmarc.Warning) bool { return w.Code == code })
	}
	if has(invalid) {
		return verdict{}
	}
	return verdict{domain, has(folded), true}
}

// readers read a policy domain from a report of each kind.
var readers = map[string]func(t *testing.T, domain string) verdict{
	"dmarc": func(t *testing.T, domain string) verdict {
		r, err := dmarc.Parse(strings.NewReader(aggregate(domain, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return verdictOf(r.Policy.Domain, r.Warnings, dmarc.CodeDomainNormalized, dmarc.CodeDomainInvalid)
	},
	"tlsrpt": func(t *testing.T, domain string) verdict {
		quoted, _ := json.Marshal(domain)
		r, err := tlsrpt.Parse(strings.NewReader(fmt.Sprintf(`{"organization-name": "o", "report-id": "1", "date-range":
			{"start-datetime": "2026-11-01T00:00:00Z", "end-datetime": "2026-11-01T23:59:59Z"},
			"policies": [{"policy": {"policy-type": "sts", "policy-domain": %s},
			"summary": {"total-successful-session-count": 1, "total-failure-session-count": 0}}]}`, quoted)))
		if err != nil {
			t.Fatal(err)
		}
		return verdictOf(r.Policies[0].Domain, r.Warnings, tlsrpt.CodeDomainNormalized, tlsrpt.CodeDomainInvalid)
	},
	"failure": func(t *testing.T, domain string) verdict {
		r, err := failure.Parse(strings.NewReader("Feedback-Type: auth-failure\nAuth-Failure: dmarc\n" +
			"Authentication-Results: x; dmarc=fail header.from=stand-in.example\nReported-Domain: " + domain + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		return verdictOf(r.Domain, r.Warnings, failure.CodeDomainNormalized, failure.CodeDomainInvalid)
	},
	"policy record": func(t *testing.T, domain string) verdict {
		r, _, err := dmarc.ParseRecord("v=DMARC1; p=none; rua=mailto:a@" + domain)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.RUA) == 0 {
			return verdict{}
		}
		return verdict{r.RUA[0].Host, r.RUA[0].Host != domain, true}
	},
}

// aggregate returns a report about a domain with a number of records.
func aggregate(domain string, records int) string {
	return `<feedback><report_metadata><org_name>o</org_name><email>a@b.example</email><report_id>1</report_id>` +
		`<date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>` +
		`<policy_published><domain>` + html.EscapeString(domain) + `</domain><p>none</p></policy_published>` +
		strings.Repeat(`<record><row><source_ip>192.0.2.1</source_ip><count>1</count><policy_evaluated><disposition>NONE`+
			`</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>example.com`+
			`</header_from></identifiers><auth_results><spf><domain>example.com</domain><result>fail</result></spf>`+
			`</auth_results></record>`, records) + `</feedback>`
}

// TestOneRuleForHosts reads the same domains in reports of all kinds.
func TestOneRuleForHosts(t *testing.T) {
	labels := strings.Repeat("a.", 126) + "a" // 253 bytes
	for _, test := range []struct {
		domain string
		want   verdict
	}{
		{"example.com", verdict{"example.com", false, true}},
		{"a_b-c.1.example", verdict{"a_b-c.1.example", false, true}},
		{"localhost", verdict{"localhost", false, true}},
		{"Example.COM.", verdict{"example.com", true, true}},
		{"bücher.example", verdict{"bücher.example", false, true}},
		{"BÜCHER.example", verdict{"bücher.example", true, true}},
		{labels, verdict{labels, false, true}},
		{labels + "a", verdict{}},
		{strings.Repeat("a", 63) + ".example", verdict{strings.Repeat("a", 63) + ".example", false, true}},
		{strings.Repeat("a", 64) + ".example", verdict{}},
		{"a..example", verdict{}},
		{".example", verdict{}},
		{"a\u0085b.example", verdict{}},
		{"a\u202eb.example", verdict{}},
		{"\ufffd.example", verdict{}},
		{"a/b.example", verdict{}},
		{"a:b.example", verdict{}},
	} {
		for name, read := range readers {
			if got := read(t, test.domain); got != test.want {
				t.Errorf("%s: %q is %+v, want %+v", name, test.domain, got, test.want)
			}
		}
	}
}

// TestOneCharset reads a name with bytes that windows-1252 does not have.
func TestOneCharset(t *testing.T) {
	const want = "a\ufffd\ufffdb€"
	r, err := dmarc.Parse(strings.NewReader(strings.Replace(aggregate("b.example", 1), ">o<", ">a\x81\x9db\x80<", 1)))
	if err != nil {
		t.Fatal(err)
	}
	tls, err := tlsrpt.Parse(strings.NewReader("{\"organization-name\": \"a\x81\x9db\x80\", \"date-range\": " +
		`{"start-datetime": "2026-11-01T00:00:00Z", "end-datetime": "2026-11-01T23:59:59Z"}, "report-id": "1", "policies": []}`))
	if err != nil {
		t.Fatal(err)
	}
	f, err := failure.Parse(strings.NewReader("Feedback-Type: auth-failure\nReported-Domain: b.example\nUser-Agent: a\x81\x9db\x80\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"dmarc": r.Metadata.OrgName, "tlsrpt": tls.OrganizationName, "failure": f.UserAgent} {
		if got != want {
			t.Errorf("%s reads %q, want %q", name, got, want)
		}
	}
}

// TestWarningsAreBounded fills a report with warnings of one kind before it
// gets to others: each kind is in the list, which is never too long.
func TestWarningsAreBounded(t *testing.T) {
	for _, n := range []int{99, 100, 101, 500} {
		in := strings.Replace(aggregate("B.example", n), "</feedback>", "<record/></feedback>trailing", 1)
		r, err := dmarc.Parse(strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		codes := map[dmarc.Code]int{}
		for _, w := range r.Warnings {
			codes[w.Code]++
		}
		want := map[dmarc.Code]int{
			dmarc.CodeDomainNormalized: 1, dmarc.CodeValueCase: 97, dmarc.CodeEmptyRecord: 1, dmarc.CodeTrailingData: 1,
		}
		if len(r.Warnings) != dmarc.MaxWarnings || len(r.Warnings)+r.WarningsDropped != n+3 {
			t.Errorf("%d records: %d warnings and %d dropped", n, len(r.Warnings), r.WarningsDropped)
		}
		for code, count := range want {
			if codes[code] != count {
				t.Errorf("%d records: %d of %s, want %d", n, codes[code], code, count)
			}
		}
	}
}
