package reports_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

const (
	head = `<feedback><report_metadata><org_name>Postal Example</org_name><email>reports@postal.example</email><report_id>7</report_id>
<date_range><begin>1795305600</begin><end>1795391999</end></date_range></report_metadata>
<policy_published><domain>garden.example</domain><p>reject</p></policy_published>`
	row = `<record><row><source_ip>192.0.2.25</source_ip><count>7</count>
<policy_evaluated><disposition>none</disposition><dkim>PASS</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>garden.example</header_from></identifiers><auth_results>
<dkim><domain>garden.example</domain><selector>s1</selector><result>pass</result></dkim></auth_results></record>`
	aggregate = head + row + "</feedback>"

	tlsReport = `{"organization-name":"Postal Example","contact-info":"tls@postal.example","report-id":"t1",
"date-range":{"start-datetime":"2026-11-21T00:00:00Z","end-datetime":"2026-11-21T23:59:59Z"},
"policies":[{"policy":{"policy-type":"sts","policy-domain":"garden.example"},"summary":{"total-successful-session-count":40,"total-failure-session-count":3}}]}`

	failureReport = "From: dmarc@mail.example\nMessage-ID: <1@mail.example>\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/report; report-type=feedback-report; boundary=cut\n\n" +
		"--cut\nContent-Type: text/plain\n\nA mail failed.\n" +
		"--cut\nContent-Type: message/feedback-report\n\nFeedback-Type: auth-failure\nVersion: 1\nUser-Agent: Mail/1\n" +
		"Auth-Failure: dmarc\nIdentity-Alignment: none\nSource-IP: 192.0.2.9\nReported-Domain: garden.example\n\n" +
		"--cut\nContent-Type: text/rfc822-headers\n\nFrom: a@garden.example\n\n--cut--\n"
)

// mailbox is an mbox of two mails: one with an aggregate report, a TLS report and
// a damaged attachment, and a failure report.
var mailbox = "From x Sat Nov 21 10:00:00 2026\nFrom: reports@postal.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=cut\n\n" +
	attached(gz(aggregate)) + attached(gz(tlsReport)) + attached(gz(aggregate)[:9]) + "--cut--\n\n" +
	"From x Sat Nov 21 11:00:00 2026\n" + failureReport

func gz(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text) // Buffers do not fail.
	_ = z.Close()
	return b.String()
}

func attached(document string) string {
	return "--cut\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(document)) + "\n"
}

// seen is what a test looks at of a report.
func seen(r *reports.Report) string {
	var e *dmarc.Error
	if errors.As(r.Err, &e) {
		return fmt.Sprintf("%s: %s", r.Kind, e.Reason)
	}
	switch {
	case r.Aggregate != nil:
		return fmt.Sprintf("%s: %s, %d records", r.Kind, r.Aggregate.Metadata.ReportID, len(r.Aggregate.Records))
	case r.TLS != nil:
		return fmt.Sprintf("%s: %s, %d policies", r.Kind, r.TLS.ReportID, len(r.TLS.Policies))
	}
	return fmt.Sprintf("%s: %s", r.Kind, r.Failure.ReportID)
}

func TestRead(t *testing.T) {
	crc := []byte(gz(tlsReport))
	crc[len(crc)-8] ^= 1
	for _, test := range []struct {
		name, input string
		want        []string
		err         dmarc.Reason
	}{
		{"mailbox", mailbox, []string{"aggregate: 7, 1 records", "tls: t1, 1 policies", ": truncated", "failure: 1@mail.example"}, ""},
		{"document", aggregate, []string{"aggregate: 7, 1 records"}, ""},
		{"failure report", failureReport, []string{"failure: 1@mail.example"}, ""},
		{"truncated", head + row, []string{"aggregate: truncated"}, ""},
		{"a checksum behind what the parser needs", string(crc), []string{"tls: corrupt"}, ""},
		{"no TLS report", `{"policies": 7}`, []string{"tls: no_dates"}, ""},
		{"nothing", "", nil, dmarc.ReasonEmpty},
		{"something else", "a holiday greeting", nil, dmarc.ReasonNotAReport},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, in := range map[string]io.Reader{"whole": strings.NewReader(test.input), "bytes": iotest.OneByteReader(strings.NewReader(test.input))} {
				var got []string
				err := reports.Read(in, func(r *reports.Report) error {
					got = append(got, seen(r))
					return nil
				})
				var e *dmarc.Error
				if diff := cmp.Diff(test.want, got); diff != "" || (err != nil) != (test.err != "") || errors.As(err, &e) && e.Reason != test.err {
					t.Errorf("%s: error %v, -want +got:\n%s", name, err, diff)
				}
			}
		})
	}
}

