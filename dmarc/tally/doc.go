// Package tally counts reports, each exactly once.
//
// Read turns a document that package unpack found into an Entry: the identity
// of a report, a digest of its content and its sums, decoded as a stream in
// bounded memory. Tally keeps the sums of all entries together with the
// identities of the reports behind them in one file, because they must be saved
// together:
//
//	t, err := tally.Open("dmarc.db", tally.Config{})
//	…
//	outcomes, err := t.Commit(ctx, &tally.Delivery{Source: "dir:/reports", Entries: entries})
//
// A nil error of Commit means that the delivery is durable: keys, sums,
// outcomes and the source's own notes in one transaction. Only then may the
// source acknowledge. A crash in between makes a duplicate, and duplicates are
// recognised.
//
// # Exactly once with bounded state
//
// A report is identified by its reporter, the reporter's address, the policy
// domain, the report id, and the period. Identities are kept for a horizon, and
// reports that ended before the horizon are not counted. So each report that
// can be counted at all finds its identity if it was counted before.
//
// # Labels from strangers
//
// Anyone may mail a report about any domain from any reporter. Both become
// labels only within a budget: what has a series keeps it and only grows; what
// finds the budget spent is counted as Other, so that sums stay exact.
//
// A Tally is safe for concurrent use. The package reads no clock but the one in
// Config, opens nothing but its file, and logs nothing.
package tally
