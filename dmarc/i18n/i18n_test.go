package i18n_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// document is a report by org about domain.
func document(charset, org, domain string) string {
	return `<?xml version="1.0" encoding="` + charset + `"?>
<feedback><report_metadata><org_name>` + org + `</org_name><report_id>7</report_id>
<date_range><begin>1795392000</begin><end>1795478399</end></date_range></report_metadata>
<policy_published><domain>` + domain + `</domain><p>none</p></policy_published>
<record><row><count>3</count></row><identifiers><header_from>` + domain + `</header_from></identifiers></record></feedback>`
}

// parse reads a report and returns the codes of its warnings.
func parse(t *testing.T, r io.Reader, with dmarc.Text) (*dmarc.Report, []dmarc.Code) {
	t.Helper()
	d := dmarc.NewDecoder(r)
	d.Text = with
	for rec, err := range d.Records() {
		if err != nil {
			t.Fatal(err)
		}
		d.Report().Records = append(d.Report().Records, rec.Clone())
	}
	var codes []dmarc.Code
	for _, w := range d.Report().Warnings {
		codes = append(codes, w.Code)
	}
	return d.Report(), codes
}

// TestCharsets writes a report in each character set, and reads it byte by byte, too.
func TestCharsets(t *testing.T) {
	for _, test := range []struct{ name, org string }{
		{"windows-1250", "Zahradní pošta"},
		{"Windows-1251", "Почта у сада"},
		{"cp1253", "Ταχυδρομείο"},
		{"windows-1254", "Posta İşleri"},
		{"windows-1255", "דואר הגן"},
		{"windows-1256", "بريد الحديقة"},
		{"windows-1257", "Dārza pasts"},
		{"windows-1258", "Vưn"},
		{"windows-874", "ไปรษณีย์"},
		{"iso-8859-2", "Kertészet őrség"},
		{"ISO_8859-4:1988", "Dārza"},
		{"iso-8859-5", "Пошта"},
		{"iso-8859-7", "Κήπος"},
		{"iso-8859-9", "Bahçe ığş"},
		{"iso-8859-13", "Sodo paštas"},
		{"iso-8859-16", "Poșta grădinii"},
		{"koi8-r", "Садовая почта"},
		{"KOI8-U", "Садова пошта ї"},
		{"IBM852", "Pošta"},
		{"IBM866", "Почта"},
		{"macintosh", "Gartenpost ÄÖÜ"},
		{"shift_jis", "庭の郵便局"},
		{"euc-jp", "庭の郵便局"},
		{"iso-2022-jp", "庭の郵便局"},
		{"euc-kr", "정원 우체국"},
		{"gbk", "花园邮局"},
		{"gb18030", "花园邮局"},
		{"hz-gb-2312", "花园邮局"},
		{"big5", "花園郵局"},
	} {
		t.Run("charset-declared", func(t *testing.T) {
			// The index of the IANA has no name for all of what browsers read.
			e, err := ianaindex.IANA.Encoding(test.name)
			if err != nil {
				e, err = ianaindex.MIME.Encoding(strings.ReplaceAll(test.name, "cp", "windows-"))
			}
			if err != nil || e == nil {
				t.Fatal(test.name, err)
			}
			long := document(test.name, test.org+"<!--"+strings.Repeat("-", 80<<10)+"-->", "garden.example")
			for _, in := range []string{document(test.name, test.org, "garden.example"), long} {
				b, err := encoding.ReplaceUnsupported(e.NewEncoder()).String(in)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range []io.Reader{strings.NewReader(b), iotest.OneByteReader(strings.NewReader(b))} {
					report, codes := parse(t, r, i18n.Text())
					if report.Metadata.OrgName != test.org || slices.Contains(codes, dmarc.CodeCharsetUnknown) || slices.Contains(codes, dmarc.CodeInvalidText) || len(report.Records) != 1 {
						t.Errorf("%s: got %q, %v and %d records, want %q", test.name, report.Metadata.OrgName, codes, len(report.Records), test.org)
					}
				}
				report, codes := parse(t, strings.NewReader(b), dmarc.Text{})
				if !slices.Contains(codes, dmarc.CodeCharsetUnknown) {
					t.Errorf("without i18n: %q without a warning", report.Metadata.OrgName)
				}
			}
		})
	}
}

// TestDamaged reads bytes that are not of the declared character set, and a
// character set that nobody knows: never letters of another one.
func TestDamaged(t *testing.T) {
	for _, charset := range []string{"euc-kr", "x-klingon", "cp037", "replacement", "iso-2022-kr"} {
		report, codes := parse(t, strings.NewReader(document(charset, "Post \xff\xe4", "garden.example")), i18n.Text())
		if got := report.Metadata.OrgName; strings.Trim(got, "Post \uFFFD") != "" || !slices.Contains(codes, dmarc.CodeInvalidText) {
			t.Errorf("%s: got %q with %v", charset, got, codes)
		}
	}
}

// TestDomains reads one domain in all kinds of reports as the DNS has it.
func TestDomains(t *testing.T) {
	const want = "xn--rten-koa.example" // ärten.example
	for _, in := range []string{
		"ärten.example", "ÄRTEN.example.", "a\u0308rten.example", "ärten。example", "är\u00adten.example",
		"\ufeffärten.example", "ärten\u200b.example", "ärten.ｅｘample", "XN--RTEN-KOA.example", "xn--rten-koa．example",
	} {
		report, codes := parse(t, strings.NewReader(document("utf-8", "Post", in)), i18n.Text())
		if got := report.Records[0].HeaderFrom; got != want || report.Policy.Domain != want || !slices.Contains(codes, dmarc.CodeDomainNormalized) {
			t.Errorf("aggregate: %q is %q with %v", in, got, codes)
		}
		tls, err := tlsrpt.Parser{Text: i18n.Text()}.Parse(strings.NewReader(`{"date-range": {"start-datetime": "2026-11-23T00:00:00Z", "end-datetime":
			"2026-11-23T23:59:59Z"}, "policies": [{"policy": {"policy-type": "sts", "policy-domain": "` + in + `"}}]}`))
		if err != nil || tls.Policies[0].Domain != want {
			t.Errorf("TLS: %q: got %+v, %v", in, tls, err)
		}
		mail, err := failure.Parser{Text: i18n.Text()}.Parse(strings.NewReader(
			"Feedback-Type: auth-failure\nVersion: 1\nAuth-Failure: dmarc\nReported-Domain: " + in + "\n\n"))
		if err != nil || mail.Domain != want {
			t.Errorf("failure: %q: got %+v, %v", in, mail, err)
		}
	}
	for _, in := range []string{"gar\u200dten.example", "gä rten.example", "xn--ä.example", strings.Repeat("ä", 64) + ".example"} {
		if report, codes := parse(t, strings.NewReader(document("utf-8", "Post", in)), i18n.Text()); !slices.Contains(codes, dmarc.CodeDomainInvalid) {
			t.Errorf("%q is %q with %v, want a warning", in, report.Policy.Domain, codes)
		}
	}
}
