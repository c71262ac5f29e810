package dmarc

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// checker holds the rules of one standard, shared by Validator and Encoder.
type checker struct {
	standard Standard
	schema   string // the section with the XML schema
	report   func(Deviation)
	n        int // the current record, 0 outside of records
}

func newChecker(s Standard, report func(Deviation)) checker {
	if s == RFC7489 {
		return checker{standard: s, schema: "RFC 7489, appendix C", report: report}
	}
	return checker{standard: RFC9990, schema: "RFC 9990, appendix A", report: report}
}

func (c *checker) old() bool { return c.standard == RFC7489 }

func (c *checker) add(rule Rule, path, section, format string, args ...any) {
	c.deviate(Deviation{Section: section, Rule: rule, Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) deviate(d Deviation) {
	if c.n > 0 {
		d.Path = fmt.Sprintf("record[%d]/%s", c.n, d.Path)
	}
	c.report(d)
}

// require checks that a value is there.
func (c *checker) require(path, value string) {
	if value == "" {
		c.add(RuleMissing, path, c.schema, "the element is required")
	}
}

// reject checks that a value that the standard does not have is not there.
func (c *checker) reject(path string, present bool) {
	if present {
		c.add(RuleForeign, path, c.schema, "%s does not have the element", c.standard)
	}
}

// text checks that XML can hold a text (XML 1.0, section 2.2).
func (c *checker) text(path, s string) {
	ascii := 0 // the bytes at the beginning that need no look at runes
	for ascii < len(s) && ' ' <= s[ascii] && s[ascii] < utf8.RuneSelf {
		ascii++
	}
	for i, r := range s[ascii:] {
		i += ascii
		legal := r >= ' ' && r != 0xfffe && r != 0xffff || r == '\t' || r == '\n' || r == '\r'
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			legal = false
		}
		if !legal {
			c.add(RuleText, path, "XML 1.0, section 2.2", "XML has no character for byte %#x", s[i])
			return
		}
	}
}

// head checks the report without its records.
func (c *checker) head(r *Report) {
	c.version(r)
	c.metadata(&r.Metadata)
	c.policy(&r.Policy)
}

func (c *checker) metadata(m *Metadata) {
	c.require("report_metadata/org_name", m.OrgName)
	c.require("report_metadata/email", m.Email)
	c.reportID(m.ReportID)
	switch {
	case m.Begin.IsZero() || m.End.IsZero():
		c.add(RuleMissing, "report_metadata/date_range", c.schema, "the element is required")
	case m.End.Before(m.Begin):
		c.add(RuleValue, "report_metadata/date_range", c.schema, "the period ends before it begins")
	}
	if !c.old() && len(m.Errors) > 1 {
		c.add(RuleTooMany, "report_metadata/error", c.schema, "there is more than one error element")
	}
	c.reject("report_metadata/generator", c.old() && m.Generator != "")
	for _, t := range [...]struct{ path, text string }{
		{"org_name", m.OrgName},
		{"email", m.Email},
		{"extra_contact_info", m.ExtraContactInfo},
		{"report_id", m.ReportID},
		{"error", strings.Join(m.Errors, " ")},
		{"generator", m.Generator},
	} {
		c.text("report_metadata/"+t.path, t.text)
	}
}

func (c *checker) policy(p *Policy) {
	c.text("policy_published/domain", p.Domain)
	c.require("policy_published/domain", p.Domain)
	c.require("policy_published/p", string(p.P))
	for _, v := range []Disposition{p.P, p.SP, p.NP} {
		if v != "" && v != DispositionNone && v != DispositionQuarantine && v != DispositionReject {
			c.add(RuleValue, "policy_published", c.schema, "%q is no policy", text.Cut(string(v), 32))
		}
	}
	c.words("policy_published/adkim", string(p.ADKIM), "", "r", "s")
	c.words("policy_published/aspf", string(p.ASPF), "", "r", "s")
	if p.Fo != "" && !isFailureOptions(p.Fo) {
		c.add(RuleValue, "policy_published/fo", c.schema, "%q is no list of 0, 1, d and s", text.Cut(p.Fo, 32))
	}
	if !c.old() {
		c.words("policy_published/testing", p.Testing, "", "y", "n")
		c.words("policy_published/discovery_method", p.DiscoveryMethod, "", "psl", "treewalk")
		c.reject("policy_published/pct", p.Pct != nil)
		return
	}
	c.require("policy_published/sp", string(p.SP))
	c.require("policy_published/fo", p.Fo)
	if p.Pct == nil {
		c.add(RuleMissing, "policy_published/pct", c.schema, "the element is required")
	}
	c.reject("policy_published/np", p.NP != "")
	c.reject("policy_published/testing", p.Testing != "")
	c.reject("policy_published/discovery_method", p.DiscoveryMethod != "")
}

func (c *checker) version(r *Report) {
	if c.old() {
		c.require("version", r.Version)
		if r.Namespace != "" && r.Namespace != namespace1 {
			c.add(RuleValue, "feedback", c.schema, "the namespace is %q", text.Cut(r.Namespace, 64))
		}
	} else if r.Namespace != namespace2 {
		c.add(RuleValue, "feedback", "RFC 9990, section 6.1", "the namespace is %q, not %q", text.Cut(r.Namespace, 64), namespace2)
	}
	c.words("version", r.Version, "", "1.0")
}

func (c *checker) reportID(id string) {
	const path = "report_metadata/report_id"
	if id == "" {
		c.add(RuleMissing, path, c.schema, "the element is required")
		return
	}
	left, right, at := strings.Cut(id, "@")
	if !c.old() && (!isDotAtom(left) || at && !isDotAtom(right)) {
		c.add(RuleValue, path, "RFC 9990, section 3.5.1", "%q is no report id", text.Cut(id, 64))
	}
}

// words checks a value of a closed vocabulary.
func (c *checker) words(path, value string, words ...string) {
	if !slices.Contains(words, value) {
		c.add(RuleValue, path, c.schema, "%q is none of the values", text.Cut(value, 32))
	}
}

// isDotAtom reports whether s is a dot-atom-text of RFC 5322, section 3.2.3.
func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for _, b := range []byte(atom) {
			letter := b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
			if !letter && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", b) < 0 {
				return false
			}
		}
	}
	return true
}

func isFailureOptions(s string) bool {
	for option := range strings.SplitSeq(s, ":") {
		if !slices.Contains([]string{"0", "1", "d", "s"}, strings.TrimSpace(option)) {
			return false
		}
	}
	return true
}
