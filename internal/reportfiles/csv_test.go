package reportfiles

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

func TestCell(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"mail.example", "mail.example"},
		{`=HYPERLINK("https://evil.example","x")`, `'=HYPERLINK("https://evil.example","x")`},
		{"+1", "'+1"},
		{"-1+1", "'-1+1"},
		{"@SUM(1)", "'@SUM(1)"},
		{"＝1", "'＝1"},
		{"\t=1", "\uFFFD=1"},
		{"a\r\nb", "a\uFFFD\uFFFDb"},
		{"\x1b[2J", "\uFFFD[2J"},
		{"a=b", "a=b"},
	} {
		if got := wording.Cell(tt.text); got != tt.want {
			t.Errorf("cell(%q) is %q, want %q", tt.text, got, tt.want)
		}
	}
}

// FuzzRow brings what untrusted input may hold into CSV: a row stays one row of
// as many cells, none of which is a formula or steers a terminal.
func FuzzRow(f *testing.F) {
	for _, text := range []string{"mail.example", "=1+1", "\"quoted\",\n\r", "\x00\xff", "@x", "\t-1"} {
		f.Add(text)
	}
	columns := len(csvHeader)
	for _, s := range csvSections {
		columns += len(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		report := &dmarc.Report{Metadata: dmarc.Metadata{OrgName: text, ReportID: text, Email: text}, Policy: dmarc.Policy{Domain: text}}
		record := &dmarc.Record{
			Source: text, HeaderFrom: text, EnvelopeFrom: text, Reasons: []dmarc.OverrideReason{{Type: text}}, AuthDKIM: []dmarc.DKIMAuth{{Domain: text, Selector: text}},
		}
		var b bytes.Buffer
		if err := writeRow(&b, reportjson.NewRecord(reportjson.Header{Path: text}, report, record)); err != nil {
			t.Fatal(err)
		}
		if strings.Count(b.String(), "\n") != 1 {
			t.Fatalf("more than one line: %q", b.String())
		}
		row, err := csv.NewReader(&b).Read()
		if err != nil || len(row) != columns {
			t.Fatalf("%d cells, want %d; %v", len(row), columns, err)
		}
		for _, c := range row {
			if strings.ContainsAny(c[:min(1, len(c))], "=+-@\t\r") || strings.ContainsAny(c, "\x00\x1b\r\n") {
				t.Errorf("cell %q of %q", c, text)
			}
		}
	})
}
