package compose_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/compose"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// failed is a failure report with everything that one may have.
func failed() *compose.Failure {
	arrival := time.Date(2026, 11, 27, 8, 14, 0, 0, time.UTC)
	return &compose.Failure{
		Report: &failure.Report{
			UserAgent: "Example/1.0", AuthFailure: failure.AuthFailureDMARC, IdentityAlignment: []string{"dkim", "spf"},
			DeliveryResult: failure.DeliveryReject, Domain: "garden.example", ReportedDomains: []string{"garden.example", "b.garden.example"},
			ReportedURIs: []string{"https://shop.example/x?user=alice"}, SourceIP: netip.MustParseAddr("2001:db8::9"), Source: "2001:db8::9", SourcePort: 2525,
			Arrival: arrival, Incidents: 4, OriginalMailFrom: "alice+tag@spoof.example", OriginalRcptTo: []string{"bob@mail.example", `"carol x"@two.example`},
			OriginalEnvelopeID: "4Xyz", ReportingMTA: "dns; mx.mail.example",
			AuthenticationResults: []string{"mx.mail.example; dmarc=fail header.from=garden.example; spf=fail smtp.mailfrom=alice+tag@spoof.example; dkim=none (no signatures at all)"},
			DKIMDomain:            "garden.example", DKIMIdentity: "dave@garden.example", DKIMSelector: "s1", DKIMSelectorDNS: `"v=DKIM1; p=MII"`,
			SPFDNS:   []string{`txt : garden.example : "v=spf1 -all"`, `txt : b.garden.example : "v=spf1 a -all"`},
			Evidence: failure.Evidence{HeaderFrom: "garden.example", MessageID: "secret-1@spoof.example", Date: arrival.Add(-time.Minute)},
		},
		Submitter: "mail.example", Date: arrival.Add(time.Minute),
		From: mail.Address{Name: "Example Mail", Address: "dmarc@mail.example"}, To: []mail.Address{{Address: "ruf@garden.example"}},
	}
}

// readFailure reads the mail of a failure report as any receiver does.
func readFailure(t testing.TB, f *compose.Failure) (r *failure.Report) {
	t.Helper()
	m, err := f.Mail()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if !strings.HasSuffix(line, "\r\n") || len(line) > 1000 || strings.ContainsFunc(line, func(c rune) bool { return c > '~' }) {
			t.Errorf("a line of the mail is %q", line)
		}
	}
	err = reports.Read(&b, func(got *reports.Report) error {
		if got.Kind != unpack.KindFailure || got.Err != nil || len(got.Warnings) > 0 || r != nil {
			t.Errorf("got a report of kind %q, error %v, warnings %v", got.Kind, got.Err, got.Warnings)
			return nil
		}
		r = got.Failure
		return nil
	})
	if err != nil || r == nil || r.ReportID != m.MessageID {
		t.Fatalf("got %+v of a mail with the identifier %s, error %v", r, m.MessageID, err)
	}
	return r
}

// readBack is what the report of a mail has besides what was given.
func readBack(r failure.Report, f *compose.Failure, got *failure.Report) *failure.Report {
	r.Version, r.Reporter, r.ReporterAddress, r.Sent, r.ReportID = "1", "mail.example", f.From.Address, f.Date, got.ReportID
	r.Evidence.Found = true
	return &r
}

// TestFailure writes failure reports and reads them again.
func TestFailure(t *testing.T) {
	f := failed()
	f.Personal = true
	got := readFailure(t, f)
	if diff := cmp.Diff(readBack(*f.Report, f, got), got, equate); diff != "" {
		t.Errorf("personal: -want +got:\n%s", diff)
	}
	f.Header = []byte("Received: from x (x [192.0.2.1])\n\tby mx.mail.example for <bob@mail.example>\nFrom: \"Ärger\" <alice@garden.example>\n" +
		"Message-ID: <secret-1@spoof.example>\nDate: Fri, 27 Nov 2026 08:13:00 +0000\nSubject: " + strings.Repeat("long ", 300) + "\n\nthe body")
	withHeader := readFailure(t, f)
	withHeader.ReportID = got.ReportID
	if diff := cmp.Diff(got, withHeader, equate); diff != "" {
		t.Errorf("with a header: -without +with:\n%s", diff)
	}
	m, err := f.Mail()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, _ = m.WriteTo(&b); strings.Contains(b.String(), "the body") {
		t.Error("the body of the message is in the report")
	}
}

