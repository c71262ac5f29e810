package redis

// glob reports whether s matches a pattern as KEYS and SCAN have it: * and ?,
// [abc], [^a-z], and \ before a character that stands for itself. It takes time
// proportional to both lengths multiplied, whatever the pattern.
func glob(pattern, s string) bool {
	star, mark := -1, 0 // after the last *, and where its match ends
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, mark = p, i
			continue
		}
		if n, ok := globOne(pattern[p:], s[i]); ok {
			p += n
			i++
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		p, i = star, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globOne matches one character and returns the length of its pattern.
func globOne(pattern string, c byte) (int, bool) {
	if pattern == "" {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		return globClass(pattern, c)
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == c
		}
	}
	return 1, pattern[0] == c
}

// globClass matches a class. One without an end reaches to that of the pattern.
func globClass(pattern string, c byte) (int, bool) {
	i, negated, found := 1, false, false
	if i < len(pattern) && pattern[i] == '^' {
		negated = true
		i++
	}
	for i < len(pattern) && pattern[i] != ']' {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
			found = found || pattern[i] == c
		case i+2 < len(pattern) && pattern[i+1] == '-':
			low, high := min(pattern[i], pattern[i+2]), max(pattern[i], pattern[i+2])
			found = found || low <= c && c <= high
			i += 2
		default:
			found = found || pattern[i] == c
		}
		i++
	}
	return min(i+1, len(pattern)), found != negated
}
