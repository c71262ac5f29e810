package queryfile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Version is a PostgreSQL version: major, minor, patch. Since version 10 the
// third part is always zero. The zero Version stands for "not known" and is
// inside no range but the empty one.
type Version [3]int

// ParseVersion reads the text a server reports as server_version, such as
// "15.8 (Debian 15.8-0+deb12u1)", "9.6.24" or "18beta1".
func ParseVersion(s string) (Version, error) {
	var v Version
	rest := strings.TrimSpace(s)
	for i := range v {
		n := 0
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n == 0 {
			if i == 0 {
				return Version{}, fmt.Errorf("no version in %q", s)
			}
			break
		}
		number, err := strconv.Atoi(rest[:n])
		if err != nil {
			return Version{}, fmt.Errorf("version %q: %w", s, err)
		}
		v[i] = number
		if n == len(rest) || rest[n] != '.' {
			break
		}
		rest = rest[n+1:]
	}
	return v, nil
}

// String returns the version as PostgreSQL writes it: "15.8", "9.6.24".
func (v Version) String() string {
	if v[0] >= 10 {
		return fmt.Sprintf("%d.%d", v[0], v[1])
	}
	return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])
}

// Compare returns -1, 0 or +1 as v is older than, equal to or newer than w.
func (v Version) Compare(w Version) int {
	for i := range v {
		if c := cmp.Compare(v[i], w[i]); c != 0 {
			return c
		}
	}
	return 0
}

// Range is a set of versions in the notation of runonserver and pg_version:
// comparisons joined by spaces must all hold, groups joined by || are
// alternatives. ">=10.2.0 <17.0.0 || 18.x" is an example. The zero Range
// contains every version.
type Range struct {
	groups [][]bound
}

// bound is one comparison. Of a version with parts left out ("15", "15.x")
// only the given parts are compared for equality.
type bound struct {
	op      string
	version Version
	parts   int
}

// ParseRange reads a range. The empty text is the range of all versions.
func ParseRange(s string) (Range, error) {
	var r Range
	if strings.TrimSpace(s) == "" {
		return r, nil
	}
	for group := range strings.SplitSeq(s, "||") {
		var bounds []bound
		fields := strings.Fields(group)
		for i := 0; i < len(fields); i++ {
			field := fields[i]
			// An operator may stand apart from its version.
			if strings.Trim(field, "<>=!") == "" && i+1 < len(fields) {
				i++
				field += fields[i]
			}
			b, err := parseBound(field)
			if err != nil {
				return Range{}, err
			}
			bounds = append(bounds, b)
		}
		if len(bounds) == 0 {
			return Range{}, fmt.Errorf("version range %q has an empty alternative", s)
		}
		r.groups = append(r.groups, bounds)
	}
	return r, nil
}

func parseBound(s string) (bound, error) {
	digits := strings.TrimLeft(s, "<>=!")
	b := bound{op: s[:len(s)-len(digits)]}
	switch b.op {
	case "", "=":
		b.op = "=="
	case "!":
		b.op = "!="
	case "==", "!=", "<", "<=", ">", ">=":
	default:
		return bound{}, fmt.Errorf("version comparison %q: unknown operator %q", s, b.op)
	}
	for part := range strings.SplitSeq(digits, ".") {
		if part == "x" || part == "X" || part == "*" {
			break
		}
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || b.parts == len(b.version) {
			return bound{}, fmt.Errorf("version comparison %q: not a version", s)
		}
		b.version[b.parts] = int(n)
		b.parts++
	}
	if b.parts == 0 {
		return bound{}, fmt.Errorf("version comparison %q: not a version", s)
	}
	return b, nil
}

// AtLeast is the range of v and everything newer.
func AtLeast(v Version) Range {
	return Range{groups: [][]bound{{{op: ">=", version: v, parts: len(v)}}}}
}

// Contains reports whether v is in the range.
func (r Range) Contains(v Version) bool {
	if len(r.groups) == 0 {
		return true
	}
	for _, group := range r.groups {
		all := true
		for _, b := range group {
			all = all && b.holds(v)
		}
		if all {
			return true
		}
	}
	return false
}

func (b bound) holds(v Version) bool {
	if v == (Version{}) {
		return false
	}
	if b.op == "==" || b.op == "!=" {
		same := true
		for i := range b.parts {
			same = same && v[i] == b.version[i]
		}
		return same == (b.op == "==")
	}
	c := v.Compare(b.version)
	switch b.op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	default:
		return c >= 0
	}
}

// and returns the versions in both ranges.
func (r Range) and(s Range) Range {
	if len(r.groups) == 0 {
		return s
	}
	if len(s.groups) == 0 {
		return r
	}
	var out Range
	for _, a := range r.groups {
		for _, b := range s.groups {
			out.groups = append(out.groups, slices.Concat(a, b))
		}
	}
	return out
}
