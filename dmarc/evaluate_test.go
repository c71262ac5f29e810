package dmarc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

func dkim(domain string, result dmarc.AuthResult) dmarc.DKIMAuth {
	return dmarc.DKIMAuth{Domain: domain, Result: result}
}

func spf(domain, scope string, result dmarc.AuthResult) dmarc.SPFAuth {
	return dmarc.SPFAuth{Domain: domain, Scope: scope, Result: result}
}

// verdict is a verdict in a line: result, disposition, DKIM and SPF, reasons.
func verdict(v *dmarc.Verdict) string {
	text := fmt.Sprintf("%s %q dkim=%s spf=%s", v.Result, v.Disposition, v.DKIM, v.SPF)
	for _, r := range v.Reasons {
		text += " " + r.Type
	}
	return text
}

func TestEvaluate(t *testing.T) {
	const pass, fail = dmarc.AuthResultPass, dmarc.AuthResultFail
	own := func(record string) zone { return zone{"_dmarc.garden.example": {record}} }
	reject := own("v=DMARC1; p=reject")
	type message = dmarc.Message
	for _, test := range []struct {
		name    string
		zone    zone
		message message
		want    string
	}{
		// RFC 9989, appendix B.1: SPF.
		{"SPF in alignment", reject, message{From: "garden.example", SPF: []dmarc.SPFAuth{spf("garden.example", "mfrom", pass)}}, `pass "pass" dkim=fail spf=pass`},
		{"SPF in alignment, parent", reject, message{From: "garden.example", SPF: []dmarc.SPFAuth{spf("mail.garden.example", "mfrom", pass)}}, `pass "pass" dkim=fail spf=pass`},
		{"SPF in alignment, child", reject, message{From: "mail.garden.example", SPF: []dmarc.SPFAuth{spf("garden.example", "", pass)}}, `pass "pass" dkim=fail spf=pass`},
		{"SPF not in alignment", reject, message{From: "garden.example", SPF: []dmarc.SPFAuth{spf("sender.example", "mfrom", pass)}}, `fail "reject" dkim=fail spf=fail`},
		{"SPF strict", own("v=DMARC1; p=reject; aspf=s"), message{From: "garden.example", SPF: []dmarc.SPFAuth{spf("mail.garden.example", "mfrom", pass)}}, `fail "reject" dkim=fail spf=fail`},
		{"SPF strict, the same", own("v=DMARC1; p=reject; aspf=s"), message{From: "garden.example", SPF: []dmarc.SPFAuth{spf("Garden.Example.", "mfrom", pass)}}, `pass "pass" dkim=fail spf=pass`},
		{"SPF fails", reject, message{From: "garden.example", SPF: []dmarc.SPFAuth{spf("garden.example", "mfrom", dmarc.AuthResultSoftFail)}}, `fail "reject" dkim=fail spf=fail`},
		{"HELO beside MAIL FROM", reject, message{From: "garden.example", SPF: []dmarc.SPFAuth{spf("garden.example", "helo", pass), spf("sender.example", "mfrom", pass)}}, `fail "reject" dkim=fail spf=fail`},
		{"HELO alone", reject, message{From: "garden.example", SPF: []dmarc.SPFAuth{spf("mx.garden.example", "helo", pass)}}, `pass "pass" dkim=fail spf=pass`},
		// Appendix B.1: DKIM.
		{"DKIM in alignment", reject, message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("garden.example", pass)}}, `pass "pass" dkim=pass spf=fail`},
		{"DKIM in alignment, parent", reject, message{From: "news.garden.example", DKIM: []dmarc.DKIMAuth{dkim("garden.example", pass)}}, `pass "pass" dkim=pass spf=fail`},
		{"DKIM not in alignment", reject, message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("sample.example", pass)}}, `fail "reject" dkim=fail spf=fail`},
		{"DKIM strict", own("v=DMARC1; p=quarantine; adkim=s"), message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("news.garden.example", pass)}}, `fail "quarantine" dkim=fail spf=fail`},
		{"one signature of several", reject, message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("list.example", pass), dkim("garden.example", fail), dkim("x.garden.example", pass)}}, `pass "pass" dkim=pass spf=fail`},
		{"the name as a part of another", reject, message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("evilgarden.example", pass), dkim("garden.example.org", pass)}}, `fail "reject" dkim=fail spf=fail`},
		{"no host name", reject, message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("garden example", pass), dkim("", pass)}}, `fail "reject" dkim=fail spf=fail`},
		{"nothing is authenticated", reject, message{From: "garden.example"}, `fail "reject" dkim=fail spf=fail`},
		// Policies.
		{"no policy", zone{}, message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("garden.example", pass)}}, `none "" dkim= spf=`},
		{"monitoring", own("v=DMARC1; p=none; rua=mailto:a@garden.example"), message{From: "garden.example"}, `fail "none" dkim=fail spf=fail`},
		{"subdomain", own("v=DMARC1; p=none; sp=reject"), message{From: "x.garden.example"}, `fail "reject" dkim=fail spf=fail`},
		{"np of a domain that exists", own("v=DMARC1; p=none; sp=quarantine; np=reject"), message{From: "x.garden.example"}, `fail "quarantine" dkim=fail spf=fail`},
		{"np of one that does not", own("v=DMARC1; p=none; sp=quarantine; np=reject"), message{From: "missing.garden.example"}, `fail "reject" dkim=fail spf=fail`},
		{"sp beside no p", own("v=DMARC1; sp=reject; rua=mailto:a@garden.example"), message{From: "x.garden.example"}, `fail "none" dkim=fail spf=fail`},
		{
			"a record that asks for nothing",
			zone{"_dmarc.x.garden.example": {"v=DMARC1; p=block"}, "_dmarc.garden.example": {"v=DMARC1; p=reject"}},
			message{From: "x.garden.example"},
			`none "" dkim= spf=`,
		},
		{"testing", own("v=DMARC1; p=reject; t=y"), message{From: "garden.example"}, `fail "quarantine" dkim=fail spf=fail policy_test_mode`},
		{"testing quarantine", own("v=DMARC1; p=quarantine; t=y"), message{From: "garden.example"}, `fail "none" dkim=fail spf=fail policy_test_mode`},
		{"testing none", own("v=DMARC1; p=none; t=y"), message{From: "garden.example"}, `fail "none" dkim=fail spf=fail`},
		{"testing np", own("v=DMARC1; p=none; np=reject; t=y"), message{From: "missing.garden.example"}, `fail "quarantine" dkim=fail spf=fail policy_test_mode`},
		{"testing and passing", own("v=DMARC1; p=reject; t=y"), message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("garden.example", pass)}}, `pass "pass" dkim=pass spf=fail`},
		// Organizational Domains.
		{
			"a public suffix above",
			zone{"_dmarc.example": {"v=DMARC1; p=none; np=reject; psd=y"}},
			message{From: "missing.example", DKIM: []dmarc.DKIMAuth{dkim("garden.example", pass)}},
			`fail "reject" dkim=fail spf=fail`,
		},
		{
			"two of one suffix",
			zone{"_dmarc.example": {"v=DMARC1; p=reject; psd=y"}},
			message{From: "a.garden.example", DKIM: []dmarc.DKIMAuth{dkim("b.house.example", pass)}},
			`fail "reject" dkim=fail spf=fail`,
		},
		{
			"two of one domain below a suffix",
			zone{"_dmarc.example": {"v=DMARC1; p=reject; psd=y"}},
			message{From: "a.garden.example", DKIM: []dmarc.DKIMAuth{dkim("b.garden.example", pass)}},
			`pass "pass" dkim=pass spf=fail`,
		},
		{
			"a signer that is a domain of its own",
			zone{"_dmarc.garden.example": {"v=DMARC1; p=reject"}, "_dmarc.tenant.garden.example": {"v=DMARC1; p=none; psd=n"}},
			message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("tenant.garden.example", pass)}},
			`fail "reject" dkim=fail spf=fail`,
		},
		{
			"an author that is a domain of its own",
			zone{"_dmarc.garden.example": {"v=DMARC1; p=reject"}, "_dmarc.tenant.garden.example": {"v=DMARC1; p=quarantine; psd=n"}},
			message{From: "tenant.garden.example", DKIM: []dmarc.DKIMAuth{dkim("garden.example", pass)}},
			`fail "quarantine" dkim=fail spf=fail`,
		},
		// The DNS fails.
		{
			"for a signer that may be aligned",
			zone{"_dmarc.garden.example": {"v=DMARC1; p=reject"}, "_dmarc.x.garden.example!": nil},
			message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("x.garden.example", pass)}},
			`temperror "" dkim=fail spf=fail`,
		},
		{
			"for a signer that failed",
			zone{"_dmarc.garden.example": {"v=DMARC1; p=reject"}, "_dmarc.x.garden.example!": nil},
			message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("x.garden.example", fail)}},
			`fail "reject" dkim=fail spf=fail`,
		},
		{
			"for one of two",
			zone{"_dmarc.garden.example": {"v=DMARC1; p=reject"}, "_dmarc.x.garden.example!": nil},
			message{From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("x.garden.example", pass), dkim("garden.example", pass)}},
			`pass "pass" dkim=pass spf=fail`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &dmarc.Evaluator{Resolver: test.zone, Exists: func(_ context.Context, domain string) (bool, error) {
				return !strings.HasPrefix(domain, "missing."), nil
			}}
			v, err := e.Evaluate(t.Context(), &test.message)
			if err != nil {
				t.Fatal(err)
			}
			if got := verdict(v); got != test.want {
				t.Errorf("got %s, want %s\n%+v", got, test.want, v.Identifiers)
			}
		})
	}
}

