// Package tally is what counting reports is: which report is new, and what its
// messages are counted under. It stores nothing; package store does.
//
// Read turns a document that package unpack found into an Entry: the identity
// of a report, a digest of its content and its sums, decoded as a stream in
// bounded memory. A Tally holds the counts that a store has committed. A Delta
// is what one transaction of the store adds:
//
//	d := counts.Begin()
//	d.Know(key, digests) // identities that the store has, beside those of the entries
//	result := d.Count(entry)
//	… save d.Changes() in a transaction …
//	counts.Apply(d)
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
// Snapshot shows what was applied, which is what the store has committed: no
// value in it can be taken back by a crash, and every series remembers when it
// began.
//
// Besides sums there are day buckets by the end of the reported period, which
// Snapshot adds up to windows of complete days: what arrives late corrects the
// day it is about.
//
// # Labels from untrusted input
//
// Anyone may mail a report about any domain from any reporter. Both become
// labels only within a budget of series, by what speaks for them: authentic
// mails, coming on several days. A name that has not come for long gives its room
// to another one that needs it. What has no room is counted under Other, so that sums stay
// exact. Messages are labelled with the closest of our domains that covers
// their From domain; reports about other domains are Foreign.
//
// The package dates nothing by another clock than the one in Config, opens
// nothing, and logs nothing.
package tally
