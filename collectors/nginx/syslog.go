package nginx

import "bytes"

// cutSyslog returns line without the header of syslog in front of it: what
// nginx sends (RFC 3164), what a relay makes of it (RFC 5424), and what a
// daemon writes into a file, which is the former without priority, its time
// perhaps in the form of RFC 3339. A line without header comes back as it is. A
// line that begins as a header and does not go on as one is refused: its first
// words would be taken for values. A format that begins with such a text itself
// has no header in front of its lines but those with a priority.
func (f *format) cutSyslog(line []byte) (body []byte, ok bool) {
	if len(line) == 0 {
		return line, true
	}
	if line[0] == '<' {
		if bytes.HasPrefix(f.prefix, []byte("<")) {
			return line, true
		}
		body, ok = cutPriority(line)
		if !ok {
			return nil, false
		}
		if after, found := bytes.CutPrefix(body, []byte("1 ")); found {
			return cutStructured(after)
		}
	} else if body = line; f.timed {
		return line, true
	}
	stamp := stampLength(body)
	if stamp == 0 {
		return line, line[0] != '<'
	}
	return cutTag(body[stamp:])
}

// cutPriority removes <190>.
func cutPriority(line []byte) (body []byte, ok bool) {
	end := bytes.IndexByte(line[:min(len(line), 5)], '>')
	if end < 2 {
		return nil, false
	}
	for _, c := range line[1:end] {
		if !digit(c) {
			return nil, false
		}
	}
	return line[end+1:], true
}

// stampLength returns the length of the time that b begins with and of the
// space behind it, 0 if there is none: "Nov 24 18:00:00 " or
// "2026-11-24T18:00:00.123456+00:00 ".
func stampLength(b []byte) int {
	const short = len("Nov 24 18:00:00 ")
	if len(b) >= short && b[0] >= 'A' && b[0] <= 'S' && hasForm(b[:short], "aaa ## ##:##:## ") {
		return short
	}
	const long = len("2026-11-24T18:00:00")
	if len(b) > long && b[4] == '-' && hasForm(b[:long], "####-##-##T##:##:##") {
		return bytes.IndexByte(b[:min(len(b), long+len(".123456789+00:00 "))], ' ') + 1
	}
	return 0
}

// hasForm compares b with a form of the same length, in which # stands for a
// digit or a space in front of one and "a" for a letter.
func hasForm(b []byte, form string) bool {
	for i, c := range b {
		switch form[i] {
		case '#':
			if !digit(c) && c != ' ' {
				return false
			}
		case 'a':
			if c|0x20 < 'a' || c|0x20 > 'z' {
				return false
			}
		default:
			if c != form[i] {
				return false
			}
		}
	}
	return true
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// cutTag removes "host nginx: ", "nginx: " or "host nginx[17]: ".
func cutTag(b []byte) (body []byte, ok bool) {
	end := bytes.Index(b, []byte(": "))
	if end <= 0 || bytes.Count(b[:end], []byte(" ")) > 1 {
		return nil, false
	}
	return b[end+2:], true
}

// cutStructured removes what is behind the version of RFC 5424: time, host,
// program, process, kind of message and the structured data.
func cutStructured(b []byte) (body []byte, ok bool) {
	for range 5 {
		if _, b, ok = cutByte(b, ' '); !ok {
			return nil, false
		}
	}
	if after, found := bytes.CutPrefix(b, []byte("- ")); found {
		return bytes.TrimPrefix(after, []byte("\uFEFF")), true
	}
	for len(b) > 0 && b[0] == '[' {
		end := 1
		for end < len(b) && (b[end] != ']' || escaped(b, end)) {
			end++
		}
		b = b[min(end+1, len(b)):]
	}
	body, ok = bytes.CutPrefix(b, []byte(" "))
	return bytes.TrimPrefix(body, []byte("\uFEFF")), ok
}
