// Package trust checks whether a mail with a report really comes from the
// domain in its From field. Anybody can send a report to a public address and
// claim in it what he likes.
//
// Two kinds of evidence count: a DKIM signature (RFC 6376) that verifies here
// and is aligned with the From field, and the Authentication-Results field
// (RFC 8601) that a trusted mail server has put on top. A TLS report needs
// DKIM in both cases (RFC 8460, section 3).
//
// A pass says who sent the mail, not that the sender speaks for the
// organization that the report names: Policy.Speaks compares them.
package trust
