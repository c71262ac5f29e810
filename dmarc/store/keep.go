package store

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
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
// with the last month that used them, addresses with what is known of them.
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
	boxes    *boxes
}

// boxes keep values of rows that come again and again, for they must be boxed.
type boxes struct {
	texts   map[string]any
	numbers map[int64]any
}

func newBoxes() *boxes { return &boxes{map[string]any{}, map[int64]any{}} }

// maxBoxes bounds them.
const maxBoxes = 20_000

func (b *boxes) text(s []byte) any {
	if v, ok := b.texts[string(s)]; ok {
		return v
	}
	return b.string(string(s))
}

func (b *boxes) string(s string) any {
	v, ok := b.texts[s]
	if !ok {
		if len(b.texts) >= maxBoxes {
			clear(b.texts)
		}
		v = s
		b.texts[s] = v
	}
	return v
}

func (b *boxes) number(n int64) any {
	v, ok := b.numbers[n]
	if !ok {
		if len(b.numbers) >= maxBoxes {
			clear(b.numbers)
		}
		v = n
		b.numbers[n] = v
	}
	return v
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
			header = k.boxes.number(r.details.header.id)
		}
		email := e.Email
		if e.Kind == unpack.KindFailure {
			email = r.details.email // without its local part
		}
		text, number := k.boxes.string, k.boxes.number
		rows = append(rows, []any{
			number(int64(tally.DayOf(e.End))), r.id, text(string(e.Kind)), text(clean(e.Org)), text(clean(email)), text(clean(e.Domain)), clean(e.ReportID),
			number(e.Begin.Unix()), number(e.End.Unix()), number(k.received), text(clean(r.source)),
			e.Records, r.details.kept, e.Messages, e.PassMessages, e.Digest[:], header, text(warningsOf(e)),
		})
	}
	return rows
}

// warningsOf returns the codes of what was repaired, with spaces in between.
func warningsOf(e *tally.Entry) string {
	if len(e.Warnings) == 0 {
		return ""
	}
	var b strings.Builder
	for i, code := range e.WarningCodes() {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(code))
	}
	return b.String()
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
		if t.tag != tagContent {
			return nil
		}
		id, month := t.id(), monthOf(r.entry.End)
		if !k.fresh(id, month) {
			return nil
		}
		row[0], row[1] = id, month
		for i := range contentColumns {
			if row[2+i] = nil; len(t.data) > 0 && t.data[0] > 0 {
				row[2+i] = string(t.text())
			} else {
				t.text()
			}
		}
		return row
	})
}

// addresses returns what is known of addresses and not kept yet.
func (k *keeping) addresses() RowReader {
	if !slices.ContainsFunc(k.reports, func(r kept) bool { return r.details.named }) {
		return rowsOf(nil)
	}
	return k.each(func(_ *kept, t *told) []any {
		if t.tag != tagSender {
			return nil
		}
		source := string(t.text())
		known := string(t.data)
		if k.known.senders[source] == known || k.new.senders[source] == known {
			return nil
		}
		if len(k.new.senders) < maxKnown {
			k.new.senders[source] = known
		}
		network, guess, name, country := textOf(string(t.text())), textOf(string(t.text())), textOf(string(t.text())), textOf(string(t.text()))
		var asn any
		if n := t.number(); n > 0 {
			asn = n
		}
		return []any{source, network, guess, asn, name, country}
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
			row[0], row[2] = int64(tally.DayOf(r.entry.End)), k.boxes.number(r.id)
			last, n = r, 0
		}
		content, messages := t.id(), t.number()
		row[1], row[3], row[4], row[5] = n, messages, k.boxes.number(content), k.boxes.text(t.text())
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
