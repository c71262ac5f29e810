package repotest

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// plainEnglish lists the folders and pages whose comments, texts and prose are
// held to the words of the field. Add a folder when it was gone over.
var plainEnglish = []string{
	"dmarc", "!dmarc/tally", "!dmarc/store", // "!" leaves a folder out
	"collectors", "exporters", "!exporters/internal/dmarc", "internal", "!internal/reportfiles", "!internal/repotest",
	"SECURITY.md", "docs", "!docs/flags/dmarc_exporter.md",
}

// privateWords are words that only this project understood, and what to say instead.
var privateWords = []struct {
	word    *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?i)\bstrangers?\b`), "untrusted input"},
	{regexp.MustCompile(`\bforeign\b`), "unowned, unknown, other"},
	{regexp.MustCompile(`(?i)\bmemos?\b`), "tag cache"},
	{regexp.MustCompile(`(?i)\bcareful(ly)?\b`), "slow path"},
	{regexp.MustCompile(`(?i)\b(judge[sd]?|judgements?)\b`), "authenticate, authenticator, decide"},
	{regexp.MustCompile(`(?i)\bweak\b`), "rejection"},
	{regexp.MustCompile(`(?i)\blessons?\b`), "pending gap"},
	{regexp.MustCompile(`(?i)\bunwell\b`), "failed"},
	{regexp.MustCompile(`(?i)\bprocessors that\b`), "GOMAXPROCS"},
	{regexp.MustCompile(`(?i)\bcheckpoint mark\b|\bthe mark\b`), "checkpoint"},
}

func isPlainEnglish(name string) bool {
	held := func(prefix string) bool {
		return slices.ContainsFunc(plainEnglish, func(entry string) bool {
			folder, ok := strings.CutPrefix(entry, prefix)
			return ok && (name == folder || within(name, folder))
		})
	}
	return held("") && !held("!")
}

// TestPlainEnglish keeps private words out of comments, texts and pages. A
// text that is nothing but such a word is a value, such as a label's.
func TestPlainEnglish(t *testing.T) {
	pages, texts := 0, 0
	check := func(place, text string) {
		texts++
		for _, w := range privateWords {
			if found := w.word.FindString(text); found != "" && found != text {
				t.Errorf("%s: %q; say: %s", place, found, w.instead)
			}
		}
	}
	for _, f := range repo(t, ".md") {
		if isPlainEnglish(f.name) {
			pages++
			check(f.name, withoutCode(f.text))
		}
	}
	for _, f := range goFiles(t) {
		if !isPlainEnglish(f.folder) {
			continue
		}
		for _, group := range f.ast.Comments {
			check(f.fset.Position(group.Pos()).String(), group.Text())
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			if text, err := strconv.Unquote(literal.Value); err == nil {
				check(f.fset.Position(literal.Pos()).String(), text)
			}
			return true
		})
	}
	if pages < 5 || texts < 1000 {
		t.Errorf("only %d pages and %d texts were read: is a name in plainEnglish wrong?", pages, texts)
	}
}
