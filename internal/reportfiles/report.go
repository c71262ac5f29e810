package reportfiles

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// Report prints the answer to a question.
func Report(ctx context.Context, w io.Writer, v *store.View, q store.Question, format string, width int) error {
	a, err := store.Ask(ctx, v, q)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	switch format {
	case FormatJSON:
		err = writeJSON(out, newAnswerJSON(&q, a))
	case FormatCSV:
		err = writeGroups(out, &q, a)
	default:
		err = printAnswer(out, width, &q, a)
	}
	return written(err, out.Flush())
}

// written explains an error of the output.
func written(err, flushed error) error {
	if err == nil && flushed != nil {
		err = fmt.Errorf("write output: %w", flushed)
	}
	return err
}

// answerJSON is an answer as JSON.
type answerJSON struct {
	By      store.By `json:"by"`
	Domain  string   `json:"domain,omitempty"`
	Since   string   `json:"since,omitempty"`
	Until   string   `json:"until,omitempty"`
	Failing bool     `json:"failing"`
	coveredJSON
	Groups []groupJSON `json:"groups"`
	// More groups are left out, with so many messages.
	More         int64 `json:"more_groups"`
	MoreMessages int64 `json:"more_messages"`
}

// coveredJSON is what reports there are.
type coveredJSON struct {
	Reports      int64  `json:"reports"`
	Reporters    int64  `json:"reporters"`
	Messages     int64  `json:"messages"`
	PassMessages int64  `json:"pass_messages"`
	First        string `json:"first,omitempty"`
	Last         string `json:"last,omitempty"`
	Records      int64  `json:"records"`
	Kept         int64  `json:"records_kept"`
}

// groupJSON is a group as JSON.
type groupJSON struct {
	Name         string                `json:"name"`
	Sender       string                `json:"sender,omitempty"`
	Host         string                `json:"host,omitempty"`
	ASN          int64                 `json:"asn,omitempty"`
	ASName       string                `json:"as_name,omitempty"`
	Country      string                `json:"country,omitempty"`
	Messages     int64                 `json:"messages"`
	PassMessages int64                 `json:"pass_messages"`
	DKIM         int64                 `json:"dkim_messages"`
	SPF          int64                 `json:"spf_messages"`
	Valid        int64                 `json:"valid_messages,omitempty"`
	Classes      map[tally.Class]int64 `json:"classes,omitempty"`
	Passed       []string              `json:"authenticated_for,omitempty"`
	Reports      int64                 `json:"reports,omitempty"`
	Reporters    int64                 `json:"reporters,omitempty"`
	First        string                `json:"first,omitempty"`
	Last         string                `json:"last,omitempty"`
}

func newAnswerJSON(q *store.Question, a *store.Answer) *answerJSON {
	return &answerJSON{
		By: q.By, Domain: q.Domain, Since: dayText(q.Since), Until: dayText(q.Until), Failing: q.Failing,
		coveredJSON: newCoveredJSON(&a.Covered), Groups: newGroupsJSON(a.Groups), More: a.More, MoreMessages: a.MoreMessages,
	}
}

func newCoveredJSON(c *store.Covered) coveredJSON {
	return coveredJSON{c.Reports, c.Reporters, c.Messages, c.PassMessages, dayText(c.First), dayText(c.Last), c.Records, c.Kept}
}

func dayText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// writeJSON writes a value as JSON that a terminal shows as it is.
func writeJSON(w io.Writer, value any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(reportjson.Escape(b.Bytes()))
	return err
}

// writeGroups writes an answer as CSV.
func writeGroups(w io.Writer, q *store.Question, a *store.Answer) error {
	out := csv.NewWriter(w)
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	header := []string{
		string(q.By), "sender", "host", "asn", "as_name", "country", "messages", "pass_messages", "dkim_messages", "spf_messages", "valid_messages",
		"reports", "reporters", "first", "last", "authenticated_for",
	}
	for _, class := range tally.Classes() {
		header = append(header, string(class))
	}
	_ = out.Write(header) // Flush has the error.
	for i := range a.Groups {
		g := &a.Groups[i]
		asn := ""
		if g.ASN != 0 {
			asn = number(g.ASN)
		}
		row := []string{
			g.Name, g.Sender, g.Host, asn, g.ASName, g.Country, number(g.Messages), number(g.PassMessages), number(g.DKIMMessages), number(g.SPFMessages),
			number(g.ValidMessages), number(g.Reports), number(g.Reporters), dayText(g.First), dayText(g.Last), strings.Join(g.Passed, " "),
		}
		for _, class := range tally.Classes() {
			row = append(row, number(g.Classes[class]))
		}
		for j := range row {
			row[j] = wording.Cell(row[j])
		}
		_ = out.Write(row)
	}
	out.Flush()
	return out.Error()
}