// TestEvaluatePSL decides by a list of suffixes instead of the tree walk.
func TestEvaluatePSL(t *testing.T) {
	e := &dmarc.Evaluator{
		Resolver: zone{"_dmarc.garden.co.example": {"v=DMARC1; p=reject"}},
		Suffix:   func(string) string { return "co.example" },
	}
	for domain, want := range map[string]dmarc.AuthResult{"b.garden.co.example": "pass", "house.co.example": "fail"} {
		v, err := e.Evaluate(t.Context(), &dmarc.Message{From: "a.garden.co.example", DKIM: []dmarc.DKIMAuth{dkim(domain, "pass")}})
		if err != nil || v.Result != want {
			t.Errorf("%s: got %+v, %v, want %s", domain, v, err, want)
		}
	}
}

// TestEvaluateErrors holds that nothing is decided by what is not known.
func TestEvaluateErrors(t *testing.T) {
	broken := zone{"_dmarc.garden.example!": nil}
	absent := errors.New("no answer")
	for _, test := range []struct {
		name      string
		evaluator dmarc.Evaluator
		from      string
		want      error
	}{
		{"policy", dmarc.Evaluator{Resolver: broken}, "garden.example", errServer},
		{"no host name", dmarc.Evaluator{Resolver: broken}, "garden example", nil},
		{"existence", dmarc.Evaluator{
			Resolver: zone{"_dmarc.garden.example": {"v=DMARC1; p=none; np=reject"}},
			Exists:   func(context.Context, string) (bool, error) { return false, absent },
		}, "x.garden.example", absent},
	} {
		v, err := test.evaluator.Evaluate(t.Context(), &dmarc.Message{From: test.from})
		if v != nil || err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: got %+v, %v, want %v", test.name, v, err, test.want)
		}
	}
}

