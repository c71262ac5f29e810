package redis

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"a*", "ab", true},
		{"a*c", "abbc", true},
		{"a*c", "abbd", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"*b*", "abc", true},
		{"a**", "a", true},
		{"[abc]", "b", true},
		{"[^abc]", "b", false},
		{"[^abc]", "d", true},
		{"[a-c]x", "bx", true},
		{"[c-a]x", "bx", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`[\]]`, "]", true},
		{"[abc", "b", true},
		{`a\`, `a\`, true},
		{"h[a-b]llo", "hbllo", true},
		{"user:*:name", "user:1:2:name", true},
		{"\xff*", "\xff\xfe", true},
	} {
		if got := glob(c.pattern, c.key); got != c.want {
			t.Errorf("glob(%q, %q) = %v, want %v", c.pattern, c.key, got, c.want)
		}
	}
}

func TestGlobIsNotExponential(t *testing.T) {
	glob(strings.Repeat("*a", 50), strings.Repeat("a", 10000)+"b") // An exponential one would never return.
}

// FuzzGlob holds that patterns without classes and escapes mean what path.Match
// takes them to mean.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("**", "")
	simple := regexp.MustCompile(`^[a-z*?]*$`)
	f.Fuzz(func(t *testing.T, pattern, key string) {
		got := glob(pattern, key)
		if !simple.MatchString(pattern) || !regexp.MustCompile(`^[a-z]*$`).MatchString(key) {
			return
		}
		if want, err := path.Match(pattern, key); err != nil || got != want {
			t.Errorf("glob(%q, %q) = %v, want %v (%v)", pattern, key, got, want, err)
		}
	})
}
