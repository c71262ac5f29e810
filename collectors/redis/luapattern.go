package redis

import (
	"fmt"
	"regexp"
	"strings"
)

// luaClasses are the classes of Lua patterns, without their brackets.
var luaClasses = map[byte]string{
	'a': `A-Za-z`, 'c': `\x00-\x1f\x7f`, 'd': `0-9`, 'g': `!-~`, 'l': `a-z`,
	'p': "!-/:-@\\[-`{-~", 's': `\t-\r `, 'u': `A-Z`, 'w': `A-Za-z0-9`, 'x': `A-Fa-f0-9`,
}

// CompileLuaPattern compiles a Lua pattern, as the established exporter has them
// for groups of keys, into a regular expression. Balanced matches, frontiers,
// back references and positions have no such form and are errors.
func CompileLuaPattern(pattern string) (*regexp.Regexp, error) {
	var out strings.Builder
	out.WriteString("(?s)")
	rest := pattern
	if after, ok := strings.CutPrefix(rest, "^"); ok {
		out.WriteString(`\A`)
		rest = after
	}
	for rest != "" {
		n, item, err := luaItem(rest)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		out.WriteString(item)
		rest = rest[n:]
	}
	re, err := regexp.Compile(out.String())
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	return re, nil
}

// luaItem translates the first item of p and returns its length.
func luaItem(p string) (int, string, error) {
	switch c := p[0]; {
	case c == '(' && strings.HasPrefix(p, "()"):
		return 0, "", fmt.Errorf("positions () are not supported")
	case c == '(' || c == ')':
		return 1, string(c), nil
	case c == '$' && len(p) == 1:
		return 1, `\z`, nil
	}
	n, single, err := luaSingle(p)
	if err != nil || n >= len(p) {
		return n, single, err
	}
	switch p[n] {
	case '*', '+', '?':
		return n + 1, single + p[n:n+1], nil
	case '-':
		return n + 1, single + "*?", nil
	}
	return n, single, nil
}

// luaSingle translates what matches one character.
func luaSingle(p string) (int, string, error) {
	switch p[0] {
	case '.':
		return 1, ".", nil
	case '%':
		class, err := luaEscape(p)
		return 2, class, err
	case '[':
		return luaSet(p)
	}
	return 1, regexp.QuoteMeta(p[:1]), nil
}

// luaEscape translates %a and the like outside of a set.
func luaEscape(p string) (string, error) {
	if len(p) < 2 {
		return "", fmt.Errorf("ends with %%")
	}
	c := p[1]
	if class, ok := luaClasses[c|0x20]; ok && c|0x20 >= 'a' && c|0x20 <= 'z' {
		if c < 'a' {
			return "[^" + class + "]", nil
		}
		return "[" + class + "]", nil
	}
	if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
		return "", fmt.Errorf("%%%c is not supported", c)
	}
	return regexp.QuoteMeta(string(c)), nil
}

// luaSet translates a set such as [%w_] or [^:].
func luaSet(p string) (int, string, error) {
	var out strings.Builder
	out.WriteByte('[')
	i := 1
	if i < len(p) && p[i] == '^' {
		out.WriteByte('^')
		i++
	}
	for first := i; i < len(p) && (p[i] != ']' || i == first); i++ {
		switch c := p[i]; {
		case c == '%' && i+1 < len(p):
			i++
			class, ok := luaClasses[p[i]]
			if !ok {
				class = regexp.QuoteMeta(p[i : i+1])
				if p[i] == '-' || p[i] == '^' {
					class = `\` + p[i:i+1]
				}
			}
			out.WriteString(class)
		case c == '-' && i > first && i+1 < len(p) && p[i+1] != ']':
			out.WriteByte('-')
		case c == '-' || c == '^':
			out.WriteString(`\` + string(c))
		default:
			out.WriteString(regexp.QuoteMeta(p[i : i+1]))
		}
	}
	if i >= len(p) {
		return 0, "", fmt.Errorf("set without ]")
	}
	out.WriteByte(']')
	return i + 1, out.String(), nil
}
