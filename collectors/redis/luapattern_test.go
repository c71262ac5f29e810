package redis

import (
	"strings"
	"testing"
)

func TestCompileLuaPattern(t *testing.T) {
	for _, c := range []struct{ pattern, key, want string }{
		{`^(.*)_[^_]+$`, "user_session_17", "user_session"},
		{`^(%w+):`, "cache:1", "cache"},
		{`(%a+)%d+`, "12abc34", "abc"},
		{`^([^:]+):(%d+)$`, "job:42", "job42"},
		{`^(.-):`, "a:b:c", "a"},
		{`%.(%u%l*)`, "x.Name", "Name"},
		{`^([%w_%-]+)%.`, "a-b_c.d", "a-b_c"},
		{`[]](x)`, "]x", "x"},
		{`a$(b)`, "a$b", "b"},
		{`^(%S+)%s`, "one two", "one"},
		{`(\\)`, `a\\b`, `\\`},
	} {
		re, err := CompileLuaPattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := strings.Join(re.FindStringSubmatch(c.key)[1:], ""); got != c.want {
			t.Errorf("%s on %q = %q, want %q", c.pattern, c.key, got, c.want)
		}
	}
	for _, pattern := range []string{"%b()", "%f[%w]", "(a)%1", "()", "[a", "a%", "(a"} {
		if _, err := CompileLuaPattern(pattern); err == nil {
			t.Errorf("%s: no error", pattern)
		}
	}
}

// FuzzCompileLuaPattern holds that compiling never panics, and that a pattern
// without special characters matches itself.
func FuzzCompileLuaPattern(f *testing.F) {
	f.Add(`^([%w_%-]+)%.`)
	f.Add("[^%a-z]*-$")
	f.Fuzz(func(t *testing.T, pattern string) {
		re, err := CompileLuaPattern(pattern)
		if err == nil && !strings.ContainsAny(pattern, "^$()%.[]*+-?") && !re.MatchString(pattern) {
			t.Errorf("%q does not match itself", pattern)
		}
	})
}
