package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// The numbers of the rule that docs/readiness.md describes.
const (
	readinessDays  = 30 // that are looked at
	coveredDays    = 14 // with reports, without which nothing is known
	coveredOrgs    = 3  // reporters, without which nothing is known
	persistentDays = 5  // on which a sender is seen that is no burst
	persistentOrgs = 2  // reporters that see it
	burstDays      = 2  // that most messages of a burst are from
	// Shares of the wanted messages: one in so many.
	quarantineShare = 100
	rejectShare     = 1000
	forwardedShare  = 100
	// A sender with less than one in so many messages is named, but holds nothing up.
	noiseShare = 10_000
)

// Readiness says whether a domain can go to a stricter policy.
type Readiness struct {
	Domain string
	// Since and Until bound the days that were looked at.
	Since, Until time.Time
	Covered
	// Days is how many days reports are about.
	Days int
	// Known is how many days ago the first report about the domain was that is kept.
	Known int
	// Published is the policy that the last report found, and On the day of it.
	Published reportjson.PublishedPolicy
	On        time.Time
	// Wanted are the messages that passed and those that likely should have:
	// of them Hit would be hit, and Forwarded as well, unless receivers make an
	// exception. Unwanted are those that look like spoofing.
	Wanted, Hit, Forwarded, Unwanted int64
	// Quarantine and Reject say whether the policy can be published.
	Quarantine, Reject Verdict
	// Parked says that nobody seems to send for the domain.
	Parked bool
	// Senders are those with messages that do not pass, or that would not when
	// they are forwarded: what holds the policy up first.
	Senders []ReadinessSender
}

// Verdict says whether a policy can be published.
type Verdict string

// The verdicts.
const (
	VerdictYes     Verdict = "yes"
	VerdictNo      Verdict = "no"
	VerdictUnknown Verdict = "unknown" // there are too few reports
)

// SenderKind is what a sender looks like.
type SenderKind string

// The kinds of senders.
const (
	KindOwn       SenderKind = "own"       // persistent, or authenticated: plausibly the domain owner's
	KindForwarder SenderKind = "forwarder" // passes on what others have sent
	KindSpoofing  SenderKind = "spoofing"  // neither authenticated nor persistent
)

// Problem is why messages of a sender do not pass, or may not.
type Problem string

// The problems.
const (
	ProblemDKIM      Problem = "dkim_unaligned" // signed for another domain
	ProblemSPF       Problem = "spf_unaligned"  // SPF passes for another domain, and there is no valid signature
	ProblemSignature Problem = "bad_signature"  // signed for the domain, but with a key that verifies nowhere
	ProblemNone      Problem = "no_authentication"
	ProblemForwarded Problem = "forwarded"
	ProblemSPFOnly   Problem = "spf_only" // passes, but not when it is forwarded
)

// ReadinessSender is a sender that needs a look.
type ReadinessSender struct {
	Name    string
	Kind    SenderKind
	Problem Problem
	// Messages have the problem, PassMessages of the sender pass.
	Messages, PassMessages int64
	Days                   int
	Reporters              int64
	First, Last            time.Time
	// Burst says that most messages are from few days.
	Burst bool
	// Noise says that the messages are too few to hold a policy up.
	Noise bool
	// Domain is the domain that most messages are authenticated for, or Selector
	// the key that does not verify.
	Domain, Selector string
	// Sources are the addresses with the most messages, three at most, of so many.
	Sources     []string
	SourceCount int
}

// AskReadiness finds out whether a domain can go to p=quarantine and p=reject.
// The days end before until, or without one with the last day that there is a
// report about.
func AskReadiness(ctx context.Context, v *View, domain string, until time.Time) (*Readiness, error) {
	domain = folded(domain)
	r := &Readiness{Domain: domain, Until: until}
	whole := Period{Domain: domain, Until: until}
	if err := r.lastReport(ctx, v, &whole); err != nil {
		return nil, err
	}
	if r.On.IsZero() {
		r.Quarantine, r.Reject = VerdictUnknown, VerdictUnknown
		return r, nil
	}
	if r.Until.IsZero() {
		// A report of a week, which came last, is about a day before those of days.
		last, err := AskLastDay(ctx, v, unpack.KindAggregate, domain)
		if err != nil {
			return nil, err
		}
		r.Until = last.AddDate(0, 0, 1)
	}
	r.Since = r.Until.AddDate(0, 0, -readinessDays)
	period := Period{Domain: domain, Since: r.Since, Until: r.Until}
	if err := r.cover(ctx, v, &period); err != nil {
		return nil, err
	}
	days, err := askReports(ctx, v, &Question{Period: period, By: ByDay})
	if err != nil {
		return nil, err
	}
	r.Days = len(days)
	f := newFlows(tally.DayOf(r.Since))
	p := newParts(v, &period, f.add)
	p.known = true
	if err := p.read(ctx); err != nil {
		return nil, err
	}
	known, err := addressesOf(ctx, v, p.sources.list)
	if err != nil {
		return nil, err
	}
	r.Senders = f.senders(domain, p.sources.list, known)
	r.decide()
	return r, nil
}