// TestRecord holds that records come one by one and are not held, and that errors
// of the caller's functions end Read as they are.
func TestRecord(t *testing.T) {
	const records = 3
	input := head + strings.Repeat(row, records) + "</feedback>"
	var got []string
	reader := reports.Reader{Record: func(r *reports.Report, rec *dmarc.Record) error {
		got = append(got, fmt.Sprint(r.Kind, r.Aggregate.Policy.Domain, rec.Count))
		return nil
	}}
	visit := func(r *reports.Report) error {
		if got = append(got, "end"); len(r.Aggregate.Records) > 0 {
			t.Error("records are held")
		}
		return nil
	}
	one := "aggregategarden.example7"
	if err := reader.Read(strings.NewReader(input), visit); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{one, one, one, "end"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	stop := errors.New("stop")
	reader.Record = func(*reports.Report, *dmarc.Record) error { return stop }
	if err := reader.Read(strings.NewReader(mailbox), visit); err != stop { //nolint:errorlint // as it is
		t.Errorf("Record: got %v, want %v", err, stop)
	}
	if err := reports.Read(strings.NewReader(mailbox), func(*reports.Report) error { return stop }); err != stop { //nolint:errorlint // as it is
		t.Errorf("visit: got %v, want %v", err, stop)
	}
	for limit, want := range map[int]string{records - 1: "aggregate: too_many", records: "aggregate: 7, 3 records", records + 1: "aggregate: 7, 3 records"} {
		reader := reports.Reader{Limits: dmarc.Limits{Records: limit}}
		if err := reader.Read(strings.NewReader(input), func(r *reports.Report) error {
			if seen(r) != want {
				t.Errorf("limit %d: got %s, want %s", limit, seen(r), want)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// TestAgreesWithTally holds that reports that are read are the reports that are
// counted, with the same warnings, in all samples of the repository.
func TestAgreesWithTally(t *testing.T) {
	t.Parallel()
	var reader reports.Reader
	files := 0
	for _, dir := range []string{"..", "../../exporters/dmarc_exporter/testdata"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.Contains(path, "testdata") {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil || len(b) > 1<<20 {
				return err
			}
			files++
			got, want := read(&reader, b), counted(b)
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: -tally +reports:\n%s", path, diff)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("only %d files", files)
	}
}

// sum is what tally and reports have to agree about.
type sum struct {
	Kind              unpack.Kind
	ID                string
	Records, Messages int64
	Warnings          []dmarc.Warning
	Refused           string
}

func read(reader *reports.Reader, b []byte) (all []sum) {
	err := reader.Read(bytes.NewReader(b), func(r *reports.Report) error {
		s := sum{Kind: r.Kind, Warnings: r.Warnings}
		switch {
		case r.Err != nil:
			s = sum{Refused: r.Err.Error()}
		case r.Aggregate != nil:
			s.ID, s.Records = r.Aggregate.Metadata.ReportID, int64(len(r.Aggregate.Records))
			for i := range r.Aggregate.Records {
				s.Messages = tally.Add(s.Messages, r.Aggregate.Records[i].Count)
			}
		case r.TLS != nil:
			s.ID, s.Records, s.Messages = r.TLS.ReportID, int64(len(r.TLS.Policies)), r.TLS.Sessions()
		case r.Failure != nil:
			s.ID, s.Records, s.Messages = r.Failure.ReportID, 1, r.Failure.Incidents
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		all = append(all, sum{Refused: err.Error()})
	}
	return all
}

func counted(b []byte) (all []sum) {
	// Limits of what counts may be are not of this package.
	reader := tally.Reader{Limits: tally.Limits{RecordMessages: 1 << 62, ReportMessages: 1 << 62}}
	err := unpack.Walk(bytes.NewReader(b), unpack.Limits{}, func(doc *unpack.Document) error {
		e, err := reader.Read(doc)
		if err != nil {
			all = append(all, sum{Refused: err.Error()})
			return nil
		}
		all = append(all, sum{Kind: e.Kind, ID: e.ReportID, Records: e.Records, Messages: e.Messages, Warnings: e.Warnings})
		return nil
	})
	if err != nil {
		all = append(all, sum{Refused: err.Error()})
	}
	return all
}

// FuzzRead holds that a report is whole or has an error, never both, and that
// records are the same whether they are held or not.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{mailbox, aggregate, tlsReport, failureReport, head + row, gz(aggregate)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		walker := unpack.NewWalker(unpack.Limits{Memory: 1 << 20, Unpacked: 1 << 20})
		one := int64(0)
		byRecord := reports.Reader{Walker: walker, Record: func(_ *reports.Report, rec *dmarc.Record) error {
			one = tally.Add(one, rec.Count)
			return nil
		}}
		var streamed, held []string
		errs := byRecord.Read(bytes.NewReader(b), func(r *reports.Report) error {
			if r.Err != nil {
				one = 0
			}
			streamed = append(streamed, fmt.Sprint(r.Document, r.Kind, r.Err != nil, one, r.Warnings))
			one = 0
			return nil
		})
		whole := reports.Reader{Walker: walker}
		errh := whole.Read(bytes.NewReader(b), func(r *reports.Report) error {
			set, messages := 0, int64(0)
			if r.Aggregate != nil {
				set++
				for i := range r.Aggregate.Records {
					messages = tally.Add(messages, r.Aggregate.Records[i].Count)
				}
			}
			if r.TLS != nil {
				set++
			}
			if r.Failure != nil {
				set++
			}
			if (r.Err == nil) != (set == 1) || set > 1 {
				t.Errorf("%d reports and error %v", set, r.Err)
			}
			held = append(held, fmt.Sprint(r.Document, r.Kind, r.Err != nil, messages, r.Warnings))
			return nil
		})
		if diff := cmp.Diff(streamed, held); diff != "" || (errs == nil) != (errh == nil) {
			t.Errorf("errors %v and %v, -streamed +held:\n%s", errs, errh, diff)
		}
	})
}
