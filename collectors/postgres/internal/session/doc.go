// Package session keeps a few read-only sessions to one PostgreSQL server and runs
// statements in them. It speaks the protocol itself, over connections that pgconn
// opens: rows are bounded on the server, a statement that runs out of time is
// cancelled there, and the session is used again.
package session
