package tally

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// domainLabel returns the label of messages with a From domain in a report
// about a policy domain. With configured domains it is the closest of them
// that covers the From domain, or else the policy domain; otherwise it is the
// policy domain when it is admitted.
func (t *Tally) domainLabel(d *delta, from, policy string) string {
	switch {
	case policy == "":
		return Unknown
	case len(t.mine) > 0:
		return t.ownDomain(from, policy)
	}
	if known, _ := d.names.get(name{poolDomain, policy}); known {
		return policy
	}
	if !isHost(policy) || !t.admit(d, poolDomain, policy, usualDomain) {
		return Other
	}
	d.used[poolDomain] += domainCost
	return policy
}

// ownDomain returns the closest configured domain. A From domain that the
// policy does not cover is a mistake or a lie and decides nothing.
func (t *Tally) ownDomain(from, policy string) string {
	if !strings.HasSuffix(from, "."+policy) {
		from = policy
	}
	for from != "" {
		if t.mine[from] {
			return from
		}
		_, from, _ = strings.Cut(from, ".")
	}
	return Foreign
}

// isHost reports whether a domain can be one: letters and digits of any
// script, hyphens, underscores, and a dot somewhere inside.
func isHost(domain string) bool {
	const longest = 253
	if len(domain) > longest || !strings.Contains(domain, ".") || !utf8.ValidString(domain) {
		return false
	}
	for _, part := range strings.Split(domain, ".") {
		if part == "" {
			return false
		}
		for _, r := range part {
			if r != '-' && r != '_' && !unicode.In(r, unicode.L, unicode.M, unicode.N) {
				return false
			}
		}
	}
	return true
}

// reporterLabel returns the label of a reporter.
func (t *Tally) reporterLabel(d *delta, org string) string {
	org = clean(org)
	switch {
	case org == "":
		return Unknown
	case stands(org) || !t.admit(d, poolReporter, org, usualName):
		return Other
	}
	return org
}

// sourceLabel returns the label of a source that Reader.Source named.
func (t *Tally) sourceLabel(d *delta, source string) string {
	source = clean(source)
	switch {
	case source == "":
		return Unknown
	case stands(source) || !t.admit(d, poolSource, source, usualName):
		return Other
	}
	return source
}

// stands reports whether a label value stands for more than one thing.
func stands(label string) bool { return label == Other || label == Foreign || label == Unknown }

// clean makes a text a label value: valid UTF-8 without control characters,
// single spaces, at most 100 bytes.
func clean(s string) string {
	const longest = 100
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= longest {
		return s
	}
	n := longest
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimSpace(s[:n])
}
