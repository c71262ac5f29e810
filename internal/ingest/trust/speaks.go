package trust

import (
	"fmt"
	"strings"
)

// aliases are the domains that reporters sign for, whose names are no domains
// of theirs. Names are in lower case.
var aliases = map[string][]string{
	"1&1 mail & media":   {"1und1.de", "gmx.net", "web.de", "mail.com"},
	"amazon-ses":         {"amazonses.com", "amazon.com"},
	"aol":                {"aol.com", "yahooinc.com", "yahoo.com"},
	"enterprise outlook": {"microsoft.com", "outlook.com"},
	"fastmail":           {"fastmail.com", "fastmailteam.com", "messagingengine.com"},
	"fastmail pty ltd":   {"fastmail.com", "fastmailteam.com", "messagingengine.com"},
	"gmx":                {"gmx.net", "gmx.de"},
	"linkedin":           {"linkedin.com"},
	"mail.ru":            {"mail.ru", "vk.company"},
	"microsoft corp.":    {"microsoft.com", "outlook.com"},
	"netease":            {"163.com", "126.com", "netease.com"},
	"outlook.com":        {"microsoft.com", "outlook.com"},
	"protonmail":         {"proton.me", "protonmail.com", "proton.ch"},
	"qq.com":             {"qq.com", "tencent.com"},
	"seznam.cz a.s.":     {"seznam.cz"},
	"web.de":             {"web.de", "gmx.net"},
	"yahoo":              {"yahoo.com", "yahooinc.com", "yahoo-inc.com"},
	"yahoo! inc.":        {"yahoo.com", "yahooinc.com", "yahoo-inc.com"},
	"yandex":             {"yandex.ru", "yandex.com"},
	"zoho corporation":   {"zohocorp.com", "zoho.com"},
}

// Speaks returns nil when whoever signs for a domain may report in the name of
// an organization. If the name is a domain, or one that is known, that decides;
// otherwise the address of the organization does, because anybody may choose
// such a name.
func (p Policy) Speaks(domain, org, email string) error {
	name := strings.ToLower(strings.TrimSpace(org))
	known := append(append([]string{}, aliases[name]...), p.Aliases[name]...)
	switch host := normal(name); {
	case strings.Contains(host, ".") && !strings.ContainsAny(host, " @"):
		known = append(known, host)
	case len(known) == 0:
		known = append(known, normal(email[strings.LastIndexByte(email, '@')+1:]))
	}
	for _, one := range known {
		if p.aligned(domain, one) {
			return nil
		}
	}
	return fmt.Errorf("the mail is authentic for %s, which does not speak for %q", domain, org)
}
