package store

import (
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// kept is a report that is kept in a transaction.
type kept struct {
	entry   *tally.Entry
	details *Details
	source  string
	id      int64
}

// maxKnown bounds how many contents, headers and addresses a Store knows to be kept.
const maxKnown = 50_000

// known remembers what is kept, to write it once: contents and headers by id
// with the last month that used them, addresses with their sender.
type known struct {
	months  map[int64]int64
	senders map[string]string
}

func newKnown() *known { return &known{map[int64]int64{}, map[string]string{}} }

// keeping writes the reports of a transaction.
type keeping struct {
	tx       Tx
	known    *known // of the transactions before
	new      *known
	reports  []kept
	received int64
	reader   tellings
}

// add adds what a transaction found out.
func (k *known) add(more *known) {
	if len(k.months)+len(more.months) > maxKnown {
		clear(k.months)
	}
	if len(k.senders)+len(more.senders) > maxKnown {
		clear(k.senders)
	}
	maps.Copy(k.months, more.months)
	maps.Copy(k.senders, more.senders)
}

// fresh reports whether something has not been kept for a month yet, and notes it.
func (k *keeping) fresh(id, month int64) bool {
	if last, ok := k.known.months[id]; ok && last >= month {
		return false
	}
	if last, ok := k.new.months[id]; ok && last >= month {
		return false
	}
	if len(k.new.months) < maxKnown {
		k.new.months[id] = month
	}
	return true
}

// save writes all reports.
func (k *keeping) save() error {
	if len(k.reports) == 0 {
		return nil
	}
	ids, err := k.tx.ReportIDs(len(k.reports))
	if err != nil {
		return err
	}
	for i := range k.reports {
		k.reports[i].id = ids[i]
	}
	for _, add := range []struct {
		sheet *Sheet
		rows  RowReader
	}{
		{sheetHeaders, rowsOf(k.headers())},
		{sheetReports, rowsOf(k.heads())},
		{sheetContents, k.contents()},
		{sheetAddresses, k.addresses()},
		{sheetRecords, k.records()},
		{sheetPolicies, k.parts(func(d *Details) [][]any { return d.policies })},
		{sheetSessions, k.parts(func(d *Details) [][]any { return d.sessions })},
		{sheetFailures, k.parts(func(d *Details) [][]any {
			if d.failed == nil {
				return nil
			}
			return [][]any{d.failed}
		})},
	} {
		if err := k.tx.Add(add.sheet, add.rows); err != nil {
			return err
		}
	}
	return nil
}

// monthOf numbers the month of a time.
func monthOf(t time.Time) int64 {
	t = t.UTC()
	return int64(t.Year())*12 + int64(t.Month()) - 1
}

// headers returns the headers that are not kept yet.
func (k *keeping) headers() (rows [][]any) {
	for i := range k.reports {
		h, month := k.reports[i].details.header, monthOf(k.reports[i].entry.End)
		if h != nil && k.fresh(h.id, month) {
			rows = append(rows, append([]any{h.id, month}, h.columns...))
		}
	}
	return rows
}

// heads returns the rows of the reports themselves.
func (k *keeping) heads() [][]any {
	rows := make([][]any, 0, len(k.reports))
	for i := range k.reports {
		r := &k.reports[i]
		e := r.entry
		var header any
		if r.details.header != nil {
			header = r.details.header.id
		}
		email := e.Email
		if e.Kind == unpack.KindFailure {
			email = r.details.email // without its local part
		}
		rows = append(rows, []any{
			int64(tally.DayOf(e.End)), r.id, string(e.Kind), clean(e.Org), clean(email), clean(e.Domain), clean(e.ReportID), e.Begin.Unix(), e.End.Unix(),
			k.received, clean(r.source), e.Records, r.details.kept, e.Messages, e.PassMessages, e.Digest[:], header,
		})
	}
	return rows
}

// each reads what the records of all reports are told in, and returns the rows
// that row makes of it.
func (k *keeping) each(row func(r *kept, t *told) []any) RowReader {
	i := -1
	var t told
	return func() ([]any, error) {
		for {
			if i >= 0 {
				err := k.reader.next(&t)
				if err == nil {
					if row := row(&k.reports[i], &t); row != nil {
						return row, nil
					}
					continue
				}
				if !errors.Is(err, io.EOF) {
					return nil, err
				}
			}
			if i++; i >= len(k.reports) {
				return nil, nil
			}
			k.reader.reset(&k.reports[i].details.spill)
		}
	}
}

// contents returns the contents that are not kept yet.
func (k *keeping) contents() RowReader {
	row := make([]any, 2+contentColumns)
	return k.each(func(r *kept, t *told) []any {
		month := monthOf(r.entry.End)
		if t.tag != tagContent || !k.fresh(t.content, month) {
			return nil
		}
		row[0], row[1] = t.content, month
		for i, text := range t.texts {
			if row[2+i] = nil; text != "" {
				row[2+i] = text
			}
		}
		return row
	})
}

// addresses returns the senders that are not kept yet.
func (k *keeping) addresses() RowReader {
	if !slices.ContainsFunc(k.reports, func(r kept) bool { return r.details.named }) {
		return rowsOf(nil)
	}
	return k.each(func(_ *kept, t *told) []any {
		if t.tag != tagSender {
			return nil
		}
		source, sender := t.texts[0], t.texts[1]
		if k.known.senders[source] == sender || k.new.senders[source] == sender {
			return nil
		}
		if len(k.new.senders) < maxKnown {
			k.new.senders[source] = sender
		}
		return []any{source, sender}
	})
}

// records returns all records.
func (k *keeping) records() RowReader {
	row := make([]any, len(sheetRecords.Columns))
	var last *kept
	n := int64(0)
	return k.each(func(r *kept, t *told) []any {
		if t.tag != tagRecord {
			return nil
		}
		if r != last {
			row[0], row[1] = int64(tally.DayOf(r.entry.End)), r.id
			last, n = r, 0
		}
		row[2], row[3], row[4], row[5] = n, t.texts[0], t.count, t.content
		n++
		return row
	})
}

// parts returns rows of the details of reports, each after the id of its report.
func (k *keeping) parts(of func(*Details) [][]any) RowReader {
	var rows [][]any
	for i := range k.reports {
		for _, part := range of(k.reports[i].details) {
			rows = append(rows, append([]any{k.reports[i].id}, part...))
		}
	}
	return rowsOf(rows)
}
