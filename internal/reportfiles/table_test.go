package reportfiles

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

func made(n int) finding {
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	end := day.Add(24*time.Hour - time.Second)
	if n%7 == 3 {
		end = end.Add(6 * 24 * time.Hour)
	}
	if n%10 == 9 {
		return finding{refused: &reportjson.Refusal{Path: fmt.Sprintf("/var/spool/reports/%06d.xml", n), Error: reportjson.Problem{
			Reason: dmarc.ReasonSyntax, Message: "syntax: " + strings.Repeat("a long story ", n%30),
		}}}
	}
	return finding{report: &checked{
		Path: fmt.Sprintf("/var/spool/%s/%d.xml", strings.Repeat("deep/", n%9), n), Kind: unpack.KindAggregate,
		Org: strings.Repeat("Org ", 1+n%14), Domain: fmt.Sprintf("shop%d.example", n%300), Begin: &day, End: &end,
		Records: int64(n), Messages: int64(n) * 1000, PassMessages: int64(n), Warnings: []dmarc.Code{dmarc.CodeBareAmpersand}[:n%2],
	}}
}

// TestTableFits prints many findings on terminals: nothing is wider than they are,
// and a column begins at the same place in every line.
func TestTableFits(t *testing.T) {
	for _, width := range []int{0, 80, 100, 132, 200} {
		var out bytes.Buffer
		findings, sum := newFindings(&out, width), newSummary("")
		for n := range 1000 {
			sum.add(made(n))
			if err := findings.add(made(n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := findings.table.finish(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		column := utf8.RuneCountInString(lines[0][:strings.Index(lines[0], "REPORTER")])
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); width > 0 && n > width {
				t.Errorf("width %d: a line of %d: %s", width, n, line)
			}
			if i := strings.Index(line, "Org "); i >= 0 && utf8.RuneCountInString(line[:i]) != column {
				t.Errorf("width %d: a reporter that does not begin at %d: %s", width, column, line)
			}
		}
		if err := sum.print(&out, width); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\nREPORTER", "\nDOMAIN", "\nand 260 more\n", "\nREFUSED  FILES\nsyntax     100\n", "\n900 reports, 100 refused, "} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("width %d: no %q in %s", width, want, out.String()[max(0, out.Len()-2000):])
			}
		}
	}
}

// TestTableIsClean lets no control character of an untrusted name through.
func TestTableIsClean(t *testing.T) {
	var out bytes.Buffer
	findings, sum := newFindings(&out, 80), newSummary("")
	one := made(1)
	one.report.Org, one.report.Domain = "\x1b[2Jgone\x07", "a\nb\u202e.example"
	for range 2 {
		sum.add(one)
		if err := findings.add(one); err != nil {
			t.Fatal(err)
		}
	}
	if err := findings.table.finish(); err != nil {
		t.Fatal(err)
	}
	if err := sum.print(&out, 80); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07\u202e") || !strings.Contains(out.String(), "?[2Jgone?") {
		t.Errorf("%q", out.String())
	}
}
