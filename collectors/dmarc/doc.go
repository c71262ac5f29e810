// Package dmarc exposes what a tally has counted as metrics.
//
// Every value is committed state: a scrape never shows what a crash would take
// back, and counters go on where they were after a restart. No label value is
// free text of a report: domains and reporters become labels within the budget
// of the tally, all others are closed sets.
//
// DNS, a collector of its own, exposes what domains publish beside what reports
// say about it.
package dmarc
