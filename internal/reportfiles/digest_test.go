package reportfiles

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/sender"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// hostile is a name that a terminal or a browser would act on.
const hostile = "<script>alert(1)</script>\u202e\u009b31m&\"'"

// writeReport writes a report of one day with a record for each line: source,
// messages, and the domain of a valid signature.
func writeReport(t *testing.T, dir, org, domain string, day time.Time, records ...string) {
	t.Helper()
	text := fmt.Sprintf("<feedback><report_metadata><org_name>%s</org_name><report_id>%d</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>"+
		"<policy_published><domain>%s</domain><p>quarantine</p></policy_published>", escaped(org), day.Unix(), day.Unix(), day.Unix()+86399, domain)
	for _, r := range records {
		f := strings.SplitN(r, " ", 3)
		dkim := "fail"
		if f[2] == domain {
			dkim = "pass"
		}
		text += fmt.Sprintf("<record><row><source_ip>%s</source_ip><count>%s</count><policy_evaluated><disposition>none</disposition><dkim>%s</dkim><spf>fail</spf></policy_evaluated></row>"+
			"<identifiers><header_from>%s</header_from></identifiers><auth_results><dkim><domain>%s</domain><selector>s</selector><result>pass</result></dkim></auth_results></record>",
			f[0], f[1], dkim, domain, escaped(f[2]))
	}
	file, err := os.CreateTemp(dir, "*.xml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.WriteString(file, text+"</feedback>"); err != nil {
		t.Fatal(err)
	}
}

func escaped(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // A buffer has no errors.
	return b.String()
}

// writeWeeks writes reports of five weeks that end on 2026-11-29: two reporters
// every day, one that stops three weeks earlier, and a sender that begins on the
// last day but one.
func writeWeeks(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for n := range 35 {
		day := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n-34)
		records := []string{"192.0.2.1 90 shop.example", "192.0.2.2 10 esp.example"}
		if n >= 28 {
			records[0] = "192.0.2.1 60 shop.example"
		}
		if n == 33 {
			records = append(records, "198.51.100.7 33 "+strings.Repeat("long-", 12)+"new.example", "198.51.100.8 3 shop.example")
		}
		writeReport(t, dir, "Steady Mail", "shop.example", day, records...)
		writeReport(t, dir, "Other Mail", "shop.example", day, records[:1]...)
		if n < 14 {
			writeReport(t, dir, hostile, "shop.example", day, "192.0.2.1 7 shop.example")
		}
		if n == 20 {
			writeReport(t, dir, "Once Mail", "shop.example", day, "192.0.2.1 1 shop.example")
		}
		if n == 30 {
			writeReport(t, dir, "Steady Mail", "young.example", day, "192.0.2.1 5 young.example")
		}
		if n == 1 {
			writeReport(t, dir, "Steady Mail", "quiet.example", day, "192.0.2.1 5 quiet.example")
		}
	}
	return dir
}

