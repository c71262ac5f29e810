// Package ingest brings reports from where they arrive to the tally: a
// directory, a Maildir, an mbox file, an upload over HTTP.
//
// A Source finds inputs and hands each to a Deliver function, which is the
// Deliver method of a Pipeline:
//
//	bytes → unpack.Walk → tally.Read → one durable transaction
//
// Acknowledgement is the return value. A source moves, deletes or confirms an
// input only after Deliver returned nil; a crash in between makes the source
// offer the input once more, and its mark, which the same transaction holds,
// or else the identity of its reports, tells that it was counted.
//
// Sources return errors instead of handling them at depth: a Supervisor logs
// the error, waits with growing pauses and starts the source again, which
// then looks at everything afresh.
package ingest
