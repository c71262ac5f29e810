package store

import (
	"bytes"
	"errors"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// writing is a transaction at work.
type writing struct {
	store   *Store
	tx      Tx
	delta   *tally.Delta
	ledger  *ledgerDelta
	marks   []Mark
	keep    keeping
	kept    []tally.IdentityRow
	refused [][]any
	keeps   map[version]bool // of keep.reports, as far as they are indexed
	indexed int
	dropped bool // reports were dropped
	unused  bool // what no report uses was dropped
	doubt   bool // the clock is not believed
}

func (s *Store) begin(tx Tx, delta *tally.Delta) *writing {
	w := &writing{store: s, tx: tx, delta: delta, ledger: s.ledger.begin(), keeps: map[version]bool{}}
	w.keep = keeping{tx: tx, known: s.known, new: newKnown(), received: w.delta.Now().Unix(), boxes: s.boxes}
	return w
}

// prepare makes known what the entries of deliveries may be recognised by.
func (w *writing) prepare(deliveries []*Delivery) error {
	var keys []tally.Key
	for _, d := range deliveries {
		for _, e := range d.Entries {
			if !w.delta.Timely(e) {
				continue
			}
			key := e.Key()
			if err := w.verify(key.Day()); err != nil {
				return err
			}
			if !w.store.filters.isNew(key, e.Digest) {
				keys = append(keys, key)
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return w.tx.Identities(keys, w.delta.Know)
}

// verify checks the identities of a day, once. One that is damaged would not be
// found, and its report would count again: nothing about a row that is missing
// can be checked. So all of a day are, the first time that a report asks for one.
func (w *writing) verify(day tally.Day) error {
	if w.store.verified[day] {
		return nil
	}
	var got identityDay
	var last tally.Key
	filter := w.store.filters.add(day)
	name := w.store.db.Name()
	err := w.tx.IdentitiesOf(day, func(key tally.Key, digests []byte) error {
		// What is in order is where a search looks for it.
		if got.identities > 0 && bytes.Compare(last[:], key[:]) >= 0 || key.Day() != day {
			return Damaged(name, "identities of day %d: out of order", day)
		}
		last = key
		got.identities++
		got.checksums += checksum(key[:], digests)
		filter.note(key, digests)
		return nil
	})
	if err != nil {
		return err
	}
	w.store.filters.trim()
	if want := w.ledger.day(day); got != want {
		return Damaged(name, "identities of day %d: %d with a checksum of %x, not %d with %x",
			day, got.identities, got.checksums, want.identities, want.checksums)
	}
	w.store.verified[day] = true
	return nil
}

// deliver counts a delivery and returns what became of its entries.
func (w *writing) deliver(d *Delivery) []tally.Result {
	results := w.count(d)
	for i := range d.Refused {
		w.delta.Refuse(d.Refused[i].Reason)
		if w.store.config.Records != RecordsOff {
			w.refused = append(w.refused, d.Refused[i].row(d.Source, w.delta.Now()))
		}
	}
	if d.Auth != "" {
		for range len(d.Entries) + len(d.Refused) {
			w.delta.Authenticate(d.Auth)
		}
	}
	if d.Source != "" {
		w.delta.Deliver(d.Source)
	}
	if d.Key != "" {
		w.marks = append(w.marks, newMark(quoteMark(d.Source), quoteMark(d.Key), quoteMark(d.Mark)))
	}
	return results
}

// count counts the entries of a delivery and keeps the details of those that count.
func (w *writing) count(d *Delivery) []tally.Result {
	results := make([]tally.Result, 0, len(d.Entries))
	for i, e := range d.Entries {
		result := w.delta.Count(e)
		if result.Counted && i < len(d.Details) && d.Details[i] != nil {
			w.keep.reports = append(w.keep.reports, kept{entry: e, details: d.Details[i], source: d.Source})
		}
		results = append(results, result)
	}
	return results
}

// maxExpired bounds how many identities one transaction drops, so that none takes long.
const maxExpired = 500

// save writes everything that changed.
func (w *writing) save() error {
	if err := w.expire(); err != nil {
		return err
	}
	rows := w.delta.Changes()
	if len(rows.Identities) > 0 {
		if err := w.tx.PutIdentities(rows.Identities); err != nil {
			return err
		}
		w.ledger.keep(rows.Identities)
		w.kept = rows.Identities
	}
	if err := w.keep.save(); err != nil {
		return err
	}
	if len(w.refused) > 0 {
		if err := errors.Join(w.tx.Add(sheetRefusals, rowsOf(w.refused)), w.tx.KeepNewest(sheetRefusals, maxRefusals)); err != nil {
			return err
		}
	}
	if len(w.marks) > 0 {
		if err := w.tx.PutMarks(w.marks); err != nil {
			return err
		}
	}
	if err := w.putNews(); err != nil {
		return err
	}
	return saveRows(w.tx, w.ledger, rows)
}

// expire drops identities that no report can ask for any more, and days that
// no window can.
func (w *writing) expire() error {
	if w.doubt {
		return nil
	}
	if before := w.delta.Oldest(); w.ledger.oldest() < before {
		err := w.tx.DropIdentities(before, maxExpired, func(key tally.Key, digests []byte) {
			w.ledger.drop(key, digests)
			w.delta.Expire(key.Day())
		})
		if err != nil {
			return err
		}
	}
	oldest, gone := w.delta.OldestDay()
	if gone == 0 {
		return nil
	}
	w.ledger.count(tableDays, -gone)
	return w.tx.DropBefore(tableDays, int64(oldest))
}
