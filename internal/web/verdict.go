package web

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// verdicts remembers what domains are ready for: to find out reads all records
// of a month.
type verdicts struct {
	mu    sync.Mutex
	known map[string]verdictOf
}

type verdictOf struct {
	reports           int64
	days              amount
	last              time.Time
	at                time.Time
	ready, publishing string
}

const (
	mostVerdicts = 1000
	verdictAge   = 10 * time.Minute
)

// isOf reports whether a verdict is still that of a domain.
func (o *verdictOf) isOf(d *domainSum, now time.Time) bool {
	return o.reports == d.reports && o.days == d.day30 && o.last.Equal(d.last) && now.Sub(o.at) <= verdictAge
}

// decide finds out what domains are ready for: of one, and of as many more as
// Config.Readiness allows. The others have the verdict of before, if there is one,
// until the page is asked for again. Those come first that have waited longest.
func (p *Pages) decide(ctx context.Context, v *store.View, domains []*domainSum) error {
	p.verdicts.mu.Lock()
	known := p.verdicts.known
	p.verdicts.mu.Unlock()
	started, now := time.Now(), p.config.Now()
	var due []*domainSum
	for _, d := range domains {
		one, ok := known[d.name]
		d.verdict, d.published = one.ready, one.publishing
		if !ok || !one.isOf(d, now) {
			due = append(due, d)
		}
	}
	slices.SortStableFunc(due, func(a, b *domainSum) int { return known[a.name].at.Compare(known[b.name].at) })
	fresh := map[string]verdictOf{}
	for i, d := range due {
		if i > 0 && time.Since(started) > p.config.Readiness {
			break
		}
		r, err := store.AskReadiness(ctx, v, d.name, time.Time{})
		if err != nil {
			return err
		}
		one := verdictOf{d.reports, d.day30, d.last, now, readyFor(r), cmp.Or(wording.Policy(&r.Published), "none seen")}
		fresh[d.name] = one
		d.verdict, d.published = one.ready, one.publishing
	}
	if len(fresh) == 0 {
		return nil
	}
	// The map is replaced: others may read the one before.
	p.verdicts.mu.Lock()
	defer p.verdicts.mu.Unlock()
	for name, one := range p.verdicts.known {
		if _, ok := fresh[name]; !ok && len(fresh) < mostVerdicts {
			fresh[name] = one
		}
	}
	p.verdicts.known = fresh
	return nil
}

// readyFor is a verdict in a word.
func readyFor(r *store.Readiness) string {
	switch {
	case r.Reject == store.VerdictYes:
		return "reject"
	case r.Quarantine == store.VerdictYes:
		return "quarantine"
	case r.Quarantine == store.VerdictNo:
		return "none"
	}
	return "unknown"
}
