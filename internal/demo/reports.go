package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// samples are the reports that make run serves, too.
const samples = "exporters/dmarc_exporter/testdata/reports"

// dmarcConfig has mails authenticated, to tell how many are authenticated, and names
// who sends the good ones.
const dmarcConfig = `senders:
  - {name: office, networks: [192.0.2.0/24]}
trust:
  mode: label
  auth_serv_ids: [mx.example.com]
  no_dkim: true
`

// reports writes reports into a directory.
type reports struct {
	dir     string
	host    *host
	senders []sender
	written int
	moves   int
}

// sender is a domain: what it sends a day and how much of it is forged.
type sender struct {
	domain, reporter string
	policy           dmarc.Disposition
	good, forged     int64
}

// senders are the domains of the samples.
var senders = []sender{
	{"example.com", "Example Mail Corp", dmarc.DispositionReject, 480, 4},
	{"shop.example", "Beispiel Freemail GmbH", dmarc.DispositionQuarantine, 170, 20},
	{"newsletter.example", "Nuage Messagerie", dmarc.DispositionNone, 260, 40},
}

// tenants is the part of the configuration that shares the budget of series out:
// customers with a third of the domains each.
func (r *reports) tenants() string {
	text := "tenants:\n"
	for i, name := range []string{"acme", "bakery", "club"} {
		text += fmt.Sprintf("- name: %s\n  series: %d\n  domains:\n", name, 100+10*len(r.senders))
		for j := i; j < len(r.senders); j += 3 {
			text += "  - " + r.senders[j].domain + "\n"
		}
	}
	return text
}

// newReports copies the samples and adds a report for each of the last 30 days.
func newReports(h *host, dir string, domains int) *reports {
	r := &reports{dir: dir, host: h, senders: slices.Clone(senders)}
	for i := len(senders); i < domains; i++ {
		s := senders[i%len(senders)]
		s.domain, s.good, s.forged = fmt.Sprintf("%03d.%s", i, s.domain), s.good/int64(1+i%7), s.forged*int64(i%11)
		r.senders = append(r.senders, s)
	}
	entries, err := os.ReadDir(samples)
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range entries {
		r.put(e.Name(), []byte(read(h, filepath.Join(samples, e.Name()))))
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for day := range 30 {
		begin := today.AddDate(0, 0, -1-day)
		for i := range r.senders {
			if i >= len(senders) && day%6 != i%6 {
				continue // The many are reported about less often.
			}
			r.aggregate(i, begin, begin.Add(24*time.Hour-time.Second))
		}
	}
	r.tls(today.AddDate(0, 0, -1))
	return r
}

// move writes reports about the day that is not over: only complete days are in
// the windows that alerts look at.
func (r *reports) move(context.Context) {
	now := time.Now().UTC().Truncate(time.Second)
	r.moves++
	r.aggregate(r.moves%len(r.senders), now.Add(-time.Hour), now)
	if r.moves%4 == 0 {
		r.tls(now.Add(-time.Hour))
	}
}

func (r *reports) aggregate(i int, begin, end time.Time) {
	s := r.senders[i]
	r.written++
	record := func(ip string, count int64, disposition dmarc.Disposition, dkim, spf dmarc.Evaluation) dmarc.Record {
		results := map[dmarc.Evaluation]dmarc.AuthResult{dmarc.EvaluationPass: dmarc.AuthResultPass, dmarc.EvaluationFail: dmarc.AuthResultFail}
		return dmarc.Record{
			SourceIP: netip.MustParseAddr(ip), Count: count, Disposition: disposition, DKIM: dkim, SPF: spf, HeaderFrom: s.domain,
			AuthDKIM: []dmarc.DKIMAuth{{Domain: s.domain, Selector: "s1", Result: results[dkim]}},
			AuthSPF:  []dmarc.SPFAuth{{Domain: s.domain, Scope: "mfrom", Result: results[spf]}},
		}
	}
	const pass, fail = dmarc.EvaluationPass, dmarc.EvaluationFail
	varied := s.good + int64(r.written*37%int(s.good/5))
	report := &dmarc.Report{
		Version: "1.0",
		Metadata: dmarc.Metadata{
			OrgName: s.reporter, Email: "dmarc@reporter.example", ReportID: fmt.Sprintf("demo-%d", r.written), Begin: begin, End: end,
		},
		Policy: dmarc.Policy{Domain: s.domain, P: s.policy, SP: s.policy, ADKIM: dmarc.AlignmentRelaxed, ASPF: dmarc.AlignmentRelaxed, Testing: "n"},
		Records: []dmarc.Record{
			record("192.0.2.10", varied, dmarc.DispositionPass, pass, pass),
			record("192.0.2.11", varied/8, dmarc.DispositionPass, pass, fail),
			record("192.0.2.12", varied/20, dmarc.DispositionPass, fail, pass),
			record("198.51.100.7", s.forged, s.policy, fail, fail),
		},
	}
	var b bytes.Buffer
	if err := dmarc.Encode(&b, report); err != nil {
		panic(err) // The report is made of constants.
	}
	r.put(fmt.Sprintf("reporter.example!%s!%d!%d!%d.xml", s.domain, begin.Unix(), end.Unix(), r.written), b.Bytes())
}

// tls writes a report about TLS.
func (r *reports) tls(begin time.Time) {
	r.written++
	text, err := json.Marshal(map[string]any{
		"organization-name": "Example Mail Corp",
		"date-range":        map[string]any{"start-datetime": begin, "end-datetime": begin.Add(time.Hour)},
		"contact-info":      "tls@reporter.example",
		"report-id":         fmt.Sprintf("demo-tls-%d", r.written),
		"policies": []any{map[string]any{
			"policy":  map[string]any{"policy-type": "sts", "policy-domain": "example.com", "mx-host": []string{"mx.example.com"}},
			"summary": map[string]any{"total-successful-session-count": 400, "total-failure-session-count": 2},
			"failure-details": []any{map[string]any{
				"result-type": "certificate-expired", "receiving-mx-hostname": "mx.example.com", "failed-session-count": 2,
			}},
		}},
	})
	if err != nil {
		panic(err) // The report is made of constants.
	}
	r.put(fmt.Sprintf("tls-%d.json", r.written), text)
}

// put makes a file appear as a whole. A disk that is full stops the reports and
// not the demo.
func (r *reports) put(name string, content []byte) {
	if err := writeWhole(filepath.Join(r.dir, name), content); err != nil {
		r.host.Logf("write report: %v", err)
	}
}

// writeWhole writes beside and renames.
func writeWhole(path string, content []byte) error {
	temporary := filepath.Join(filepath.Dir(filepath.Dir(path)), "."+filepath.Base(path))
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