// printAnswer prints an answer for people.
func printAnswer(w io.Writer, width int, q *store.Question, a *store.Answer) error {
	if _, err := fmt.Fprintln(w, headline(q.Domain, &a.Covered)); err != nil {
		return err
	}
	recorded := !slices.Contains([]store.By{store.ByDay, store.ByReporter, store.ByDomain}, q.By)
	if recorded && a.Kept < a.Records {
		fmt.Fprintf(w, "Of %s records %s are kept, and only those are counted below.\n", wording.Grouped(a.Records), wording.Grouped(a.Kept))
	}
	if len(a.Groups) == 0 {
		if a.Reports > 0 && q.Failing {
			fmt.Fprintln(w, "Everything passed.")
		}
		return nil
	}
	columns, row := answerColumns(q)
	rows := make([]tableRow, 0, len(a.Groups))
	for i := range a.Groups {
		rows = append(rows, tableRow{cells: row(&a.Groups[i])})
	}
	if err := printTable(w, width, rows, columns...); err != nil {
		return err
	}
	if a.More > 0 {
		fmt.Fprintf(w, "and %s more with %s\n", wording.Grouped(a.More), plural(int(a.MoreMessages), "message"))
	}
	return nil
}

// headline says what reports there are.
func headline(domain string, c *store.Covered) string {
	domain = cmp.Or(clean(domain), "All domains")
	if c.Reports == 0 {
		return domain + ": no aggregate reports in this period."
	}
	days := dayText(c.First)
	if last := dayText(c.Last); last != days {
		days += " to " + last
	}
	return fmt.Sprintf("%s, %s: %s of %s; %s, %s pass", domain, days, plural(int(c.Reports), "report"), plural(int(c.Reporters), "reporter"),
		plural(int(c.Messages), "message"), wording.Percent(c.PassMessages, c.Messages))
}

// shown is a column of an answer, and what is in it.
type shown struct {
	column
	text func(*store.Group) string
}

// answerColumns returns the columns for a question, and what makes a row of a group.
func answerColumns(q *store.Question) (columns []column, row func(*store.Group) []string) {
	number := func(name string, of func(*store.Group) int64) shown {
		return shown{column{name: name, right: true}, func(g *store.Group) string { return wording.Grouped(of(g)) }}
	}
	share := func(name string, of func(*store.Group) int64) shown {
		return shown{column{name: name, right: true}, func(g *store.Group) string { return wording.Percent(of(g), g.Messages) }}
	}
	name := shown{column{name: strings.ToUpper(string(q.By)), least: 12, most: 60}, func(g *store.Group) string { return cmp.Or(g.Name, "-") }}
	messages := number("MESSAGES", func(g *store.Group) int64 { return g.Messages })
	pass := share("PASS", func(g *store.Group) int64 { return g.PassMessages })
	dkim := share("DKIM", func(g *store.Group) int64 { return g.DKIMMessages })
	spf := share("SPF", func(g *store.Group) int64 { return g.SPFMessages })
	reports := number("REPORTS", func(g *store.Group) int64 { return g.Reports })
	reporters := number("REPORTERS", func(g *store.Group) int64 { return g.Reporters })
	first := shown{column{name: "FIRST", wide: true}, func(g *store.Group) string { return dayText(g.First) }}
	last := shown{column{name: "LAST"}, func(g *store.Group) string { return dayText(g.Last) }}
	why := shown{column{name: "WHY", least: 12, most: 24}, func(g *store.Group) string { return wording.WhyFailing(g) }}
	passed := shown{column{name: "PASSED FOR", least: 10, most: 40}, func(g *store.Group) string { return strings.Join(g.Passed, " ") }}
	var all []shown
	switch q.By {
	case store.BySource:
		sender := shown{column{name: "SENDER", least: 10, most: 32}, func(g *store.Group) string { return g.Sender }}
		host := shown{column{name: "HOST OR NETWORK", wide: true, least: 10, most: 40}, func(g *store.Group) string { return cmp.Or(g.Host, g.ASName) }}
		all = []shown{name, sender, host, messages, pass, dkim, spf, reporters, first, last}
		if q.Failing {
			all = []shown{name, sender, host, messages, why, passed, reporters, first, last}
		}
	case store.BySender:
		all = []shown{name, messages, pass, dkim, spf, reporters, first, last}
		if q.Failing {
			all = []shown{name, messages, why, passed, reporters, first, last}
		}
	case store.BySelector:
		all = []shown{name, messages, share("VALID", func(g *store.Group) int64 { return g.ValidMessages }), pass, reporters, first, last}
	case store.ByDisposition:
		all = []shown{name, messages, pass, reporters, first, last}
	case store.ByReporter:
		all = []shown{name, reports, messages, pass, first, last}
	case store.ByDomain:
		all = []shown{name, reports, reporters, messages, pass, first, last}
	case store.ByDay:
		all = []shown{name, reports, reporters, messages, pass}
	}
	if q.Failing {
		all = slices.DeleteFunc(all, func(s shown) bool { return s.name == "PASS" })
	}
	for _, s := range all {
		columns = append(columns, s.column)
	}
	return columns, func(g *store.Group) []string {
		cells := make([]string, len(all))
		for i, s := range all {
			cells[i] = s.text(g)
		}
		return cells
	}
}
