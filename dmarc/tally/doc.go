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
// # Committed state
//
// Snapshot shows what is in the file and nothing else: no value in it can be
// taken back by a crash, and every series remembers when it began. A commit
// that fails changes nothing. A file that is damaged, of another version, in
// use or out of reach is a *StateError that names the file and says what to do;
// a Tally never starts from zero in silence.
//
// Besides sums there are day buckets by the end of the reported period, which
// Snapshot adds up to windows of complete days: what arrives late corrects the
// day it is about.
//
// # Labels from strangers
//
// Anyone may mail a report about any domain from any reporter. Both become
// labels only within a budget of series: what has a series keeps it and only
// grows; what finds the budget spent is counted under Other, so that sums stay
// exact. Messages are labelled with the closest of our domains that covers
// their From domain; reports about other domains are Foreign.
//
// A Tally is safe for concurrent use. The package dates nothing by another
// clock than the one in Config, opens nothing but its file, and logs nothing.
package tally
