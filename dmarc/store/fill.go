package store

import (
	"errors"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// version is a report with a content.
type version struct {
	key    tally.Key
	digest [8]byte
}

// version tells reports apart that are kept: of twins there is only one when
// they are skipped.
func (w *writing) version(e *tally.Entry) version {
	key := e.Key()
	if w.store.config.Counts.SkipTwins && e.Kind != unpack.KindFailure {
		twins := key.Twins()
		key = tally.Key{}
		copy(key[:], twins[:])
	}
	return version{key, e.Digest}
}

// fill counts the entries of a delivery that are new and adds the details that
// are missing of others. It returns of how many it added some.
func (w *writing) fill(d *Delivery) (results []tally.Result, filled int, err error) {
	results = w.count(d)
	for i, e := range d.Entries {
		// Of a conflict nothing is known but that it is another report; a twin
		// that was skipped looks like any duplicate when it comes again.
		if results[i].Outcome != tally.OutcomeDuplicate || i >= len(d.Details) || d.Details[i] == nil {
			continue
		}
		missing, err := w.missing(e, d.Details[i])
		if err != nil {
			return nil, 0, err
		}
		if missing {
			w.keep.reports = append(w.keep.reports, kept{entry: e, details: d.Details[i], source: d.Source})
			filled++
		}
	}
	return results, filled, nil
}

// missing reports whether details of a report that was counted before are not
// kept. A report of which less is kept is dropped, to be kept as a whole.
func (w *writing) missing(e *tally.Entry, details *Details) (bool, error) {
	for ; w.indexed < len(w.keep.reports); w.indexed++ {
		w.keeps[w.version(w.keep.reports[w.indexed].entry)] = true
	}
	if w.keeps[w.version(e)] {
		return false, nil // It is kept in this very transaction.
	}
	found, err := w.tx.FindReports(tally.DayOf(e.End), clean(e.Domain), e.Digest[:])
	if err != nil {
		return false, err
	}
	for _, r := range found {
		switch {
		case r.Kind != string(e.Kind) || r.Org != clean(e.Org):
		case r.ReportID != clean(e.ReportID):
			if e.Kind != unpack.KindFailure && w.store.config.Counts.SkipTwins {
				return false, nil // The twin that is kept was counted, this one was not.
			}
		case r.Kept >= details.kept:
			return false, nil
		default:
			return true, w.drop(tally.DayOf(e.End), r.ID)
		}
	}
	return true, nil
}

// drop drops a report, and the rollups that may have it.
func (w *writing) drop(day tally.Day, id int64) error {
	w.dropped = true
	return errors.Join(w.tx.DropReport(day, id), w.tx.Drop(tableRollups, []int64{int64(day)}))
}
