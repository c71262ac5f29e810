package store

import (
	"context"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// keptAt is where a report is kept, and its kind, empty when that is not known.
type keptAt struct {
	id, day int64
	kind    unpack.Kind
}

// Find calls visit with everything that is kept of the reports with an id, as
// Export does: the id that their reporter gave them, or without one such the
// number that they have in the views. It returns how many reports there are.
func Find(ctx context.Context, v *View, id string, visit func(reportjson.Line) error) (reports int, err error) {
	found, err := find(ctx, v, "SELECT r.id, r.day, r.kind FROM reports r WHERE r.report_id = $1 ORDER BY r.day, r.id", clean(id))
	if number, e := strconv.ParseInt(id, 10, 64); err == nil && len(found) == 0 && e == nil {
		// The day tells where to look.
		found, err = find(ctx, v, "SELECT r.id, r.day, r.kind FROM reports r WHERE r.id = $1 AND r.day = (SELECT k.day FROM records k WHERE k.report = $2 LIMIT 1)", number, number)
	}
	for i := range found {
		if err == nil {
			err = Export(ctx, v, Filter{one: &found[i]}, visit)
		}
	}
	return len(found), err
}

func find(ctx context.Context, v *View, query string, args ...any) (found []keptAt, err error) {
	err = v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		found = append(found, keptAt{c.number(), c.number(), unpack.Kind(c.text())})
		return nil
	}, query, args...)
	return found, err
}