// counting counts the questions for each name.
type counting struct {
	zone
	asked map[string]int
}

func (c counting) LookupTXT(ctx context.Context, name string) ([]string, error) {
	c.asked[name]++
	return c.zone.LookupTXT(ctx, name)
}

// TestEvaluateBounds holds that a message with many signatures asks the DNS for
// few names, each once, and for none of those that cannot be aligned.
func TestEvaluateBounds(t *testing.T) {
	r := counting{zone{"_dmarc.garden.example": {"v=DMARC1; p=reject"}}, map[string]int{}}
	m := &dmarc.Message{From: "garden.example"}
	for i := range 1000 {
		m.DKIM = append(m.DKIM, dkim(fmt.Sprintf("a.s%d.other.example", i), "pass"), dkim(fmt.Sprintf("a.b.c.s%d.garden.example", i), "pass"))
	}
	v, err := (&dmarc.Evaluator{Resolver: r}).Evaluate(t.Context(), m)
	if err != nil || v.Result != dmarc.AuthResultPass || len(v.Identifiers) != 2000 {
		t.Fatalf("got %+v, %v", v, err)
	}
	for name, n := range r.asked {
		if n > 1 || strings.Contains(name, "other") {
			t.Errorf("%s was asked %d times", name, n)
		}
	}
	if len(r.asked) > 42 { // ten walks of four names that are not known yet, and the author's
		t.Errorf("%d names were asked for", len(r.asked))
	}
}

func ExampleEvaluator() {
	e := &dmarc.Evaluator{Resolver: zone{"_dmarc.garden.example": {"v=DMARC1; p=reject; t=y"}}} // mostly net.DefaultResolver
	v, err := e.Evaluate(context.Background(), &dmarc.Message{
		From: "news.garden.example",
		DKIM: []dmarc.DKIMAuth{{Domain: "mailer.example", Result: dmarc.AuthResultPass}},
		SPF:  []dmarc.SPFAuth{{Domain: "bounces.mailer.example", Scope: "mfrom", Result: dmarc.AuthResultPass}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Result, v.Disposition, v.Reasons[0].Type, v.Discovery.RecordDomain)
	// Output: fail quarantine policy_test_mode garden.example
}

// oneRecord is a Resolver that knows one name.
type oneRecord struct {
	name  string
	texts []string
}

func (r *oneRecord) LookupTXT(_ context.Context, name string) ([]string, error) {
	if name == r.name {
		return r.texts, nil
	}
	return nil, nil
}

func BenchmarkEvaluate(b *testing.B) {
	e := &dmarc.Evaluator{Resolver: &oneRecord{"_dmarc.garden.example", []string{"v=DMARC1; p=reject; adkim=s; aspf=r; rua=mailto:dmarc@garden.example"}}}
	m := &dmarc.Message{
		From: "garden.example", DKIM: []dmarc.DKIMAuth{dkim("mailer.example", "pass"), dkim("garden.example", "pass")},
		SPF: []dmarc.SPFAuth{spf("bounce.garden.example", "mfrom", "pass")},
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := e.Evaluate(b.Context(), m); err != nil || v.Result != dmarc.AuthResultPass {
			b.Fatal(v, err)
		}
	}
}
