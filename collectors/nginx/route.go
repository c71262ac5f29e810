package nginx

import (
	"fmt"
	"strings"
)

// Route gives the requests whose path matches Pattern the value of the label route.
type Route struct {
	// Pattern is a path whose segments are literal, {name} for any one segment,
	// or a last * for any rest: /api/reports/{id}, /static/*.
	Pattern string `yaml:"match"`
	// Name is the label value; empty means Pattern itself.
	Name string `yaml:"route"`
}

// other is the label value of everything that has no value of its own.
const other = "other"

// routePattern is a compiled Route.
type routePattern struct {
	segments []string // "" stands for any one segment
	rest     bool     // a last * was there
	index    uint16   // in the table of route names
}

// compileRoute checks and splits a pattern.
func compileRoute(r Route) (routePattern, error) {
	var p routePattern
	body, ok := strings.CutPrefix(r.Pattern, "/")
	if !ok {
		return p, fmt.Errorf("route %q: a pattern starts with /", r.Pattern)
	}
	segments := strings.Split(body, "/")
	for i, segment := range segments {
		switch {
		case segment == "*" && i == len(segments)-1:
			p.rest = true
			return p, nil
		case strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}"):
			segment = ""
		case strings.ContainsAny(segment, "*{}?"):
			return p, fmt.Errorf("route %q: segment %q is neither literal, {name} nor a last *", r.Pattern, segment)
		case segment == "" && i < len(segments)-1:
			return p, fmt.Errorf("route %q: empty segment", r.Pattern)
		case segment == "":
			segment = "/" // a trailing slash matches the empty last segment only
		}
		p.segments = append(p.segments, segment)
	}
	return p, nil
}

// match reports whether path, without its query, has the form of p.
func (p *routePattern) match(path []byte) bool {
	if len(path) == 0 || path[0] != '/' {
		return false
	}
	path = path[1:]
	more := true
	for _, want := range p.segments {
		if !more {
			return false
		}
		var segment []byte
		segment, path, more = cutByte(path, '/')
		switch want {
		case "":
			if len(segment) == 0 {
				return false
			}
		case "/":
			if len(segment) != 0 {
				return false
			}
		default:
			if string(segment) != want {
				return false
			}
		}
	}
	return p.rest && (more || len(p.segments) == 0) || !p.rest && !more
}

// cutByte is bytes.Cut for a single byte.
func cutByte(b []byte, sep byte) (before, after []byte, found bool) {
	for i, c := range b {
		if c == sep {
			return b[:i], b[i+1:], true
		}
	}
	return b, nil, false
}

// pathOf returns the path of a request URI or of a whole request line
// ("GET /path?query HTTP/1.1"), without its query; nil when there is none.
func pathOf(uri []byte) []byte {
	for i, c := range uri {
		if c == '?' || c == '#' || c == ' ' {
			return uri[:i]
		}
	}
	return uri
}
