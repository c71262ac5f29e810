package tally

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// town is a tally whose clock goes on by days.
type town struct {
	*testing.T
	*book
	clock  time.Time
	file   *file
	sent   int64
	n      int
	signer string
}

func newTown(t *testing.T, config Config) *town {
	c := &town{T: t, clock: now, file: path(t)}
	config.Now = func() time.Time { return c.clock }
	c.book = open(t, c.file, config)
	return c
}

// day delivers what reporters send about a domain on a day, each 10 messages.
func (c *town) day(domain string, auth bool, reporters ...string) {
	c.Helper()
	c.about(c.clock, domain, auth, reporters...)
}

// about is day with reports about another day.
func (c *town) about(end time.Time, domain string, auth bool, reporters ...string) {
	c.Helper()
	d := &delivery{}
	for _, org := range reporters {
		c.n++
		d.entries = append(d.entries, entry(func(e *Entry) {
			e.Org, e.ReportID, e.Domain, e.Authentic, e.AuthDomain = org, fmt.Sprint(c.n), domain, auth, c.signer
			e.Digest = [8]byte{byte(c.n), byte(c.n >> 8), byte(c.n >> 16)}
			e.Begin, e.End = end.AddDate(0, 0, -1), end
			e.Groups = map[Group]int64{{Domain: domain, Disposition: "none", Class: ClassUnaligned}: 10}
		}))
		c.sent += 10
	}
	commit(c.T, c.book, d)
}

// check holds that sums are exact and the budget is kept, and returns the labels.
func (c *town) check(f Family) map[string]int64 {
	c.Helper()
	s := c.Snapshot()
	for _, family := range []Family{Messages, ClassMessages, ReporterMessages} {
		if got := total(s, family); got != c.sent {
			c.Errorf("%s add up to %d, want %d", family, got, c.sent)
		}
	}
	if got := exposed(s); got > c.config.Budget {
		c.Errorf("%d series, the budget is %d", got, c.config.Budget)
	}
	used := c.state.used
	again := open(c.T, c.file.copy(), c.config)
	if !maps.Equal(again.state.used, used) {
		c.Errorf("after a restart %v of the budget are used, before %v", again.state.used, used)
	}
	if got, want := sumsOf(again.Snapshot(), f), sumsOf(s, f); fmt.Sprint(got) != fmt.Sprint(want) {
		c.Errorf("after a restart %v, before %v", got, want)
	}
	return sumsOf(s, f)
}

// invented returns names that nobody has heard of.
func invented(first, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("evil-%03d.example", first+i))
	}
	return all
}

// TestSquatting lets untrusted senders invent thousands of reporters before and while
// honest ones come: those that most domains hear of have a label at once, others
// when they have come on three days, sooner than names of a single day keep theirs.
func TestSquatting(t *testing.T) {
	c := newTown(t, Config{Domains: []string{"shop.example"}})
	for range 3 { // each name three times, as if that were evidence
		c.day("shop.example", false, invented(0, 400)...)
	}
	honest := []string{"google.com", "Outlook.com", "Yahoo", "small.example", "Kleine Post"}
	for day := range 4 {
		c.clock = c.clock.AddDate(0, 0, 1)
		c.day("shop.example", false, invented(1000*(day+1), 150)...)
		c.day("shop.example", false, honest...)
		c.day("shop.example", false, invented(1000*(day+1)+500, 150)...)
		got := c.check(ReporterMessages)
		for i, org := range honest {
			want := int64(10 * (day + 1))
			if i >= 3 {
				want = max(0, want-20) // from the third day on
			}
			if got[org] != want {
				t.Errorf("day %d: %d messages of %s, want %d", day, got[org], org, want)
			}
		}
	}
}

// TestSquattingForDays lets untrusted senders send the same names for weeks: those that
// are authentic, listed or known to all get in all the same, and all others when
// the names have not come for long.
func TestSquattingForDays(t *testing.T) {
	c := newTown(t, Config{Domains: []string{"shop.example"}, Reporters: []string{"My Own MX"}})
	for range 10 {
		c.clock = c.clock.AddDate(0, 0, 1)
		c.day("shop.example", false, invented(0, 200)...)
	}
	for range 4 {
		c.clock = c.clock.AddDate(0, 0, 1)
		c.day("shop.example", true, "signed.example")
		c.day("shop.example", false, "my own mx", "google.com", "unknown.example")
	}
	got := c.check(ReporterMessages)
	for org, want := range map[string]int64{"My Own MX": 40, "google.com": 40, "signed.example": 20, "unknown.example": 0} {
		if got[org] != want {
			t.Errorf("%d messages of %s, want %d: %v", got[org], org, want, got[Other])
		}
	}
	for range idle + 5 {
		c.clock = c.clock.AddDate(0, 0, 1)
		c.day("shop.example", false, "unknown.example")
	}
	if got := c.check(ReporterMessages); got["unknown.example"] == 0 {
		t.Errorf("no label for a reporter that came each day for %d days: %v", idle+5, len(got))
	}
}