// lastReport finds the last report about the domain, with its policy, and how
// long ago the first one was.
func (r *Readiness) lastReport(ctx context.Context, v *View, p *Period) error {
	where, args := p.where()
	err := v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		r.On = timeOfDay(sentDay(c.number()))
		l := &r.Published
		l.P, l.SP, l.NP = dmarc.Disposition(c.text()), dmarc.Disposition(c.text()), dmarc.Disposition(c.text())
		l.ADKIM, l.ASPF = dmarc.Alignment(c.text()), dmarc.Alignment(c.text())
		if pct, ok := c.row[0].(int64); ok {
			l.Pct = new(int)
			*l.Pct = int(pct)
		}
		c.row = c.row[1:]
		l.Testing = c.text()
		return nil
	}, "SELECT "+sentSQL+", h.p, h.sp, h.np, h.adkim, h.aspf, h.pct, h.testing FROM reports r LEFT JOIN report_headers h ON h.id = r.header WHERE "+where+
		" ORDER BY r.day DESC, r.id DESC LIMIT 1", args...)
	if err != nil || r.On.IsZero() {
		return err
	}
	return v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		r.Known = int(r.On.Sub(timeOfDay(sentDay(c.number()))) / (daySeconds * time.Second))
		return nil
	}, "SELECT "+sentSQL+" FROM reports r WHERE r.kind = $1 AND r.domain = $2 ORDER BY r.day, r.id LIMIT 1", string(unpack.KindAggregate), p.domain())
}

// decide adds up the senders and comes to a verdict.
func (r *Readiness) decide() {
	r.Wanted = r.PassMessages
	for i := range r.Senders {
		s := &r.Senders[i]
		s.Noise = s.Messages < r.Messages/noiseShare
		switch {
		case s.Problem == ProblemSPFOnly:
		case s.Kind == KindSpoofing:
			r.Unwanted = tally.Add(r.Unwanted, s.Messages)
		case s.Kind == KindForwarder:
			r.Forwarded, r.Wanted = tally.Add(r.Forwarded, s.Messages), tally.Add(r.Wanted, s.Messages)
		case !s.Noise:
			r.Hit, r.Wanted = tally.Add(r.Hit, s.Messages), tally.Add(r.Wanted, s.Messages)
		}
	}
	few := func(n, share int64) bool { return n <= r.Wanted/share }
	verdict := func(ok bool) Verdict {
		if ok {
			return VerdictYes
		}
		return VerdictNo
	}
	r.Parked = r.Wanted == 0 && r.Known >= coveredDays
	switch {
	case r.Parked:
		r.Quarantine, r.Reject = VerdictYes, VerdictYes
	case !few(r.Hit, quarantineShare):
		// What is broken is so in few reports as well.
		r.Quarantine, r.Reject = VerdictNo, VerdictNo
	case r.Days < coveredDays || r.Reporters < coveredOrgs:
		r.Quarantine, r.Reject = VerdictUnknown, VerdictUnknown
	default:
		r.Quarantine, r.Reject = VerdictYes, verdict(few(r.Hit, rejectShare) && few(r.Forwarded, forwardedShare))
	}
	order := map[SenderKind]int{KindOwn: 0, KindForwarder: 1, KindSpoofing: 2}
	slices.SortFunc(r.Senders, func(a, b ReadinessSender) int {
		late := func(s *ReadinessSender) int {
			if s.Problem == ProblemSPFOnly {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(order[a.Kind], order[b.Kind]), cmp.Compare(late(&a), late(&b)), cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Problem, b.Problem))
	})
}