// TestFailureRedacted holds that nothing personal is written unless that is asked
// for, and that the report is otherwise the same.
func TestFailureRedacted(t *testing.T) {
	f := failed()
	f.Header = []byte("From: eve@garden.example\n\n")
	before := *f.Report
	before.OriginalRcptTo = slices.Clone(before.OriginalRcptTo)
	m, err := f.Mail()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, personal := range []string{"alice", "bob", "carol", "dave", "eve@", "4Xyz", "secret-1"} {
		if strings.Contains(b.String(), personal) {
			t.Errorf("%q is in the report:\n%s", personal, b.String())
		}
	}
	if diff := cmp.Diff(&before, f.Report, equate); diff != "" {
		t.Errorf("the report of the caller changed: -before +after:\n%s", diff)
	}
	got := readFailure(t, f)
	if want := []string{"mail.example; dmarc=fail header.from=garden.example"}; !slices.Equal(got.AuthenticationResults, want) {
		t.Errorf("results %q, want %q", got.AuthenticationResults, want)
	}
	if want := "redacted@spoof.example"; got.OriginalMailFrom != want {
		t.Errorf("sender %q, want %q", got.OriginalMailFrom, want)
	}
	want := readBack(*f.Report, f, got)
	want.Redact()
	got.Redact()
	if diff := cmp.Diff(want, got, equate); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestFailureLeast writes as little as a report may have, of each kind.
func TestFailureLeast(t *testing.T) {
	for _, kind := range failure.AuthFailures() {
		f := failed()
		f.Report = &failure.Report{
			AuthFailure: kind, Domain: "garden.example", SourceIP: netip.MustParseAddr("192.0.2.1"), Arrival: f.Date,
			DKIMDomain: "garden.example", DKIMIdentity: "@garden.example", DKIMSelector: "s1", SPFDNS: []string{"none"},
		}
		if kind == failure.AuthFailureOther {
			continue
		}
		if got := readFailure(t, f); got.AuthFailure != kind || got.Incidents != 1 || len(got.AuthenticationResults) != 1 || got.Evidence.HeaderFrom != "garden.example" {
			t.Errorf("%s: got %+v", kind, got)
		}
	}
}

// TestFailureRefused holds what is not written.
func TestFailureRefused(t *testing.T) {
	for path, spoil := range map[string]func(*failure.Report){
		"Auth-Failure":       func(r *failure.Report) { r.AuthFailure = failure.AuthFailureOther },
		"Reported-Domain":    func(r *failure.Report) { r.Domain = "" },
		"Source-IP":          func(r *failure.Report) { r.SourceIP = netip.Addr{} },
		"DKIM-Selector":      func(r *failure.Report) { r.AuthFailure, r.DKIMSelector = failure.AuthFailureBodyHash, "" },
		"SPF-DNS":            func(r *failure.Report) { r.AuthFailure, r.SPFDNS = failure.AuthFailureSPF, nil },
		"User-Agent":         func(r *failure.Report) { r.UserAgent = "x\r\nFeedback-Type: abuse" },
		"DKIM-Selector-DNS":  func(r *failure.Report) { r.DKIMSelectorDNS = "p=ä" },
		"Reported-URI":       func(r *failure.Report) { r.ReportedURIs = []string{strings.Repeat("x", 1000)} },
		"Original-Mail-From": func(r *failure.Report) { r.OriginalMailFrom = "a@b\n\n--report-" },
	} {
		f := failed()
		f.Personal = true
		spoil(f.Report)
		var deviation dmarc.Deviation
		if _, err := f.Mail(); !errors.As(err, &deviation) || deviation.Path != path {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// TestWanted holds when a domain owner wants a failure report.
func TestWanted(t *testing.T) {
	const pass, fail = dmarc.AuthResultPass, dmarc.AuthResultFail
	ruf := "; ruf=mailto:ruf@garden.example"
	for _, test := range []struct {
		name, record string
		dkim, spf    dmarc.AuthResult
		spfDomain    string
		want         string
	}{
		{"nothing aligned", ruf, fail, fail, "garden.example", "dmarc dkim,spf @garden.example"},
		{"nothing aligned, fo=0", ruf + "; fo=0", fail, pass, "other.example", "dmarc dkim,spf @garden.example"},
		{"one aligned", ruf, fail, pass, "garden.example", ""},
		{"one aligned, fo=1", ruf + "; fo=1", fail, pass, "garden.example", "dmarc dkim @garden.example"},
		{"both aligned, fo=1", ruf + "; fo=1", pass, pass, "garden.example", ""},
		{"fo=d", ruf + "; fo=d", fail, pass, "garden.example", "signature dkim @garden.example"},
		{"fo=d without a failing signature", ruf + "; fo=d", pass, fail, "garden.example", ""},
		{"fo=s", ruf + "; fo=s", pass, dmarc.AuthResultSoftFail, "other.example", "spf spf "},
		{"fo=s with a neutral result", ruf + "; fo=s", pass, dmarc.AuthResultNeutral, "other.example", ""},
		{"fo=1:d:s", ruf + "; fo=1:d:s", fail, fail, "garden.example", "dmarc dkim,spf @garden.example"},
		{"no ruf", "; fo=1", fail, fail, "garden.example", ""},
		{"a public suffix", ruf + "; psd=y", fail, fail, "garden.example", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &dmarc.Evaluator{Resolver: records{"_dmarc.garden.example": {"v=DMARC1; p=reject" + test.record}}}
			m := &dmarc.Message{
				From: "garden.example", SPF: []dmarc.SPFAuth{{Domain: test.spfDomain, Scope: "mfrom", Result: test.spf}},
				DKIM: []dmarc.DKIMAuth{{Domain: "list.example", Selector: "l", Result: pass}, {Domain: "garden.example", Selector: "s1", Result: test.dkim}},
			}
			v, err := e.Evaluate(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if r := compose.Wanted(m, v); r != nil {
				got = fmt.Sprintf("%s %s %s", r.AuthFailure, strings.Join(r.IdentityAlignment, ","), r.DKIMIdentity)
				f := failed()
				r.SourceIP, r.Arrival = f.Report.SourceIP, f.Report.Arrival
				if r.AuthFailure == failure.AuthFailureSPF {
					r.SPFDNS = []string{`txt : other.example : "v=spf1 ~all"`}
				}
				f.Report = r
				if read := readFailure(t, f); read.AuthFailure != r.AuthFailure {
					t.Errorf("read %+v", read)
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	v := &dmarc.Verdict{Discovery: &dmarc.Discovery{}}
	if compose.Wanted(&dmarc.Message{}, v) != nil {
		t.Error("a report without a policy")
	}
}

// FuzzFailure holds that what is written is read again as it is, whatever is in it.
func FuzzFailure(f *testing.F) {
	f.Add("alice@spoof.example", "s1", "Example/1.0", "x; dmarc=fail", []byte("From: a@b.example\n\n"), true)
	f.Add("a@b\r\nX: y", "--report-", "", "(", []byte("\x00\n \n"), false)
	f.Fuzz(func(t *testing.T, sender, selector, agent, results string, header []byte, personal bool) {
		c := failed()
		c.Report.OriginalMailFrom, c.Report.DKIMSelector, c.Report.UserAgent = sender, selector, agent
		c.Report.AuthenticationResults, c.Header, c.Personal = []string{results}, header, personal
		m, err := c.Mail()
		if err != nil {
			return
		}
		var b bytes.Buffer
		if _, err := m.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		found := 0
		err = reports.Read(&b, func(r *reports.Report) error {
			if found++; r.Failure == nil || r.Failure.Domain != "garden.example" || r.Failure.AuthFailure != failure.AuthFailureDMARC || len(r.Failure.SPFDNS) != 2 {
				t.Errorf("read %+v, error %v", r.Failure, r.Err)
			}
			return nil
		})
		if err != nil || found != 1 {
			t.Errorf("%d reports, error %v", found, err)
		}
	})
}
