package reportfiles

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/mailer"
)

// The numbers of a digest, which docs/report.md explains.
const (
	weekDays        = 7
	weeksBefore     = 4 // in which reporters are looked for that are silent now
	leastWeeks      = 2 // of them with a report, without which a reporter is not missed
	digestDomains   = 20
	digestSenders   = 5
	digestReporters = 5
)

// DigestConfig configures a digest.
type DigestConfig struct {
	// Domains are what it is about; without any, those with the most messages.
	Domains []string
	// Until is the day after its last one. The zero time means today, and of
	// files the day after the last one that a report is about.
	Until time.Time
	// Format is what is printed: FormatText, FormatHTML or FormatJSON.
	Format string
	// Mail is where it is sent to instead.
	Mail mailer.Config
}

// Digest prints or sends the digest of a week. Files says that the view is of
// files, and not of a database that grows.
func Digest(ctx context.Context, w io.Writer, v *store.View, c *DigestConfig, files bool) error {
	until := c.Until
	if until.IsZero() && !files {
		until = time.Now().UTC().Truncate(24 * time.Hour)
	}
	domains := slices.Clone(c.Domains)
	for i := range domains {
		domains[i] = config.SpellDomain(domains[i])
	}
	d, err := askDigest(ctx, v, domains, until)
	if err != nil {
		return err
	}
	if c.Format == FormatJSON && !c.Mail.Enabled() {
		return d.writeJSON(w)
	}
	p := d.page()
	if !c.Mail.Enabled() {
		return p.write(w, c.Format)
	}
	m := mailer.Message{Subject: p.title + ": " + p.subject}
	if m.Text, err = p.string(FormatText); err == nil {
		m.HTML, err = p.string(FormatHTML)
	}
	if err != nil {
		return err
	}
	return c.Mail.Send(ctx, &m)
}

// digest is what a week came to.
type digest struct {
	since, until time.Time
	now, before  store.Covered // the week, and the one before, of all domains
	domains      []digestDomain
	more         int // domains that are left out, with so many messages
	moreMessages int64
	refused      []store.RefusedInputs
}

// digestDomain is what the week came to for a domain.
type digestDomain struct {
	name        string
	now, before store.Covered
	readiness   *store.Readiness
	// fresh are the senders that were never seen before, and failing those with
	// messages that did not pass.
	fresh, failing []store.Group
	// young says that no report is older than the week, so that every sender is new.
	young  bool
	silent []silentReporter
}

// silentReporter is a reporter that reported in the weeks before only.
type silentReporter struct {
	name     string
	last     time.Time
	weeks    int
	messages int64 // in all weeks
}

// week returns the period that ends so many weeks before the end of the digest.
func (d *digest) week(domain string, ago int) store.Period {
	days := -weekDays * ago
	return store.Period{Domain: domain, Since: d.since.AddDate(0, 0, days), Until: d.until.AddDate(0, 0, days)}
}

// askDigest asks for everything that a digest has.
func askDigest(ctx context.Context, v *store.View, domains []string, until time.Time) (*digest, error) {
	if until.IsZero() {
		all, err := store.Ask(ctx, v, store.Question{By: store.ByDomain})
		if err != nil {
			return nil, err
		}
		until = cmp.Or(all.Last, time.Unix(0, 0).UTC()).AddDate(0, 0, 1)
	}
	d := &digest{since: until.AddDate(0, 0, -weekDays), until: until}
	names, err := d.names(ctx, v, domains)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		one, err := d.domain(ctx, v, name)
		if err != nil {
			return nil, err
		}
		d.domains = append(d.domains, one)
		if len(domains) > 0 {
			d.now, d.before = sumCovered(d.now, one.now), sumCovered(d.before, one.before)
		}
	}
	d.refused, err = store.AskRefused(ctx, v, d.since, d.until)
	return d, err
}

