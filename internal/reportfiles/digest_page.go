package reportfiles

import (
	"cmp"
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// page is a digest in words, which the text and the HTML have in common.
type page struct {
	title, subject string
	intro          []string
	sections       []pageSection
}

// pageSection is a part of a page.
type pageSection struct {
	title  string
	facts  []fact
	notes  []string
	tables []pageTable
}

// fact is a property, and whether it is good or bad news.
type fact struct{ name, value, detail, news string }

const (
	goodNews = "good"
	badNews  = "bad"
)

// pageTable is a table under a sentence.
type pageTable struct {
	title   string
	columns []column
	rows    [][]string
	more    string
}

// page puts a digest in words.
func (d *digest) page() *page {
	last := dayText(d.until.AddDate(0, 0, -1))
	p := &page{title: fmt.Sprintf("DMARC digest, %s to %s", dayText(d.since), last)}
	if d.now.Reports == 0 {
		p.subject = "no reports"
		p.intro = append(p.intro, "No aggregate reports about this week. If there were any in the weeks before, look whether their mail still arrives.")
	} else {
		p.subject = fmt.Sprintf("%s, %s pass", plural(int(d.now.Messages), "message"), wording.Percent(d.now.PassMessages, d.now.Messages))
		p.intro = append(p.intro, fmt.Sprintf("%s about %s: %s. Reports about the last days may still be on their way.",
			plural(int(d.now.Reports), "report"), plural(len(d.domains)+d.more, "domain"), p.subject))
	}
	for i := range d.domains {
		p.sections = append(p.sections, d.domains[i].section())
	}
	if d.more > 0 {
		p.sections = append(p.sections, pageSection{
			title: fmt.Sprintf("%s more", plural(d.more, "domain")),
			notes: []string{fmt.Sprintf("They have %s this week. Name the domains that are yours, and the others are left out.", plural(int(d.moreMessages), "message"))},
		})
	}
	if len(d.refused) > 0 {
		p.sections = append(p.sections, refusedSection(d.refused))
	}
	return p
}

// section puts a domain in words.
func (d *digestDomain) section() pageSection {
	s := pageSection{title: cmp.Or(clean(d.name), "-")}
	if d.now.Reports == 0 {
		s.notes = append(s.notes, "No report this week.")
		if d.young {
			s.notes[0] += " Nor was there one before: look for a misspelt domain, or a rua address that leads elsewhere."
		}
	} else {
		s.facts = append(s.facts,
			fact{name: "Messages", value: wording.Grouped(d.now.Messages), detail: change(d.now.Messages, d.before.Messages)},
			fact{name: "Pass", value: wording.Percent(d.now.PassMessages, d.now.Messages), detail: changeOfPass(&d.now, &d.before)},
			fact{name: "Reports", value: wording.Grouped(d.now.Reports), detail: "of " + plural(int(d.now.Reporters), "reporter")})
	}
	if r := d.readiness; r.Reports > 0 {
		s.facts = append(s.facts, fact{name: "Published", value: cmp.Or(cut(wording.Policy(&r.Published), mostText), "nothing")},
			verdictFact(r, dmarc.DispositionQuarantine, r.Quarantine), verdictFact(r, dmarc.DispositionReject, r.Reject))
	}
	if d.now.Kept < d.now.Records {
		s.notes = append(s.notes, fmt.Sprintf("Of %s records %s are kept, and senders are known of those only.", wording.Grouped(d.now.Records), wording.Grouped(d.now.Kept)))
	}
	switch {
	case d.young && d.now.Reports > 0:
		s.notes = append(s.notes, "These are the first reports about this domain: every sender is new.")
	case len(d.fresh) > 0:
		s.tables = append(s.tables, senderTable("Senders that were never seen before:", d.fresh, column{name: "PASS", right: true}, func(g *store.Group) string {
			return wording.Percent(g.PassMessages, g.Messages)
		}))
	}
	if len(d.failing) > 0 {
		s.tables = append(s.tables, failingTable(d.failing))
	}
	if len(d.silent) > 0 {
		s.tables = append(s.tables, silentTable(d.silent))
	}
	return s
}

// mostText is how much of a name from untrusted input is shown.
const mostText = 60

// verdictFact says whether a policy can be published.
func verdictFact(r *store.Readiness, policy dmarc.Disposition, v store.Verdict) fact {
	f := fact{name: "Ready for " + string(policy), value: string(v), news: map[store.Verdict]string{store.VerdictYes: goodNews, store.VerdictNo: badNews}[v]}
	switch {
	case r.Published.P == policy:
		f.detail = "it is published"
	case r.Parked:
		f.detail = "nobody sends for this domain"
	case v == store.VerdictNo && r.Hit > 0:
		f.detail = fmt.Sprintf("%s of %s would be hit", wording.Grouped(r.Hit), plural(int(r.Wanted), "message"))
	case v == store.VerdictUnknown:
		f.detail = "too few reports, or of too few reporters"
	}
	return f
}

// senderTable shows senders with a further column.
func senderTable(title string, groups []store.Group, last column, text func(*store.Group) string) pageTable {
	t := pageTable{title: title, columns: []column{{name: "SENDER", least: 12, most: 40}, {name: "MESSAGES", right: true}, last}}
	for i := range groups[:min(len(groups), digestSenders)] {
		g := &groups[i]
		t.rows = append(t.rows, []string{cmp.Or(g.Name, "-"), wording.Grouped(g.Messages), text(g)})
	}
	t.more = moreText(len(groups), digestSenders)
	return t
}

// failingTable shows the senders that fail most.
func failingTable(groups []store.Group) pageTable {
	t := pageTable{
		title: "Senders that fail most:",
		columns: []column{
			{name: "SENDER", least: 12, most: 40},
			{name: "FAIL", right: true},
			{name: "OF", right: true},
			{name: "WHY", least: 12, most: 20},
		},
	}
	for i := range groups[:min(len(groups), digestSenders)] {
		g := &groups[i]
		t.rows = append(t.rows, []string{cmp.Or(g.Name, "-"), wording.Grouped(g.Messages - g.PassMessages), wording.Grouped(g.Messages), wording.WhyFailing(g)})
	}
	t.more = moreText(len(groups), digestSenders)
	return t
}

// silentTable shows the reporters that are silent.
func silentTable(silent []silentReporter) pageTable {
	t := pageTable{
		title:   "Reporters that reported in the weeks before, and not this week:",
		columns: []column{{name: "REPORTER", least: 12, most: 40}, {name: "LAST REPORT"}, {name: "MESSAGES A WEEK", right: true}},
	}
	for _, r := range silent[:min(len(silent), digestReporters)] {
		t.rows = append(t.rows, []string{cmp.Or(r.name, "-"), dayText(r.last), wording.Grouped(r.messages / int64(r.weeks))})
	}
	t.more = moreText(len(silent), digestReporters)
	return t
}

func moreText(n, shown int) string {
	if n <= shown {
		return ""
	}
	return fmt.Sprintf("and %s more", wording.Grouped(int64(n-shown)))
}

// adviceColumn is the name of the column with sentences.
const adviceColumn = "WHAT TO DO"

// refusedSection says what was refused, and what to do about it.
func refusedSection(refused []store.RefusedInputs) pageSection {
	t := pageTable{columns: []column{{name: "REASON"}, {name: "INPUTS", right: true}, {name: "LAST"}, {name: adviceColumn}}}
	for _, r := range refused {
		t.rows = append(t.rows, []string{cut(string(r.Reason), mostText), wording.Grouped(r.Inputs), dayText(r.Last), wording.Refusal(r.Reason)})
	}
	return pageSection{
		title: "Refused inputs", tables: []pageTable{t},
		notes: []string{"The view dmarc_refusals of the database has each of them, and the mail that it came in."},
	}
}
