package store

import (
	"context"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// RefusedInputs are the inputs that were refused for one reason.
type RefusedInputs struct {
	Reason dmarc.Reason
	Inputs int64
	// Last is when the last one was refused.
	Last time.Time
}

// AskRefused returns what was refused since a time and before another, the most
// frequent reason first. The newest 10,000 refusals are kept, and only those are
// counted.
func AskRefused(ctx context.Context, v *View, since, until time.Time) (refused []RefusedInputs, err error) {
	err = v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		refused = append(refused, RefusedInputs{Reason: dmarc.Reason(c.text()), Inputs: c.number(), Last: c.time()})
		return nil
	}, "SELECT reason, count(*), max(refused) FROM refusals WHERE refused >= $1 AND refused < $2 GROUP BY reason ORDER BY 2 DESC, 1", since.Unix(), until.Unix())
	return refused, err
}
