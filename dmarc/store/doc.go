// Package store keeps reports and counts in one SQL database: each report
// exactly once, in one transaction with what it adds to the counts.
//
// An engine is a package of its own, so that a program links only the one it
// uses: sqlite keeps everything in one file, postgres in a PostgreSQL database.
//
//	s, err := store.Open(ctx, sqlite.File{Path: "dmarc.db"}, store.Config{})
//	…
//	results, err := s.Commit(ctx, &store.Delivery{Source: "dir:/reports", Entries: entries})
//
// A nil error of Commit means that the delivery is durable: identities, counts
// and the source's own note about its input. Only then may the source
// acknowledge. A crash in between makes a duplicate, and duplicates are
// recognised. Commits that wait share a transaction; CommitAll makes one of
// several deliveries. What is counted, and how, is in package tally.
//
// Copy moves everything to a database of another engine, or of the same one.
// Deliveries reads back the reports that are kept, for a store that lacks them.
//
// # What cannot go wrong in silence
//
// Snapshot shows what is in the database and nothing else. A commit that fails
// changes nothing. When the database is damaged, of another version, in use, or
// out of reach, the *Error names it and says what to do; a Store never starts
// from zero in silence.
//
// Every row that lives in memory has a checksum, and the number of rows is kept
// as well: both are checked when the store is opened. Of the identities of
// reports, of which there may be millions, those of a day are checked when the
// first report of that day arrives. A number that a disk has changed, and a row
// that it has lost, are ErrDamaged.
package store
