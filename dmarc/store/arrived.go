package store

import (
	"context"
	"fmt"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Arrived is what came in during some time, by when it was kept or refused.
type Arrived struct {
	// Kind is the kind of the reports, empty for inputs that were refused.
	Kind unpack.Kind
	// Count is how many came since each of the times that were asked for.
	Count []int64
	// Messages are those of the reports since the first of these times: of TLS
	// reports sessions, of failure reports mails.
	Messages int64
	// Last is when the last one came.
	Last time.Time
}

// AskArrived returns what came in since some times, the first of which must be
// the earliest. A kind of which nothing came is left out. Of what was refused, the
// newest 10,000 are kept, and only those are counted.
func AskArrived(ctx context.Context, v *View, since ...time.Time) (arrived []Arrived, err error) {
	for _, one := range []struct{ kind, messages, from, at string }{
		{"r.kind", totalSQL("r.messages"), "reports r", "r.received"}, {"''", "0", "refusals r", "r.refused"},
	} {
		var sums string
		var args []any
		for i, t := range since {
			args = append(args, t.Unix())
			sums += fmt.Sprintf(", count(CASE WHEN %s >= $%d THEN 1 END)", one.at, i+1)
		}
		err = v.Query(ctx, func(row []any) error {
			c := cells{row: row}
			a := Arrived{Kind: unpack.Kind(c.text()), Messages: c.number(), Last: c.time()}
			for range since {
				a.Count = append(a.Count, c.number())
			}
			arrived = append(arrived, a)
			return nil
		}, "SELECT "+one.kind+", "+one.messages+", max("+one.at+")"+sums+" FROM "+one.from+" WHERE "+one.at+" >= $1 GROUP BY 1 ORDER BY 1", args...)
		if err != nil {
			return nil, err
		}
	}
	return arrived, nil
}
