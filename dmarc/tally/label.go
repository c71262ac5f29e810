package tally

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// domainLabel returns the label of messages with a From domain in a report
// about a policy domain. With configured domains it is the closest of them
// that covers the From domain, or else the policy domain; otherwise it is the
// policy domain when it is admitted.
func (d *Delta) domainLabel(from, policy string) string {
	switch {
	case policy == "":
		return Unknown
	case len(d.t.mine) > 0:
		return d.t.ownDomain(from, policy)
	}
	if isDomain(policy) {
		if label, ok := d.admit(share{"", poolDomain}, policy, usualDomain); ok {
			return label
		}
	}
	return Other
}

// ownDomain returns the closest configured domain. A From domain that the
// policy does not cover is a mistake or a lie and decides nothing.
func (t *Tally) ownDomain(from, policy string) string {
	if !strings.HasSuffix(from, "."+policy) {
		from = policy
	}
	for from != "" {
		if _, mine := t.mine[from]; mine {
			return from
		}
		_, from, _ = strings.Cut(from, ".")
	}
	return Foreign
}

// isDomain reports whether a host name can be a domain that somebody owns: it
// has more than one label.
func isDomain(name string) bool {
	return text.CheckHost(name) != text.HostInvalid && strings.Contains(name, ".")
}

// reporterLabel returns the label of a reporter. One whose name was not read
// rightly is known by the domain of its address.
func (d *Delta) reporterLabel(org, address string) string {
	if garbled(org) {
		org = address[strings.LastIndexByte(address, '@')+1:]
		if host, _ := text.Host(org); !isDomain(host) {
			org = ""
		}
	}
	org = oneCase(clean(org))
	if org == "" {
		return Unknown
	}
	if !stands(foldName(org)) {
		if label, ok := d.admit(share{d.tenant, poolReporter}, org, usualReporter); ok {
			return label
		}
	}
	return Other
}

// garbled reports whether a name is what a wrong charset leaves: characters that
// could not be read, or controls beyond ASCII, which no name has.
func garbled(name string) bool {
	return strings.ContainsFunc(name, func(r rune) bool { return r == utf8.RuneError || r >= 0x80 && r < 0xA0 })
}

// sourceLabel returns the label of a source of messages of a domain that
// Reader.Source named.
func (d *Delta) sourceLabel(domain, source string) string {
	source = clean(source)
	if source == "" {
		return Unknown
	}
	if !stands(source) {
		if label, ok := d.admit(share{d.t.mine[domain], poolSource}, source, usualName); ok {
			return label
		}
	}
	return Other
}

// stands reports whether a label value stands for more than one thing.
func stands(label string) bool {
	return strings.EqualFold(label, Other) || strings.EqualFold(label, Foreign) || strings.EqualFold(label, Unknown)
}

// oneCase makes one label of a host name in any case, with and without a trailing
// dot. Other names stay as their owners write them.
func oneCase(name string) string {
	if host, _ := text.Host(name); isDomain(host) {
		return host
	}
	return name
}

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
	return strings.TrimSpace(text.Truncate(s, longest))
}