// TestSquattingBySigning lets the owner of one domain sign for thousands of
// names: they are worth no more than those that nobody signs for.
func TestSquattingBySigning(t *testing.T) {
	c := newTown(t, Config{Domains: []string{"shop.example"}})
	c.signer = "evil.example"
	for range 3 {
		c.day("shop.example", true, invented(0, 400)...)
	}
	c.signer = "small.example"
	c.day("shop.example", true, "small.example", "Small Post")
	if got := c.check(ReporterMessages); got["small.example"] != 10 || got["Small Post"] != 10 {
		t.Errorf("no labels for reporters that sign: %v", got)
	}
}

// TestSquattedDomains learns the domain of the owner after others have been made up.
func TestSquattedDomains(t *testing.T) {
	c := newTown(t, Config{})
	for i := range 100 {
		c.day(fmt.Sprintf("d%d.example", i), false, "google.com")
	}
	before := len(c.Snapshot().Domains)
	for range 3 {
		c.clock = c.clock.AddDate(0, 0, 1)
		c.day("mine.example", false, "google.com")
	}
	for i := range 4 { // of another domain at once, about several days
		c.clock = c.clock.Add(time.Minute)
		c.about(c.clock.AddDate(0, 0, -i), "late.example", false, "google.com")
	}
	got := c.check(ClassMessages)
	if got["late.example,"+string(ClassUnaligned)] != 20 {
		t.Errorf("the domain that came about several days has no label: %v", got)
	}
	if got["mine.example,"+string(ClassUnaligned)] != 10 {
		t.Errorf("the domain that came on three days has no label: %v", got)
	}
	s := c.Snapshot()
	if !slices.ContainsFunc(s.Domains, func(d Domain) bool { return d.Name == "mine.example" }) || len(s.Domains) > before+2 {
		t.Errorf("%d domains after %d", len(s.Domains), before)
	}
	windows := int64(0)
	for _, w := range s.Windows {
		if w.Window == "30d" {
			windows += w.Messages
		}
	}
	if windows != c.sent-20 { // today is not complete
		t.Errorf("windows add up to %d, want %d", windows, c.sent-20)
	}
}

// TestComesBack gives a name a label again after it gave its room away: its
// counter begins at 0, and the sum over all stays.
func TestComesBack(t *testing.T) {
	c := newTown(t, Config{Domains: []string{"shop.example"}, Budget: reserved + 400})
	for round := range 4 {
		name := fmt.Sprint("small", round%2, ".example")
		for range 5 {
			c.clock = c.clock.AddDate(0, 0, 1)
			c.day("shop.example", false, append(invented(100*(round%2), 60), name)...)
		}
		c.clock = c.clock.AddDate(0, 0, idle+1)
		before := map[SeriesKey]int64{}
		holds(t, c.Snapshot(), before)
		if got := c.check(ReporterMessages); got[Other] == 0 || len(got) < 10 {
			t.Errorf("round %d: %v", round, got)
		}
	}
}

func TestFoldName(t *testing.T) {
	for _, same := range [][]string{
		{"google.com", "GOOGLE.COM", "gооgle.com", "google.com", "go\u200bogle.com"},
		{"Enterprise Outlook", "ENTERPRISE OUTLOOK", "enterprise outlook"},
		{"other", "Other", "оther", "OTHER"},
		{"Почта", "ПОЧТА"},
		{"Bücher", "BÜCHER"},
	} {
		for _, s := range same {
			if got, want := foldName(s), foldName(same[0]); got != want {
				t.Errorf("%q is %q, %q is %q", s, got, same[0], want)
			}
		}
	}
	for _, s := range []string{"Почта", "Mail.Ru", "谷歌"} {
		if got := foldName(s); got != strings.ToLower(s) {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}

// TestOneSpelling counts all spellings of a reporter under one label.
func TestOneSpelling(t *testing.T) {
	c := newTown(t, Config{Domains: []string{"shop.example"}})
	c.day("shop.example", false, "GOOGLE.COM", "Google.com", "enterprise outlook", "Small Mail", "SMALL MAIL", "small mail", "оther", "UnKnown")
	got := c.check(ReporterMessages)
	for org, want := range map[string]int64{"google.com": 20, "Enterprise Outlook": 10, "Small Mail": 30, Other: 20} {
		if got[org] != want {
			t.Errorf("%d messages of %q, want %d: %v", got[org], org, want, got)
		}
	}
}
