package tally

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// aggregate returns a report with records.
func aggregate(records ...string) string {
	return `<feedback><report_metadata><org_name>Example Mail</org_name><email>dmarc@mail.example</email><report_id>1</report_id>` +
		`<date_range><begin>1795392000</begin><end>1795478399</end></date_range></report_metadata>` +
		`<policy_published><domain>shop.example</domain><p>reject</p></policy_published>` +
		strings.Join(records, "") + `</feedback>`
}

// record returns a record; each %s of more is a DKIM or SPF result, or a reason.
func record(count int, disposition, dkim, spf, from, reason, auth string) string {
	if reason != "" {
		reason = "<reason><type>" + reason + "</type></reason>"
	}
	return fmt.Sprintf(`<record><row><source_ip>192.0.2.%d</source_ip><count>%d</count><policy_evaluated><disposition>%s</disposition>`+
		`<dkim>%s</dkim><spf>%s</spf>%s</policy_evaluated></row><identifiers><header_from>%s</header_from></identifiers>`+
		`<auth_results>%s</auth_results></record>`, count, count, disposition, dkim, spf, reason, from, auth)
}

func readOne(t testing.TB, r *Reader, kind unpack.Kind, text string) *Entry {
	t.Helper()
	e, err := r.Read(&unpack.Document{Kind: kind, Reader: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestReadAggregate(t *testing.T) {
	const dkimPass, spfPass = `<dkim><domain>a.example</domain><result>pass</result></dkim>`, `<spf><domain>a.example</domain><result>pass</result></spf>`
	text := aggregate(
		record(1, "none", "pass", "pass", "shop.example", "", ""),
		record(2, "none", "pass", "fail", "shop.example", "", ""),
		record(4, "NONE", "fail", "pass", "shop.example", "", ""),
		record(8, "none", "fail", "fail", "shop.example", "mailing_list", ""),
		record(16, "none", "fail", "fail", "shop.example", "local_policy", dkimPass),
		record(32, "quarantine", "fail", "fail", "news.shop.example", "", dkimPass),
		record(64, "", "fail", "fail", "shop.example", "sampled_out", spfPass),
		record(128, "reject", "fail", "fail", "shop.example", "", ""),
	)
	reader := &Reader{Source: func(rec *dmarc.Record) string {
		if rec.SourceIP == netip.MustParseAddr("192.0.2.1") {
			return "own"
		}
		return ""
	}}
	doc := &unpack.Document{
		Kind: unpack.KindAggregate, Reader: strings.NewReader(text), Warnings: []dmarc.Warning{{Code: unpack.CodeLeadingJunk}}, WarningsDropped: 1,
	}
	got, err := reader.Read(doc)
	if err != nil {
		t.Fatal(err)
	}
	want := &Entry{
		Identity: Identity{
			Kind: unpack.KindAggregate, Org: "Example Mail", Email: "dmarc@mail.example", Domain: "shop.example", ReportID: "1",
			Begin: time.Unix(1795392000, 0).UTC(), End: time.Unix(1795478399, 0).UTC(),
		},
		Digest: got.Digest, Records: 8, Messages: 255, PassMessages: 7,
		Dispositions: map[string]int64{"none": 31, "quarantine": 32, Absent: 64, "reject": 128},
		Groups: map[Group]int64{
			{Domain: "shop.example", Disposition: "none", DKIM: true, SPF: true, Class: ClassAlignedBoth, Source: "own"}: 1,
			{Domain: "shop.example", Disposition: "none", DKIM: true, Class: ClassDKIMOnly}:                              2,
			{Domain: "shop.example", Disposition: "none", SPF: true, Class: ClassSPFOnly}:                                4,
			{Domain: "shop.example", Disposition: "none", Class: ClassForwarded}:                                         8,
			{Domain: "shop.example", Disposition: "none", Class: ClassLocalOverride}:                                     16,
			{Domain: "news.shop.example", Disposition: "quarantine", Class: ClassUnaligned}:                              32,
			{Domain: "shop.example", Disposition: Absent, Class: ClassUnaligned}:                                         64,
			{Domain: "shop.example", Disposition: "reject", Class: ClassUnauthenticated}:                                 128,
		},
		Policy:   got.Policy,
		Warnings: got.Warnings, WarningsDropped: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	if got.Policy.P != dmarc.DispositionReject || got.Policy.Domain != "shop.example" {
		t.Errorf("policy %+v", got.Policy)
	}
	codes := []dmarc.Code{dmarc.CodeDispositionMissing, unpack.CodeLeadingJunk, dmarc.CodeValueCase}
	for _, code := range codes {
		found := false
		for _, c := range got.WarningCodes() {
			found = found || c == code
		}
		if !found {
			t.Errorf("codes %v lack %s", got.WarningCodes(), code)
		}
	}
	if n := len(got.WarningCodes()); n >= len(got.Warnings) {
		t.Errorf("%d codes of %d warnings: not each once", n, len(got.Warnings))
	}
}

// TestDigest holds what is the same content and what is not.
func TestDigest(t *testing.T) {
	a := record(1, "none", "pass", "fail", "shop.example", "", `<dkim><domain>shop.example</domain><selector>s</selector><result>pass</result></dkim>`)
	b := record(2, "reject", "fail", "fail", "shop.example", "local_policy", `<spf><domain>shop.example</domain><result>fail</result></spf>`)
	reader := &Reader{}
	digest := func(text string) [8]byte { return readOne(t, reader, unpack.KindAggregate, text).Digest }
	first := digest(aggregate(a, b))
	same := map[string]string{
		"again":            aggregate(a, b),
		"another order":    aggregate(b, a),
		"white space":      strings.ReplaceAll(aggregate(a, b), "><", ">\r\n  <"),
		"case of keywords": strings.ReplaceAll(aggregate(a, b), ">pass<", "> PASS <"),
		"comments":         strings.ReplaceAll(aggregate(a, b), "<type>local_policy</type>", "<type>local_policy</type><comment>why not</comment>"),
		"another id":       strings.ReplaceAll(aggregate(a, b), "<report_id>1<", "<report_id>2<"),
	}
	for name, text := range same {
		if digest(text) != first {
			t.Errorf("%s: another digest", name)
		}
	}
	other := map[string]string{
		"no records":     aggregate(),
		"one record":     aggregate(a),
		"a record twice": aggregate(a, b, b),
		"count":          strings.ReplaceAll(aggregate(a, b), "<count>1<", "<count>3<"),
		"address":        strings.ReplaceAll(aggregate(a, b), "192.0.2.1<", "192.0.2.3<"),
		"disposition":    strings.ReplaceAll(aggregate(a, b), ">reject<", ">quarantine<"),
		"domain":         strings.ReplaceAll(aggregate(a, b), "<header_from>shop", "<header_from>news.shop"),
		"selector":       strings.ReplaceAll(aggregate(a, b), "<selector>s<", "<selector>t<"),
		"reason":         strings.ReplaceAll(aggregate(a, b), ">local_policy<", ">forwarded<"),
		"values moved":   strings.ReplaceAll(aggregate(a, b), "<domain>shop.example</domain><selector>s</selector>", "<domain>shop.examples</domain><selector></selector>"),
	}
	seen := map[[8]byte]string{first: "the first"}
	for name, text := range other {
		d := digest(text)
		if before, ok := seen[d]; ok {
			t.Errorf("%s: the digest of %s", name, before)
		}
		seen[d] = name
	}
}

func TestReadTLS(t *testing.T) {
	got := readOne(t, &Reader{}, unpack.KindTLS, `{"organization-name":"Example Mail","contact-info":"tls@mail.example","report-id":"r",
"date-range":{"start-datetime":"2026-11-23T00:00:00Z","end-datetime":"2026-11-23T23:59:59Z"},"policies":[
{"policy":{"policy-type":"no-policy-found"},"summary":{"total-successful-session-count":1,"total-failure-session-count":0}},
{"policy":{"policy-type":"sts","policy-domain":"shop.example"},"summary":{"total-successful-session-count":10,"total-failure-session-count":3},
"failure-details":[{"result-type":"certificate-expired","failed-session-count":2},{"result-type":"brand-new","failed-session-count":1}]},
{"policy":{"policy-type":"sts","policy-domain":"shop.example"},"summary":{"total-successful-session-count":5,"total-failure-session-count":1}}]}`)
	want := &Entry{
		Identity: Identity{
			Kind: unpack.KindTLS, Org: "Example Mail", Email: "tls@mail.example", Domain: "shop.example", ReportID: "r",
			Begin: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 23, 23, 59, 59, 0, time.UTC),
		},
		Digest: got.Digest, Records: 3, Messages: 20, PassMessages: 16,
		TLS: []Sessions{
			{Policy: tlsrpt.PolicyTypeNotFound, Successful: 1},
			{Domain: "shop.example", Policy: tlsrpt.PolicyTypeSTS, Successful: 15, Failed: 4, Failures: map[tlsrpt.ResultType]int64{
				tlsrpt.ResultTypeCertificateExpired: 2, tlsrpt.ResultTypeOther: 1,
			}},
		},
		Warnings: got.Warnings,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}

func TestReadFailure(t *testing.T) {
	file, err := os.Open("../failure/testdata/full.eml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := Read(&unpack.Document{Kind: unpack.KindFailure, Reader: file})
	if err != nil {
		t.Fatal(err)
	}
	if got.Kind != unpack.KindFailure || got.Records != 1 || got.Messages < 1 || got.PassMessages != 0 || got.Domain == "" || got.AuthFailure == "" || got.End.IsZero() {
		t.Errorf("entry %+v", got)
	}
}

// TestReadRefuses holds that no refusal leaves an entry.
func TestReadRefuses(t *testing.T) {
	damaged := &dmarc.Error{Reason: dmarc.ReasonCorrupt, Offset: -1, Err: errors.New("wrong CRC")}
	whole := aggregate(record(1, "none", "pass", "pass", "shop.example", "", ""))
	tests := []struct {
		name string
		doc  unpack.Document
		want dmarc.Reason
	}{
		{"damaged member", unpack.Document{Err: damaged}, dmarc.ReasonCorrupt},
		{"unknown kind", unpack.Document{Kind: "letter", Reader: strings.NewReader("dear all")}, dmarc.ReasonUnsupported},
		{"cut", unpack.Document{Kind: unpack.KindAggregate, Reader: strings.NewReader(whole[:len(whole)-20])}, dmarc.ReasonTruncated},
		{"no TLS report", unpack.Document{Kind: unpack.KindTLS, Reader: strings.NewReader("[]")}, dmarc.ReasonNotAReport},
		{"wrong checksum at the end", unpack.Document{Kind: unpack.KindAggregate, Reader: io.MultiReader(strings.NewReader(whole), failing{damaged})}, dmarc.ReasonCorrupt},
		{"wrong checksum behind JSON", unpack.Document{Kind: unpack.KindFailure, Reader: failing{damaged}}, dmarc.ReasonCorrupt},
		{"unreadable", unpack.Document{Kind: unpack.KindAggregate, Reader: failing{errors.New("disk on fire")}}, dmarc.ReasonIO},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := Read(&tt.doc)
			var refusal *dmarc.Error
			if e != nil || !errors.As(err, &refusal) || refusal.Reason != tt.want {
				t.Errorf("entry %v, error %v, want %s", e, err, tt.want)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestEntryIsBounded reads reports that name thousands of domains.
func TestEntryIsBounded(t *testing.T) {
	var records, policies []string
	for i := range 5000 {
		records = append(records, record(1, "none", "pass", "pass", fmt.Sprintf("d%d.example", i), "", ""))
		policies = append(policies, fmt.Sprintf(`{"policy":{"policy-type":"sts","policy-domain":"d%d.example"},"summary":{"total-successful-session-count":2,"total-failure-session-count":1}}`, i))
	}
	e := readOne(t, &Reader{}, unpack.KindAggregate, aggregate(records...))
	if sum := groupSum(e); sum != 5000 || e.Messages != 5000 || len(e.Groups) > maxGroups+1 {
		t.Errorf("%d groups of %d messages, want at most %d of 5000", len(e.Groups), sum, maxGroups+1)
	}
	e = readOne(t, &Reader{}, unpack.KindTLS, `{"organization-name":"a","report-id":"r","date-range":{"start-datetime":"2026-11-23T00:00:00Z","end-datetime":"2026-11-23T23:59:59Z"},"policies":[`+strings.Join(policies, ",")+`]}`)
	var sum int64
	for _, s := range e.TLS {
		sum += s.Successful + s.Failed
	}
	if sum != 15000 || e.Messages != 15000 || len(e.TLS) > maxSessions {
		t.Errorf("%d policies of %d sessions, want at most %d of 15000", len(e.TLS), sum, maxSessions)
	}
}

func groupSum(e *Entry) (sum int64) {
	for _, n := range e.Groups {
		sum += n
	}
	return sum
}

// FuzzRead holds what every entry must be, whatever the document.
func FuzzRead(f *testing.F) {
	for _, pattern := range []string{"../testdata/reports/*.xml", "../tlsrpt/testdata/*.json", "../failure/testdata/*.eml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte(aggregate(record(1, "none", "pass", "pass", "shop.example", "", ""))))
	reader := &Reader{}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range []unpack.Kind{unpack.KindAggregate, unpack.KindTLS, unpack.KindFailure} {
			e, err := reader.Read(&unpack.Document{Kind: kind, Reader: strings.NewReader(string(data))})
			var refusal *dmarc.Error
			switch {
			case err != nil:
				if e != nil || !errors.As(err, &refusal) {
					t.Fatalf("entry %v with error %v", e, err)
				}
				continue
			case e.Kind != kind, e.PassMessages < 0, e.PassMessages > e.Messages, e.Records < 0:
				t.Fatalf("impossible entry %+v", e)
			}
			if kind != unpack.KindAggregate {
				continue
			}
			var dispositions int64
			for _, n := range e.Dispositions {
				dispositions += n
			}
			if groupSum(e) != e.Messages || dispositions != e.Messages || len(e.Groups) > maxGroups+100 {
				t.Fatalf("%d messages, %d in groups, %d by disposition", e.Messages, groupSum(e), dispositions)
			}
			again, err := reader.Read(&unpack.Document{Kind: kind, Reader: strings.NewReader(string(data))})
			if err != nil || again.Digest != e.Digest || again.Key() != e.Key() {
				t.Fatalf("reading again: %v, %v", again, err)
			}
		}
	})
}
