package store

import (
	"context"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Lacking is what a database has counted of reports that it does not keep whole.
type Lacking struct {
	// Reports are those that are remembered.
	Reports int64
	// Messages are those of aggregate reports, with the sessions of TLS reports and
	// the incidents of failure reports.
	Messages int64
}

// Lacks returns what a database lacks of what it has counted: reports of which
// nothing or not all records were kept, or that were dropped since. A database
// that is damaged is an error.
func Lacks(ctx context.Context, v *View) (l Lacking, err error) {
	if _, err := whole(ctx, v); err != nil {
		return l, err
	}
	rows, _, err := readCounts(ctx, v)
	if err != nil {
		return l, err
	}
	for i := range rows.Sums {
		switch family, _ := rows.Sums[i].Key.Split(); family {
		case tally.Messages, tally.TLSSessions, tally.Failures:
			l.Messages += rows.Sums[i].Value
		}
	}
	err = v.Query(ctx, func(row []any) error {
		key, _ := row[0].([]byte)
		digests, _ := row[1].([]byte)
		if int64(tally.Key(key).Day()) > rows.Expired {
			contents, _ := tally.Contents(digests)
			l.Reports += int64(len(contents))
		}
		return nil
	}, "SELECT key, digests FROM identities")
	if err != nil {
		return l, err
	}
	err = v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		l.Reports -= c.number()
		l.Messages -= c.number()
		return nil
	}, "SELECT count(CASE WHEN day > $1 THEN 1 END), CAST(coalesce(sum(messages), 0) AS BIGINT) FROM reports WHERE kept = records", rows.Expired)
	l.Reports, l.Messages = max(l.Reports, 0), max(l.Messages, 0)
	return l, err
}
