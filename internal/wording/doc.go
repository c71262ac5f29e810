// Package wording puts what a store answers into words, the same ones on a
// terminal and on a page: numbers, shares and periods, verdicts with their
// reasons, why messages fail, and what a refusal means.
//
// Texts may hold what untrusted mail has chosen. Whoever shows them escapes them.
package wording
