package trust

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Mode says what the outcome of a check is good for.
type Mode string

// The modes. The empty value means ModeOff.
const (
	ModeOff     Mode = "off"     // nothing is checked
	ModeLabel   Mode = "label"   // reports count and the outcome is counted beside them
	ModeRequire Mode = "require" // only reports that pass count
)

// Outcome is what a check found.
type Outcome string

// The outcomes; they are the values of a label.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail" // there is evidence, and it does not suffice
	None Outcome = "none" // there is no evidence, or nobody looked
)

// Policy says how mails are checked. The zero value checks nothing. Its methods
// are safe for concurrent use if LookupTXT is.
type Policy struct {
	Mode Mode
	// LookupTXT returns the TXT records of a name, each of them joined to one
	// string, as net.Resolver does. Nil means that signatures are not verified.
	LookupTXT func(ctx context.Context, name string) ([]string, error)
	// AuthServIDs are the mail servers whose Authentication-Results are
	// trusted. They must remove fields that senders wrote in their name.
	AuthServIDs []string
	// Aliases are the domains that organizations sign for, by their names in lower
	// case, beside those that are known.
	Aliases map[string][]string
	// OrgDomain returns the organizational domain of a domain, or an error if
	// it has none; nil means by the public suffix list that was compiled in.
	OrgDomain func(domain string) (string, error)
}

// Result is the outcome of a check.
type Result struct {
	Outcome Outcome
	// Reason says why, in a few words for the log; it may quote the mail.
	Reason string
	// Domain is the authenticated domain if the outcome is Pass.
	Domain string
	// Temporary says that another try may end otherwise: a key could not be
	// looked up. The outcome is then Fail.
	Temporary bool
}

// Check authenticates the mail that was delivered: mail, or the outermost one around
// it. mail may be nil for a report that came in no mail.
func (p Policy) Check(ctx context.Context, mail *unpack.Mail, kind unpack.Kind) Result {
	if p.Mode == "" || p.Mode == ModeOff {
		return Result{Outcome: None, Reason: "not checked"}
	}
	if mail == nil {
		return Result{Outcome: None, Reason: "not a mail"}
	}
	for mail.Outer != nil {
		mail = mail.Outer
	}
	from, err := sender(mail)
	if err != nil {
		return Result{Outcome: Fail, Reason: err.Error()}
	}
	result := p.testimony(mail, kind, from)
	if result.Outcome == Pass || p.LookupTXT == nil {
		return result
	}
	// What is verified here outweighs what others say, unless there is nothing.
	if own := p.signatures(ctx, mail, kind, from); own.Outcome != None || len(p.AuthServIDs) == 0 {
		return own
	}
	return result
}

// Refuses reports whether a report with this result must not count.
func (p Policy) Refuses(r Result) bool { return p.Mode == ModeRequire && r.Outcome != Pass }

// sender returns the domain of the From field. A mail with none or several
// could show another one to people than it does to us.
func sender(mail *unpack.Mail) (string, error) {
	if n := len(mail.Fields("From")); n != 1 {
		return "", fmt.Errorf("%d From fields", n)
	}
	from := mail.From()
	if len(from) != 1 {
		return "", fmt.Errorf("%d addresses in the From field", len(from))
	}
	at := strings.LastIndexByte(from[0], '@')
	domain := normal(from[0][at+1:])
	if at < 0 || domain == "" {
		return "", fmt.Errorf("no domain in the From field")
	}
	return domain, nil
}

// aligned reports whether two domains belong to the same organization (RFC
// 9989, relaxed alignment). A domain that has no organization is not aligned
// with any.
func (p Policy) aligned(a, b string) bool {
	org := p.OrgDomain
	if org == nil {
		org = publicsuffix.EffectiveTLDPlusOne
	}
	orgA, errA := org(normal(a))
	orgB, errB := org(normal(b))
	return errA == nil && errB == nil && orgA == orgB
}

// Organization returns the organizational domain of a domain, or the domain
// itself if it has none.
func (p Policy) Organization(domain string) string {
	org := p.OrgDomain
	if org == nil {
		org = publicsuffix.EffectiveTLDPlusOne
	}
	if name, err := org(normal(domain)); err == nil {
		return name
	}
	return normal(domain)
}

func normal(domain string) string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(domain), "."))
}
