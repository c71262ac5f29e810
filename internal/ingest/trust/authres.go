package trust

import (
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// testimony looks at what the topmost trusted server says of a mail. The fields
// below may come from anywhere, also those in a trusted name.
func (p Policy) testimony(mail *unpack.Mail, kind unpack.Kind, from string) Result {
	if len(p.AuthServIDs) == 0 {
		return Result{Outcome: None, Reason: "no evidence"}
	}
	for _, field := range mail.Fields("Authentication-Results") {
		id, results := parseResults(field)
		if p.trusts(id) {
			return p.weigh(results, kind, from)
		}
	}
	return Result{Outcome: None, Reason: "no Authentication-Results of a trusted server"}
}

func (p Policy) trusts(id string) bool {
	for _, known := range p.AuthServIDs {
		if strings.EqualFold(id, known) {
			return true
		}
	}
	return false
}

// weigh finds a pass that is aligned with the From field.
func (p Policy) weigh(results []result, kind unpack.Kind, from string) Result {
	out := Result{Outcome: None, Reason: "the trusted server has not checked the mail"}
	for _, r := range results {
		var domain string
		switch {
		case r.method == "dkim":
			if domain = r.properties["header.d"]; domain == "" {
				domain = r.properties["header.i"]
			}
		case r.method == "dmarc" && kind != unpack.KindTLS:
			domain = r.properties["header.from"]
		default:
			continue
		}
		domain = normal(domain[strings.LastIndexByte(domain, '@')+1:])
		switch {
		case r.value == "none":
		case r.value == "pass" && p.aligned(domain, from):
			return Result{Outcome: Pass, Reason: "the trusted server says " + r.method + "=pass", Domain: domain}
		case out.Outcome == None:
			out = Result{Outcome: Fail, Reason: "the trusted server says " + r.method + "=" + r.value + " for " + domain}
		}
	}
	return out
}

// result is one statement of an Authentication-Results field.
type result struct {
	method, value string
	properties    map[string]string
}

// parseResults reads the value of an Authentication-Results field (RFC 8601,
// section 2.2), in which senders may have got quoted strings and comments. That of
// go-msgauth is fooled by both: docs/decisions/authentication-results.md.
func parseResults(text string) (id string, results []result) {
	statements := [][]string{nil}
	for rest := text; rest != ""; {
		var word string
		word, rest = nextWord(rest)
		last := len(statements) - 1
		switch word {
		case "":
		case ";":
			statements = append(statements, nil)
		default:
			statements[last] = append(statements[last], word)
		}
	}
	if len(statements[0]) == 0 {
		return "", nil
	}
	for _, words := range statements[1:] {
		if r, ok := statement(words); ok {
			results = append(results, r)
		}
	}
	return statements[0][0], results
}

// statement reads "method=value property=value …".
func statement(words []string) (result, bool) {
	if len(words) == 0 {
		return result{}, false
	}
	method, value, ok := strings.Cut(words[0], "=")
	method, _, _ = strings.Cut(method, "/") // A version.
	r := result{method: strings.ToLower(method), value: strings.ToLower(value), properties: make(map[string]string)}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		if name = strings.ToLower(name); r.properties[name] == "" {
			r.properties[name] = value
		}
	}
	return r, ok
}

// nextWord cuts off the next word: a semicolon or what stands up to white
// space, a semicolon or a comment. Quoted strings are part of a word, with
// their quotes; comments are skipped. It is empty at the end.
func nextWord(text string) (word, rest string) {
	text = strings.TrimLeft(text, " \t\r\n")
	for strings.HasPrefix(text, "(") {
		text = strings.TrimLeft(text[skipComment(text):], " \t\r\n")
	}
	if strings.HasPrefix(text, ";") {
		return ";", text[1:]
	}
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(" \t\r\n;(", c) >= 0:
			return text[:i], text[i:]
		}
	}
	return text, ""
}

// skipComment returns the length of the comment at the start of text, which may hold others.
func skipComment(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}
