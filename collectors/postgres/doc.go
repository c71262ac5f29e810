// Package postgres turns the rows of SQL statements into metrics.
//
// Statements come from query files in the format of postgres_exporter, and from a
// core pack that is built in; package queryfile reads both. [Sessions] keeps a few
// read-only sessions to one server and runs the statements; [Collector] makes
// metrics of the rows and exposes for each statement whether it succeeded, how
// long it took, how many rows it had and what was wrong with it.
//
// Nothing here waits longer than the context of a scrape allows: a statement
// that is still running by then is cancelled on the server, and what is known
// so far is exposed.
package postgres
