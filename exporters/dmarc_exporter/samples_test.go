package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	_ "github.com/dmarc-suite/dmarc-suite/internal/metrictest" // declares -update
)

// sampleDir holds the reports that make run serves.
const sampleDir = "testdata/reports"

// The weeks that the samples cover, the last day included.
var (
	sampleFirst = time.Date(2026, 10, 26, 0, 0, 0, 0, time.UTC)
	sampleLast  = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
)

// TestSamples compares the sample reports with what wrote them. With -update
// it writes them. What is compressed is compared unpacked: compressors change.
func TestSamples(t *testing.T) {
	want := samples(t)
	if flag.Lookup("update").Value.String() == "true" {
		writeSamples(t, want)
	}
	got := map[string][]byte{}
	entries, err := os.ReadDir(sampleDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(sampleDir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = content
	}
	if diff := gocmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Fatalf("files differ (-want +got), -update rewrites them:\n%s", diff)
	}
	for name := range want {
		if diff := gocmp.Diff(documents(t, want[name]), documents(t, got[name])); diff != "" {
			t.Errorf("%s differs (-want +got), -update rewrites it:\n%s", name, diff)
		}
	}
}

func writeSamples(t *testing.T, all map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(sampleDir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(sampleDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range all {
		if err := os.WriteFile(filepath.Join(sampleDir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// documents returns the reports in a file as texts, or why there is none.
func documents(t *testing.T, file []byte) []string {
	t.Helper()
	var out []string
	err := unpack.Walk(bytes.NewReader(file), unpack.Limits{}, func(d *unpack.Document) error {
		if d.Err != nil {
			out = append(out, "refused")
			return nil
		}
		text, err := io.ReadAll(d.Reader)
		if err != nil {
			text = []byte("damaged")
		}
		out = append(out, string(text))
		return nil
	})
	if err != nil {
		out = append(out, err.Error())
	}
	return out
}

// reporter is an invented organisation that writes reports.
type reporter struct {
	org, domain string
	about       string // the policy domain
	every, days int    // how often reports come, and what each covers, in days
	until       int    // the last day, counted from the first; 0 is sampleLast
	wrap        func(t *testing.T, name string, report []byte) (file string, content []byte)
	policy      dmarc.Policy
	traffic     traffic
}

// traffic makes the records of a day, counted from the first.
type traffic func(r *rand.Rand, day int) []dmarc.Record

// reporters tell a story for each domain. That of example.com is in good order, but
// for a day on which others send in its name, and for a reporter that falls silent.
// The newsletter is well until its service signs with a key that nobody published.
// The shop has a help desk that only passes SPF, a machine that nobody set up, and
// a mailing list in between.
func reporters() []reporter {
	strict := dmarc.Policy{P: dmarc.DispositionReject, SP: dmarc.DispositionReject, ADKIM: dmarc.AlignmentStrict, ASPF: dmarc.AlignmentRelaxed, DiscoveryMethod: "treewalk"}
	moving := dmarc.Policy{P: dmarc.DispositionQuarantine, SP: dmarc.DispositionNone, Testing: "n"}
	fresh := dmarc.Policy{P: dmarc.DispositionNone}
	return []reporter{
		{"Example Mail Corp", "mail.example", "example.com", 1, 1, 0, inZip, strict, office(400)},
		{"Beispiel Freemail GmbH", "freemail.example", "shop.example", 2, 1, 0, inGzip, moving, shop(150)},
		{"Nuage Messagerie", "nuage.example", "newsletter.example", 7, 7, 0, plain, fresh, newsletter(900)},
		{"Campus Mail Services", "campus.example", "example.com", 2, 1, silentAfter, inMail, strict, office(60)},
		{"Kauppa Posti Oy", "posti.example", "shop.example", 7, 1, 0, inMail, moving, shop(90)},
		{"Beispiel Freemail GmbH", "freemail.example", "newsletter.example", 1, 1, 0, inGzip, fresh, newsletter(220)},
		{"Beispiel Freemail GmbH", "freemail.example", "example.com", 3, 1, 0, inGzip, strict, office(140)},
	}
}

// The days of the story, counted from the first.
const (
	silentAfter = 12 // the last report of Campus Mail Services
	brokenKey   = 14 // on which the newsletter is signed with another key
	burstDay    = 17 // on which others send in the name of example.com
)

// samples makes every sample file.
func samples(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	random := rand.New(rand.NewPCG(2026, 11))
	var last reporter
	var lastReport []byte
	for _, who := range reporters() {
		for begin := sampleFirst; !begin.AddDate(0, 0, who.days-1).After(sampleLast); begin = begin.AddDate(0, 0, who.every) {
			end := begin.AddDate(0, 0, who.days).Add(-time.Second)
			day := int(begin.Sub(sampleFirst) / (24 * time.Hour))
			if who.until > 0 && day > who.until {
				break
			}
			report := aggregate(t, who, begin, end, who.traffic(random, day))
			name := fmt.Sprintf("%s!%s!%d!%d", who.domain, who.about, begin.Unix(), end.Unix())
			file, content := who.wrap(t, name, report)
			all[file] = content
			last, lastReport = who, report
		}
	}
	// The last mail once more: it is the same report.
	again, content := last.wrap(t, "again-"+last.domain, lastReport)
	all[again] = content
	// One arrives damaged.
	_, whole := inGzip(t, "", lastReport)
	all["damaged.example!example.com!1795132800!1795219199.xml.gz"] = whole[:len(whole)/2]
	for name, content := range tlsSamples(t) {
		all[name] = content
	}
	all["failure-freemail.example.eml"] = []byte(failureSample)
	return all
}

// aggregate encodes a report.
func aggregate(t *testing.T, who reporter, begin, end time.Time, records []dmarc.Record) []byte {
	t.Helper()
	r := &dmarc.Report{
		Version: "1.0",
		Metadata: dmarc.Metadata{
			OrgName: who.org, Email: "dmarc-reports@" + who.domain, ReportID: fmt.Sprintf("%d.%s", begin.Unix(), who.about),
			Begin: begin, End: end, Generator: "sample generator",
		},
		Policy:  who.policy,
		Records: records,
	}
	r.Policy.Domain = who.about
	for i := range r.Records {
		rec := &r.Records[i]
		rec.HeaderFrom, rec.EnvelopeTo = who.about, who.domain
		for j := range rec.AuthDKIM {
			rec.AuthDKIM[j].Domain = cmp.Or(rec.AuthDKIM[j].Domain, who.about)
		}
		for j := range rec.AuthSPF {
			rec.AuthSPF[j].Domain = cmp.Or(rec.AuthSPF[j].Domain, "bounce."+who.about)
		}
	}
	var b bytes.Buffer
	if err := dmarc.Encode(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// record makes a record: what came from an address, and what the receiver made of
// it. What passes does so for the domain of the report.
func record(ip string, count int64, disposition dmarc.Disposition, dkim, spf dmarc.Evaluation) dmarc.Record {
	r := dmarc.Record{
		SourceIP: netip.MustParseAddr(ip), Source: ip, Count: count, Disposition: disposition, DKIM: dkim, SPF: spf,
	}
	r.AuthSPF = []dmarc.SPFAuth{{Scope: "mfrom", Result: dmarc.AuthResultPass}}
	if spf == dmarc.EvaluationFail {
		r.AuthSPF = []dmarc.SPFAuth{{Domain: "bounce.example.net", Scope: "mfrom", Result: dmarc.AuthResultFail}}
	}
	if dkim == dmarc.EvaluationPass {
		r.AuthDKIM = []dmarc.DKIMAuth{{Selector: "s2026", Result: dmarc.AuthResultPass}}
	}
	return r
}

const (
	pass = dmarc.EvaluationPass
	fail = dmarc.EvaluationFail
)

// about varies a number by a fifth.
func about(r *rand.Rand, n int) int64 { return int64(n) + r.Int64N(int64(n)/5*2+1) - int64(n)/5 }

// office is two servers, a forwarder, and now and then a forger, who is rejected;
// on one day very many of them.
func office(volume int) traffic {
	return func(r *rand.Rand, day int) []dmarc.Record {
		records := []dmarc.Record{
			record("192.0.2.10", about(r, volume), dmarc.DispositionPass, pass, pass),
			record("2001:db8:25::10", about(r, volume/3), dmarc.DispositionPass, pass, pass),
			record("203.0.113.25", about(r, volume/40+5), dmarc.DispositionPass, pass, fail),
		}
		forgers, each := r.IntN(3)/2, 10
		if day == burstDay {
			forgers, each = 25, volume/8
		}
		for i := range forgers {
			records = append(records, record(fmt.Sprintf("198.51.100.%d", 100+i*4+r.IntN(4)), about(r, each), dmarc.DispositionReject, fail, fail))
		}
		return records
	}
}

// shop has an order system that signs, a help desk that only passes SPF, a machine
// that does neither, and a mailing list in between.
func shop(volume int) traffic {
	return func(r *rand.Rand, _ int) []dmarc.Record {
		list := record("203.0.113.77", about(r, 10), dmarc.DispositionNone, fail, fail)
		list.Reasons = []dmarc.OverrideReason{{Type: "mailing_list", Comment: "known list"}}
		list.AuthDKIM = []dmarc.DKIMAuth{{Selector: "s2026", Result: dmarc.AuthResultFail}}
		list.AuthSPF = []dmarc.SPFAuth{{Domain: "lists.example.org", Scope: "mfrom", Result: dmarc.AuthResultPass}}
		return []dmarc.Record{
			record("192.0.2.40", about(r, volume), dmarc.DispositionPass, pass, fail),
			record("192.0.2.41", about(r, volume/5), dmarc.DispositionPass, fail, pass),
			record("198.51.100.9", about(r, 15), dmarc.DispositionQuarantine, fail, fail),
			list,
		}
	}
}

// newsletter is sent by a service that signs, with another key one day, which
// nobody has published. Its bounces have a domain of its own.
func newsletter(volume int) traffic {
	return func(r *rand.Rand, day int) []dmarc.Record {
		sent := record("198.51.100.200", about(r, volume), dmarc.DispositionPass, pass, fail)
		sent.AuthDKIM[0].Selector = "news1"
		if day >= brokenKey {
			sent.Disposition, sent.DKIM = dmarc.DispositionNone, fail
			sent.AuthDKIM[0] = dmarc.DKIMAuth{Selector: "news2", Result: dmarc.AuthResultPermError, HumanResult: "no key for signature"}
		}
		sent.AuthSPF = []dmarc.SPFAuth{{Domain: "bounces.sendfast.example", Scope: "mfrom", Result: dmarc.AuthResultPass}}
		return []dmarc.Record{sent, record("192.0.2.60", about(r, volume/10), dmarc.DispositionPass, pass, pass)}
	}
}

func plain(_ *testing.T, name string, report []byte) (string, []byte) { return name + ".xml", report }

func inGzip(t *testing.T, name string, report []byte) (string, []byte) {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(report); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return name + ".xml.gz", b.Bytes()
}

func inZip(t *testing.T, name string, report []byte) (string, []byte) {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name + ".xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(report); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return name + ".zip", b.Bytes()
}

func inMail(t *testing.T, name string, report []byte) (string, []byte) {
	t.Helper()
	file, content := inGzip(t, name, report)
	var b bytes.Buffer
	b.WriteString("From: DMARC reports <dmarc-reports@reporter.example>\r\nTo: reports@example.com\r\nSubject: Report Domain: example.com\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=sample\r\n\r\n" +
		"--sample\r\nContent-Type: text/plain\r\n\r\nThis is a DMARC aggregate report.\r\n" +
		"--sample\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename=\"" + file + "\"\r\n\r\n")
	text := base64.StdEncoding.EncodeToString(content)
	for ; len(text) > 76; text = text[76:] {
		b.WriteString(text[:76] + "\r\n")
	}
	b.WriteString(text + "\r\n--sample--\r\n")
	return name + ".eml", b.Bytes()
}

// tlsSamples are the TLS reports of some days. On the last of them the certificate
// of the second host has expired.
func tlsSamples(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for begin := sampleFirst; begin.Before(sampleLast); begin = begin.AddDate(0, 0, 7) {
		end := begin.AddDate(0, 0, 1).Add(-time.Second)
		week := int(begin.Sub(sampleFirst).Hours()) / 24 / 7
		failed, result, mx := 3, "starttls-not-supported", "mx.example.com"
		if begin.AddDate(0, 0, 7).After(sampleLast) {
			failed, result, mx = 150, "certificate-expired", "mx2.example.com"
		}
		text, err := json.Marshal(map[string]any{
			"organization-name": "Example Mail Corp",
			"date-range":        map[string]any{"start-datetime": begin, "end-datetime": end},
			"contact-info":      "tls-reports@mail.example",
			"report-id":         fmt.Sprintf("%d.example.com", begin.Unix()),
			"policies": []any{map[string]any{
				"policy": map[string]any{
					"policy-type": "sts", "policy-domain": "example.com", "mx-host": []string{"mx.example.com", "mx2.example.com"},
					"policy-string": []string{"version: STSv1", "mode: enforce", "mx: mx.example.com", "mx: mx2.example.com", "max_age: 604800"},
				},
				"summary": map[string]any{"total-successful-session-count": 900 + 10*week, "total-failure-session-count": failed},
				"failure-details": []any{map[string]any{
					"result-type": result, "sending-mta-ip": "192.0.2.200",
					"receiving-mx-hostname": mx, "failed-session-count": failed,
				}},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, content := inGzip(t, "", text)
		all[fmt.Sprintf("mail.example!example.com!%d!%d.json.gz", begin.Unix(), end.Unix())] = content
	}
	return all
}

const failureSample = "From: failure-reports@freemail.example\r\nTo: reports@shop.example\r\nDate: Fri, 20 Nov 2026 08:15:00 +0000\r\n" +
	"Subject: Failure report\r\nMessage-ID: <f1@freemail.example>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/report; report-type=feedback-report; boundary=sample\r\n\r\n" +
	"--sample\r\nContent-Type: text/plain\r\n\r\nA message that claimed to be from shop.example failed authentication.\r\n" +
	"--sample\r\nContent-Type: message/feedback-report\r\n\r\n" +
	"Feedback-Type: auth-failure\r\nVersion: 1\r\nUser-Agent: sample/1.0\r\nAuth-Failure: dmarc\r\n" +
	"Identity-Alignment: dkim, spf\r\nReported-Domain: shop.example\r\nSource-IP: 198.51.100.9\r\n" +
	"Arrival-Date: Fri, 20 Nov 2026 08:14:00 +0000\r\nDelivery-Result: spam\r\n" +
	"--sample\r\nContent-Type: text/rfc822-headers\r\n\r\n" +
	"From: orders@shop.example\r\nTo: someone@freemail.example\r\nSubject: Your parcel\r\nMessage-ID: <x@forger.example>\r\n" +
	"--sample--\r\n"
