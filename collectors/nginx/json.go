package nginx

import "bytes"

// jsonKeys maps the keys of a JSON log to fields: nginx's variable names, and
// method, which FormatJSONStrict uses.
var jsonKeys = func() map[string]field {
	keys := map[string]field{"method": fieldMethod}
	for name, f := range variables {
		keys[name] = f
	}
	return keys
}()

// matchObject finds the values of the known keys of a line that is a JSON
// object and reports whether it is one. Values are slices of line: of a string
// what is between its quotes, escapes as they are. As in a log_format, the first
// of two keys of a kind wins. Unknown keys and nested values are skipped.
//
// The object is read as nginx writes it, not as RFC 8259 has it: escape=default
// leaves \x22 in strings, and a variable without quotes may be empty, "-" or the
// list of durations "0.001, 0.002". Such a value ends at the next key.
func matchObject(line []byte, values *[numFields][]byte) bool {
	line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\uFEFF")))
	if len(line) < 2 || line[0] != '{' || line[len(line)-1] != '}' {
		return false
	}
	rest := skipSpace(line[1 : len(line)-1])
	for len(rest) > 0 {
		key, after, ok := cutString(rest)
		if after = skipSpace(after); !ok || len(after) == 0 || after[0] != ':' {
			return false
		}
		value, after, ok := cutValue(skipSpace(after[1:]))
		if !ok {
			return false
		}
		if f := jsonKeys[string(key)]; f != fieldNone && values[f] == nil {
			if (f == fieldURI || f == fieldRequest) && bytes.Contains(value, []byte(`\/`)) {
				value = bytes.ReplaceAll(value, []byte(`\/`), []byte("/")) // as PHP and json-c write a slash
			}
			values[f] = value
		}
		if after = skipSpace(after); len(after) == 0 {
			return true
		}
		if rest = skipSpace(after[1:]); after[0] != ',' || len(rest) == 0 {
			return false
		}
	}
	return true
}

// skipSpace returns b from its first byte on that is not white space.
func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// cutString returns what is between the quotes that b begins with, and what is
// behind them.
func cutString(b []byte) (text, after []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	for from := 1; ; {
		at := bytes.IndexByte(b[from:], '"')
		if at < 0 {
			return nil, nil, false
		}
		at += from
		if !escaped(b, at) {
			return b[1:at], b[at+1:], true
		}
		from = at + 1
	}
}

// cutValue returns the value that b begins with, and what is behind it. The
// value of an object, of an array and of null is empty.
func cutValue(b []byte) (value, after []byte, ok bool) {
	if len(b) == 0 {
		return b, b, true
	}
	switch b[0] {
	case '"':
		return cutString(b)
	case '{', '[':
		after, ok = skipNested(b)
		return b[:0], after, ok
	}
	// A bare value ends at the comma before the next key.
	end := bytes.IndexByte(b, '"')
	if end < 0 {
		end = len(b)
	} else {
		before := bytes.TrimRight(b[:end], " \t")
		if end = len(before) - 1; end < 0 || before[end] != ',' {
			return nil, nil, false
		}
	}
	value = bytes.TrimRight(b[:end], " \t")
	if bytes.ContainsAny(value, `{}[]\`) || end == len(b) && bytes.HasSuffix(value, []byte(",")) {
		return nil, nil, false
	}
	if string(value) == "null" {
		value = value[:0]
	}
	return value, b[end:], true
}

// skipNested returns what is behind the object or array that b begins with.
func skipNested(b []byte) (after []byte, ok bool) {
	depth := 0
	for len(b) > 0 {
		switch b[0] {
		case '"':
			if _, b, ok = cutString(b); !ok {
				return nil, false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if b = b[1:]; depth == 0 {
			return b, true
		}
	}
	return nil, false
}
