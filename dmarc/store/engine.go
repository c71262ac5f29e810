package store

import (
	"context"
	"database/sql"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Engine is a database that a store may be kept in: sqlite.File or
// postgres.Database.
type Engine interface {
	// Open opens the database, creates what is missing in it, and keeps other
	// processes from writing it, unless it is to be shared with them. Meta is that
	// of a new database.
	Open(ctx context.Context, fresh Meta) (Database, error)
	// View opens what is committed for reading, while another process may write
	// the database. It changes nothing in it.
	View(ctx context.Context) (*View, error)
}

// Meta is what a database says about itself.
type Meta struct {
	// Created is when counting began at zero, in Unix milliseconds.
	Created int64
	// Generation changes when counting begins anew.
	Generation string
}

// Database is an open database. Update and Rows are for one goroutine; the
// other methods are safe for concurrent use and read what is committed.
type Database interface {
	// Name names the database in errors.
	Name() string
	Meta() Meta
	// Shared reports whether other processes may write the database, too. Then
	// Rows is for use within Update, whose transactions come one after the other.
	Shared() bool
	// Rows calls visit with each row of a table, the guard last.
	Rows(ctx context.Context, table *Table, visit func(row []any) error) error
	// Update runs f in a transaction, which is durable when Update returns nil.
	// An error says nothing about whether it is in the database.
	Update(ctx context.Context, f func(Tx) error) error
	// Identities calls found for each key that is kept, and for up to
	// tally.MaxTwins others with the same twins.
	Identities(ctx context.Context, keys []tally.Key, found func(key tally.Key, digests []byte)) error
	// Marks returns the marks of a source with one of the keys.
	Marks(ctx context.Context, source string, keys []string) ([]Mark, error)
	// MarkKeys returns up to most keys of marks of a source after one, sorted.
	MarkKeys(ctx context.Context, source, after string, most int) ([]string, error)
	// Shrink gives some of the room that dropped rows have left back to the
	// system, and reports whether there is more. It is for the goroutine of Update.
	Shrink(ctx context.Context) (more bool, err error)
	// SQL is for reading what is committed.
	SQL() *sql.DB
	// Size returns the bytes that the database takes.
	Size(ctx context.Context) (int64, error)
	Close() error
}

// Tx is a transaction of a Database.
type Tx interface {
	// Behind reports whether the database may hold what came neither from the
	// last transaction of this Database nor from before it.
	Behind() bool
	// Identities is Database.Identities within the transaction.
	Identities(keys []tally.Key, found func(key tally.Key, digests []byte)) error
	// IdentitiesOf calls visit for each identity of a day in the order of keys.
	IdentitiesOf(day tally.Day, visit func(key tally.Key, digests []byte) error) error
	// DropIdentities deletes up to most identities of days before one, the
	// oldest first, and calls dropped for each.
	DropIdentities(before tally.Day, most int, dropped func(key tally.Key, digests []byte)) error
	// PutIdentities keeps identities. A new one that is known is ErrConflict.
	PutIdentities(rows []tally.IdentityRow) error
	// Put keeps rows of a table.
	Put(table *Table, rows []Row) error
	// DropBefore deletes the rows of a table whose first column, a number, is less.
	DropBefore(table *Table, first int64) error
	// Drop deletes the rows of a table whose first column has a value.
	Drop(table *Table, first []int64) error
	// ReportIDs returns n ids, in order, that no report has.
	ReportIDs(n int) ([]int64, error)
	// Add adds rows to a table of reports.
	Add(sheet *Sheet, rows RowReader) error
	// KeepNewest drops all rows of refusals but the newest.
	KeepNewest(sheet *Sheet, most int) error
	// DropReports drops reports of days before one with all that is kept of
	// them, up to about most rows, the oldest first. It returns how many rows it
	// dropped; 0 when nothing is left to drop.
	DropReports(before tally.Day, most int) (int, error)
	// FindReports returns what is kept of reports of a day and a domain with a digest.
	FindReports(day tally.Day, domain string, digest []byte) ([]KeptReport, error)
	// DropReport drops a report with all that is kept of it.
	DropReport(day tally.Day, id int64) error
	// DropUnused drops what no report uses that is left: rows of Raised sheets
	// whose month is before one, and addresses without records.
	DropUnused(month int64) error
	// PutMarks keeps marks, DropMarks drops them.
	PutMarks(marks []Mark) error
	DropMarks(source string, keys []string) error
}

// SharedTx is the Tx of a Database that is Shared. What others have written since
// the last transaction of this Database need not be read anew with all else.
type SharedTx interface {
	Tx
	// Traced reports whether Changed and News know all of it. While it is not
	// known, or too long ago, they do not.
	Traced() bool
	// Changed calls visit with each row of a table that others have written, the
	// guard last, but not with those that they have dropped.
	Changed(table *Table, visit func(row []any) error) error
	// PutNews tells others something, at most once in a transaction. News calls
	// visit with what they have told, in any order.
	PutNews(data []byte) error
	News(visit func(data []byte) error) error
}

// KeptReport is a report that is kept.
type KeptReport struct {
	ID                  int64
	Kind, Org, ReportID string
	Kept                int64 // records
}

// Mark is what a source noted about an input.
type Mark struct {
	Source, Key, Value string
	Guard              int64
}