// openFiles returns a view of the reports in a directory.
func openFiles(t *testing.T, dir string) *store.View {
	t.Helper()
	names, err := sender.New(sender.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var pipeline ingest.PipelineConfig
	pipeline.Keep.Sender = names.Of
	v, refused, err := View(t.Context(), Streams{Out: io.Discard, Err: io.Discard}, nil, []string{dir}, pipeline)
	if err != nil || refused {
		t.Fatal(err, refused)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// TestDigest wants the news of a made-up week in both formats.
func TestDigest(t *testing.T) {
	v := openFiles(t, writeWeeks(t))
	got := map[string]string{}
	for _, format := range []string{FormatText, FormatHTML} {
		var out bytes.Buffer
		if err := Digest(t.Context(), &out, v, &DigestConfig{Format: format}, true); err != nil {
			t.Fatal(err)
		}
		got[format] = out.String()
	}
	for _, want := range []string{
		"DMARC digest, 2026-11-23 to 2026-11-29",
		"15 reports about 3 domains: 951 messages, 89.2% pass.",
		"Messages:              946    -28.9% on the week before",
		"Pass:                  89.1%  -5.6 points",
		"Reports:               14     of 2 reporters",
		"Published:             p=quarantine",
		"Ready for reject:      no     333 of 5,380 messages would be hit",
		"long-long-long-long-long-long-long-long…        33  0.0%",
		"esp.example                                 70  70  not aligned",
		"No report this week.",
		"These are the first reports about this domain: every sender is new.",
		"<script>alert(1)</script>??31m&\"'  2026-11-08",
	} {
		if !strings.Contains(got[FormatText], want) {
			t.Errorf("the text lacks %q:\n%s", want, got[FormatText])
		}
	}
	for _, line := range strings.Split(got[FormatText], "\n") {
		if n := utf8.RuneCountInString(line); n > digestWidth {
			t.Errorf("a line of %d characters, want at most %d: %s", n, digestWidth, line)
		}
	}
	if strings.Contains(got[FormatText], "Once Mail") {
		t.Errorf("a reporter of one report is missed:\n%s", got[FormatText])
	}
	// What the HTML shows is what the text has.
	shown := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(got[FormatHTML], " "))
	for _, want := range []string{"951 messages, 89.2% pass", "-28.9% on the week before", "esp.example", "not aligned", "<script>alert(1)</script>??31m&\"'"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the HTML shows no %q:\n%s", want, shown)
		}
	}
	for format, text := range got {
		if i := strings.IndexAny(text, "\x1b\u009b\u202e"); i >= 0 {
			t.Errorf("%s: a control character at %d", format, i)
		}
	}
	if regexp.MustCompile(`(?i)<script|<link|<img|src=|href=|url\(`).MatchString(got[FormatHTML]) {
		t.Errorf("the HTML is not self-contained, or untrusted text is markup:\n%s", got[FormatHTML])
	}
}

// TestDigestOfDomains is about the domains that are given, and of another week.
func TestDigestOfDomains(t *testing.T) {
	v := openFiles(t, writeWeeks(t))
	var out bytes.Buffer
	c := &DigestConfig{Domains: []string{"Shop.Example", "misspelt.example"}, Until: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
	if err := Digest(t.Context(), &out, v, c, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2026-11-16 to 2026-11-22", "14 reports about 2 domains: 1,330 messages", "look for a misspelt domain"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "young.example") {
		t.Errorf("a domain that was not asked for:\n%s", out.String())
	}
}

// TestDigestOfNothing is of a database without a report.
func TestDigestOfNothing(t *testing.T) {
	v := openFiles(t, t.TempDir())
	for _, files := range []bool{false, true} {
		var out bytes.Buffer
		if err := Digest(t.Context(), &out, v, &DigestConfig{}, files); err != nil || !strings.Contains(out.String(), "No aggregate reports about this week.") {
			t.Errorf("%v, %s", err, out.String())
		}
	}
}

// TestDigestBounds lists no more domains than a mail has room for.
func TestDigestBounds(t *testing.T) {
	dir := t.TempDir()
	const domains = digestDomains + 3
	for n := range domains {
		writeReport(t, dir, "Steady Mail", fmt.Sprintf("d%02d.example", n), time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC), fmt.Sprintf("192.0.2.1 %d a.example", domains-n))
	}
	var out bytes.Buffer
	if err := Digest(t.Context(), &out, openFiles(t, dir), &DigestConfig{}, true); err != nil {
		t.Fatal(err)
	}
	for want, there := range map[string]bool{"\nd00.example\n": true, "\nd19.example\n": true, "\nd20.example\n": false, "\n3 domains more\n": true, "They have 6 messages this week.": true} {
		if strings.Contains(out.String(), want) != there {
			t.Errorf("%q is there: %t, want %t\n%s", want, !there, there, out.String())
		}
	}
}

// TestRefusedAdvice wants the words of each reason, in 72 columns.
func TestRefusedAdvice(t *testing.T) {
	d := &digest{since: time.Unix(0, 0).UTC(), until: time.Unix(7*86400, 0).UTC()}
	for _, reason := range dmarc.Reasons() {
		d.refused = append(d.refused, store.RefusedInputs{Reason: reason, Inputs: 1234, Last: d.since})
	}
	text, err := d.page().string(FormatText)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(text, "\n") {
		if n := utf8.RuneCountInString(line); n > digestWidth {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
	if want := "\nREASON        INPUTS  LAST        WHAT TO DO\n"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
	page, err := d.page().string(FormatHTML)
	if err != nil || !strings.Contains(page, "<td style=\"padding:4px 12px 4px 0;border-bottom:1px solid #eff2f5;vertical-align:top\">too_costly</td>") {
		t.Errorf("%v, %s", err, page)
	}
	for _, reason := range dmarc.Reasons() {
		if !strings.Contains(page, html.EscapeString(wording.Refusal(reason))) {
			t.Errorf("no words for %s in\n%s", reason, page)
		}
	}
}

// TestDigestOutputFails tells that the output could not be written.
func TestDigestOutputFails(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "closed"))
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := Digest(t.Context(), file, openFiles(t, t.TempDir()), &DigestConfig{}, true); err == nil || !strings.Contains(err.Error(), "write output: ") {
		t.Errorf("error %v", err)
	}
}
