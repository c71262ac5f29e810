package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// DomainDay is what the reports about a domain come to on one day.
type DomainDay struct {
	Domain string
	Day    time.Time
	// Reports are those of the day; of their Messages, PassMessages passed DMARC.
	Reports, Messages, PassMessages int64
}

// AskDomainDays returns every day of every domain in a period that there are
// aggregate reports about, by domain and by day.
func AskDomainDays(ctx context.Context, v *View, p Period) (days []DomainDay, err error) {
	where := p.ends()
	// Few groups are sorted and chosen from here: PostgreSQL would sort all reports.
	err = v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		domain, day := c.text(), tally.Day(c.number())
		if p.has(day) {
			days = append(days, DomainDay{domain, timeOfDay(day), c.number(), c.number(), c.number()})
		}
		return nil
	}, "SELECT r.domain, "+sentSQL+" / 86400, count(*), "+totalSQL("r.messages")+", "+totalSQL("r.pass_messages")+
		" FROM reports r"+where.where()+" GROUP BY 1, 2", where.args...)
	slices.SortFunc(days, func(a, b DomainDay) int {
		return cmp.Or(strings.Compare(a.Domain, b.Domain), a.Day.Compare(b.Day))
	})
	return days, err
}

// AskLastDay returns the last day that there is a report of a kind about, about
// a domain if it is not empty; the zero time without any.
func AskLastDay(ctx context.Context, v *View, kind unpack.Kind, domain string) (last time.Time, err error) {
	var of conditions
	of.kind(kind)
	if domain != "" {
		of.add("r.domain = %s", folded(domain))
	}
	// Reports are found by the end of their period. Few are longer than a day.
	const some = "100"
	err = v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		if seconds, ok := c.row[0].(int64); ok {
			last = timeOfDay(sentDay(seconds))
		}
		return nil
	}, "SELECT max(s.sent) FROM (SELECT "+sentSQL+" AS sent FROM reports r"+of.where()+" ORDER BY r.day DESC, r.id DESC LIMIT "+some+") s", of.args...)
	return last, err
}