// names returns the domains that the digest is about: those that are given, or
// those that there are reports about, this week or lately.
func (d *digest) names(ctx context.Context, v *store.View, domains []string) ([]string, error) {
	if len(domains) > 0 {
		return domains, nil
	}
	messages := map[string]int64{}
	for ago := range weeksBefore + 1 {
		a, err := store.Ask(ctx, v, store.Question{Period: d.week("", ago), By: store.ByDomain})
		if err != nil {
			return nil, err
		}
		switch ago {
		case 0:
			d.now = a.Covered
		case 1:
			d.before = a.Covered
		}
		for _, g := range a.Groups {
			if _, ok := messages[g.Name]; !ok {
				messages[g.Name] = 0 // unless it has some this week
			}
			if ago == 0 {
				messages[g.Name] = g.Messages
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(messages), func(a, b string) int {
		return cmp.Or(cmp.Compare(messages[b], messages[a]), cmp.Compare(a, b))
	})
	for _, name := range names[min(len(names), digestDomains):] {
		d.more++
		d.moreMessages = tally.Add(d.moreMessages, messages[name])
	}
	return names[:min(len(names), digestDomains)], nil
}

// sumCovered adds the reports and messages of two domains. Their reporters may be the same.
func sumCovered(a, b store.Covered) store.Covered {
	a.Reports = tally.Add(a.Reports, b.Reports)
	a.Messages, a.PassMessages = tally.Add(a.Messages, b.Messages), tally.Add(a.PassMessages, b.PassMessages)
	return a
}

// domain asks what the week came to for a domain.
func (d *digest) domain(ctx context.Context, v *store.View, name string) (one digestDomain, err error) {
	one.name = name
	this, err := store.Ask(ctx, v, store.Question{Period: d.week(name, 0), By: store.BySender, Brief: true})
	if err != nil {
		return one, err
	}
	one.now = this.Covered
	past, err := store.Ask(ctx, v, store.Question{Period: store.Period{Domain: name, Until: d.since}, By: store.BySender, Brief: true})
	if err != nil {
		return one, err
	}
	one.young = past.Reports == 0
	if !one.young {
		one.fresh = newSenders(this.Groups, past.Groups)
	}
	if one.failing, err = d.failing(ctx, v, name, this.Groups); err != nil {
		return one, err
	}
	if one.readiness, err = store.AskReadiness(ctx, v, name, d.until); err != nil {
		return one, err
	}
	one.silent, err = d.silent(ctx, v, &one)
	return one, err
}

// newSenders returns the senders of the week that the time before does not have.
// Who is not authenticated has no name that could be new.
func newSenders(week, past []store.Group) []store.Group {
	known := map[string]bool{store.SenderUnauthenticated: true}
	for i := range past {
		known[past[i].Name] = true
	}
	return slices.DeleteFunc(slices.Clone(week), func(g store.Group) bool { return known[g.Name] })
}

// failing returns the senders with messages that did not pass, those with the
// most first. Who is not authenticated is known by the address.
func (d *digest) failing(ctx context.Context, v *store.View, domain string, week []store.Group) ([]store.Group, error) {
	sources, err := store.Ask(ctx, v, store.Question{Period: d.week(domain, 0), By: store.BySource, Failing: true, Brief: true})
	if err != nil {
		return nil, err
	}
	failing := slices.DeleteFunc(slices.Clone(week), func(g store.Group) bool {
		return g.PassMessages >= g.Messages || g.Name == store.SenderUnauthenticated
	})
	for _, g := range sources.Groups {
		if g.Sender == store.SenderUnauthenticated {
			if g.Host != "" {
				g.Name += " (" + g.Host + ")"
			}
			failing = append(failing, g)
		}
	}
	slices.SortFunc(failing, func(a, b store.Group) int {
		return cmp.Or(cmp.Compare(b.Messages-b.PassMessages, a.Messages-a.PassMessages), cmp.Compare(a.Name, b.Name))
	})
	return failing, nil
}

// silent finds the reporters that reported in the weeks before, but not in this
// one, and what the week before came to.
func (d *digest) silent(ctx context.Context, v *store.View, one *digestDomain) ([]silentReporter, error) {
	reporters := map[string]silentReporter{}
	for ago := weeksBefore; ago >= 0; ago-- {
		a, err := store.Ask(ctx, v, store.Question{Period: d.week(one.name, ago), By: store.ByReporter})
		if err != nil {
			return nil, err
		}
		if ago == 1 {
			one.before = a.Covered
		}
		for _, g := range a.Groups {
			r := reporters[g.Name]
			r.name, r.last, r.weeks, r.messages = g.Name, g.Last, r.weeks+1, tally.Add(r.messages, g.Messages)
			reporters[g.Name] = r
			if ago == 0 {
				delete(reporters, g.Name)
			}
		}
	}
	maps.DeleteFunc(reporters, func(_ string, r silentReporter) bool { return r.weeks < leastWeeks })
	return slices.SortedFunc(maps.Values(reporters), func(a, b silentReporter) int {
		return cmp.Or(cmp.Compare(b.messages, a.messages), cmp.Compare(a.name, b.name))
	}), nil
}

// change says how a number of messages changed.
func change(now, before int64) string {
	switch {
	case before == 0 && now == 0:
		return ""
	case before == 0:
		return "none the week before"
	}
	return signed(float64(now-before)*100/float64(before)) + "% on the week before"
}

// changeOfPass says how a pass rate changed.
func changeOfPass(now, before *store.Covered) string {
	if now.Messages == 0 || before.Messages == 0 {
		return ""
	}
	share := func(c *store.Covered) float64 { return float64(c.PassMessages) * 100 / float64(c.Messages) }
	return signed(share(now)-share(before)) + " points"
}

// signed shows a difference.
func signed(difference float64) string {
	text := fmt.Sprintf("%+.1f", difference)
	if text == "-0.0" || text == "+0.0" {
		return "±0.0"
	}
	return text
}
