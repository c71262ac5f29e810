package dmarc_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// What dmarc.h of OpenDMARC has for results and policies.
var (
	openOutcomes = map[dmarc.AuthResult]int{dmarc.AuthResultNone: 0, dmarc.AuthResultPass: 1, dmarc.AuthResultFail: 2, dmarc.AuthResultTempError: 3}
	openPolicies = map[string]string{"14": "", "15": "pass", "16": "reject", "17": "quarantine", "18": "none"}
	openAligned  = map[string]dmarc.Evaluation{"4": dmarc.EvaluationPass, "5": dmarc.EvaluationFail}
)

// openCase is a message, and the policy records of the domains around it.
type openCase struct {
	zone    zone
	message dmarc.Message
}

func (c *openCase) String() string { return fmt.Sprintf("%v %+v", c.zone, c.message) }

// newOpenCase makes one of all cases that OpenDMARC and RFC 9989 have words for.
func newOpenCase(r *rand.Rand) *openCase {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	result := func() dmarc.AuthResult {
		return []dmarc.AuthResult{dmarc.AuthResultPass, dmarc.AuthResultPass, dmarc.AuthResultFail, dmarc.AuthResultNone, dmarc.AuthResultTempError}[r.IntN(5)]
	}
	domain := func() string {
		return pick("garden.example", "mail.garden.example", "a.b.garden.example", "Shop.co.example", "x.shop.co.example", "list.example", "evilgarden.example")
	}
	c := &openCase{zone: zone{}, message: dmarc.Message{From: domain()}}
	record := func() string {
		return "v=DMARC1" + pick(";", "; ", " ; ") + pick("p=none", "p=quarantine", "p=reject", "p=reject", "P=Reject", "p=nothing", "rua=mailto:a@garden.example") +
			pick("", "", "; sp=none", "; sp=quarantine", "; sp=reject") + pick("", "", "; adkim=s", "; adkim=r") + pick("", "", "; aspf=s", "; aspf=r") +
			pick("", "", "", "; t=y", "; np=reject", "; pct=0", "; rua=mailto:b@garden.example", "; x=y") + pick("", ";")
	}
	for _, name := range []string{"garden.example", "mail.garden.example", "shop.co.example", "list.example", "example"} {
		if n := r.IntN(8); n < 6 && (name != "mail.garden.example" || n < 2) && (name != "example" || n < 1) {
			c.zone["_dmarc."+name] = []string{record()}
		}
	}
	for range r.IntN(3) {
		c.message.DKIM = append(c.message.DKIM, dmarc.DKIMAuth{Domain: domain(), Selector: "s", Result: result()})
	}
	if r.IntN(4) > 0 {
		c.message.SPF = []dmarc.SPFAuth{{Domain: domain(), Scope: pick("mfrom", "mfrom", "helo"), Result: result()}}
	}
	return c
}

// openDMARC is libopendmarc behind a program.
type openDMARC struct {
	in  io.Writer
	out *bufio.Scanner
}

