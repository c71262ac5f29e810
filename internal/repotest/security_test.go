package repotest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityIsProved wants a test in each line of SECURITY.md about what holds
// and what does not, and that what is named exists.
func TestSecurityIsProved(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range repo(t, "_test.go") {
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w*)\(`).FindAllStringSubmatch(f.text, -1) {
			known[m[1]] = true
		}
	}
	name := regexp.MustCompile("`((?:Test|Fuzz|Example)[A-Za-z0-9_]*)(?:/[^`]*)?`")
	for _, m := range name.FindAllStringSubmatch(string(text), -1) {
		if !known[m[1]] {
			t.Errorf("SECURITY.md names %s, which is no test", m[1])
		}
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| attack") || strings.HasPrefix(line, "| what") {
			continue
		}
		if lines++; !name.MatchString(line) {
			t.Errorf("SECURITY.md claims this without a test: %s", strings.TrimSpace(line))
		}
	}
	if lines < 25 {
		t.Errorf("%d lines in SECURITY.md, want 25", lines)
	}
}