func startOpenDMARC(t *testing.T) *openDMARC {
	t.Helper()
	dir := t.TempDir()
	program, suffixes := filepath.Join(dir, "driver"), filepath.Join(dir, "suffixes")
	if out, err := exec.CommandContext(t.Context(), "cc", "-o", program, "testdata/opendmarc/driver.c", "-lopendmarc").CombinedOutput(); err != nil {
		t.Skipf("no C compiler with libopendmarc: %v\n%s", err, out)
	}
	if err := os.WriteFile(suffixes, []byte("example\nco.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, suffixes)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // The program ends at the end of its input.
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &openDMARC{in, bufio.NewScanner(out)}
}

// evaluate returns what OpenDMARC makes of a case.
func (o *openDMARC) evaluate(t *testing.T, c *openCase) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("R\n")
	for name, texts := range c.zone {
		fmt.Fprintf(&b, "Z\t%s\t%s\n", name, texts[0])
	}
	fmt.Fprintf(&b, "F\t%s\n", c.message.From)
	for _, a := range c.message.DKIM {
		fmt.Fprintf(&b, "D\t%s\t%d\n", a.Domain, openOutcomes[a.Result])
	}
	for _, a := range c.message.SPF {
		origin := 1
		if a.Scope == "helo" {
			origin = 2
		}
		fmt.Fprintf(&b, "S\t%s\t%d\t%d\n", a.Domain, origin, openOutcomes[a.Result])
	}
	b.WriteString("E\n")
	if _, err := io.WriteString(o.in, b.String()); err != nil {
		t.Fatal(err)
	}
	if !o.out.Scan() {
		t.Fatalf("no answer about %s: %v", c, o.out.Err())
	}
	w := strings.Fields(o.out.Text())
	if len(w) != 4 {
		t.Fatalf("the answer is %q", o.out.Text())
	}
	if w[0] != "0" {
		return "no policy"
	}
	return fmt.Sprintf("%s dkim=%s spf=%s", openPolicies[w[1]], openAligned[w[2]], openAligned[w[3]])
}

// validP is a record with a policy of its own.
var validP = regexp.MustCompile(`;\s*[pP]=(none|quarantine|reject|Reject)\b`)

// argue returns why OpenDMARC, which implements RFC 7489, differs from RFC 9989;
// empty when it must not.
func (c *openCase) argue(t *testing.T, v *dmarc.Verdict, theirs string) string {
	t.Helper()
	if v.Discovery.Record == nil {
		return ""
	}
	record := c.zone["_dmarc."+v.Discovery.RecordDomain][0]
	if theirs == "no policy" && !validP.MatchString(record) {
		return "a record with rua and without a valid p is one with p=none"
	}
	changes := []struct {
		why, tag string
	}{{"t=y lowers the policy", "t=y"}, {"adkim=s", "adkim=s"}, {"aspf=s", "aspf=s"}, {"signatures besides the last count", ""}}
	for number := 1; number <= len(changes); number++ { // of changes, as few as do
		for set := range 1 << len(changes) {
			if bits.OnesCount(uint(set)) != number {
				continue
			}
			other, why := openCase{zone: maps.Clone(c.zone), message: c.message}, []string{}
			text := record
			for i, change := range changes {
				if set>>i&1 == 0 {
					continue
				}
				why = append(why, change.why)
				if change.tag != "" {
					text = strings.ReplaceAll(text, change.tag, "x=y")
				} else if n := len(c.message.DKIM); n > 0 {
					other.message.DKIM = c.message.DKIM[n-1:]
				}
			}
			other.zone["_dmarc."+v.Discovery.RecordDomain] = []string{text}
			if _, ours := other.evaluate(t); ours == theirs {
				return strings.Join(why, ", ")
			}
		}
	}
	return ""
}

// evaluate returns the verdict and what is compared of it.
func (c *openCase) evaluate(t *testing.T) (*dmarc.Verdict, string) {
	t.Helper()
	e := &dmarc.Evaluator{Resolver: c.zone, Suffix: func(domain string) string {
		if strings.HasSuffix(domain, ".co.example") {
			return "co.example"
		}
		return "example"
	}}
	v, err := e.Evaluate(t.Context(), &c.message)
	if err != nil {
		t.Fatal(err)
	}
	if v.Discovery.Record == nil {
		return v, "no policy"
	}
	return v, fmt.Sprintf("%s dkim=%s spf=%s", v.Disposition, v.DKIM, v.SPF)
}

// TestOpenDMARC compares Evaluate with OpenDMARC in as many cases as the variable
// OPENDMARC_CASES has. All differences are argued; see docs/library-embedding.md.
func TestOpenDMARC(t *testing.T) {
	cases, _ := strconv.Atoi(os.Getenv("OPENDMARC_CASES"))
	if cases == 0 {
		t.Skip("OPENDMARC_CASES is how many cases are compared: make opendmarc-lab")
	}
	open := startOpenDMARC(t)
	r := rand.New(rand.NewPCG(9989, 7489))
	agreed, argued := 0, map[string]int{}
	for range cases {
		c := newOpenCase(r)
		v, ours := c.evaluate(t)
		theirs := open.evaluate(t, c)
		if ours == theirs {
			agreed++
			continue
		}
		why := c.argue(t, v, theirs)
		if why == "" {
			t.Errorf("%s:\nours   %s\ntheirs %s", c, ours, theirs)
		}
		argued[why]++
	}
	t.Logf("%d cases: %d agree, argued differences: %v", cases, agreed, argued)
}
