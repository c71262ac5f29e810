package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// The log formats that are known by name. FormatKeyValue and FormatJSONStrict
// hold nothing that a client chooses but through a map of the configuration.
// FormatJSON is no text of a log_format: it stands for lines that are JSON
// objects, whose keys are nginx's variable names, in any order and among others.
const (
	FormatKeyValue = `m=$request_method s=$status rt=$request_time ut=$upstream_response_time us=$upstream_status ` +
		`c=$upstream_cache_status b=$bytes_sent rl=$request_length h=$server_name r=$route`
	FormatJSON       = "json"
	FormatJSONStrict = `escape=json {"method":"$request_method","status":"$status","request_time":"$request_time",` +
		`"upstream_response_time":"$upstream_response_time","upstream_status":"$upstream_status",` +
		`"upstream_cache_status":"$upstream_cache_status","bytes_sent":"$bytes_sent",` +
		`"request_length":"$request_length","server_name":"$server_name","route":"$route"}`
	FormatCombined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`
)

// field is what the collector makes of a variable of a log format.
type field int

const (
	fieldNone field = iota
	fieldMethod
	fieldStatus
	fieldRequestTime
	fieldUpstreamTime
	fieldBytesSent
	fieldRequestLength
	fieldServerName
	fieldHost
	fieldURI
	fieldRequest
	fieldCache
	fieldRoute
	numFields
)

// variables maps nginx's variable names to fields.
var variables = map[string]field{
	"request_method":         fieldMethod,
	"status":                 fieldStatus,
	"request_time":           fieldRequestTime,
	"upstream_response_time": fieldUpstreamTime,
	"bytes_sent":             fieldBytesSent,
	"body_bytes_sent":        fieldBytesSent,
	"request_length":         fieldRequestLength,
	"server_name":            fieldServerName,
	"host":                   fieldHost,
	"http_host":              fieldHost,
	"uri":                    fieldURI,
	"document_uri":           fieldURI,
	"request_uri":            fieldURI,
	"request":                fieldRequest,
	"upstream_cache_status":  fieldCache,
	"route":                  fieldRoute,
}

// format is a compiled log_format: prefix, then values each followed by its literal.
// One by key has neither.
type format struct {
	prefix   []byte
	parts    []part
	has      [numFields]bool
	byKey    bool
	json     bool
	timed    bool // lines begin with a time of their own
	warnings []string
}

// part is one variable and the literal text between it and the next one.
type part struct {
	field   field
	literal []byte
}

// FormatError is the error of a log format that cannot be compiled, and where.
type FormatError struct {
	// Column counts bytes of the format from 1.
	Column  int
	Message string
}

// Error returns the column and the message.
func (e *FormatError) Error() string {
	return fmt.Sprintf("log format, column %d: %s", e.Column, e.Message)
}

// compileFormat compiles the text of nginx's log_format directive, with its
// quotes and line joins removed and the escape= parameter, if any, in front, or
// FormatJSON.
func compileFormat(text string) (*format, error) {
	if text == FormatJSON {
		return &format{byKey: true}, nil
	}
	f := &format{}
	rest, offset := text, 0
	if after, ok := strings.CutPrefix(rest, "escape="); ok {
		mode, body, _ := strings.Cut(after, " ")
		switch mode {
		case "json":
			f.json = true
		case "none":
			f.warnings = append(f.warnings, "escape=none lets a client write whole log lines")
		case "default":
		default:
			return nil, &FormatError{1, fmt.Sprintf("escape=%s is unknown: default, json or none", mode)}
		}
		rest, offset = body, len(text)-len(body)
	}
	pos, err := f.compile(rest)
	if err != nil {
		var syntax *FormatError
		if errors.As(err, &syntax) {
			syntax.Column += offset + pos
		}
		return nil, err
	}
	if !f.has[fieldStatus] {
		return nil, &FormatError{len(text) + 1, "no $status: nothing can be counted without it"}
	}
	return f, nil
}

// compile splits text into literals and variables. An error's position is
// where it returns, counted from 0; the caller shifts it.
func (f *format) compile(text string) (int, error) {
	dollar := strings.IndexByte(text, '$')
	if dollar < 0 {
		return 0, &FormatError{1, "no variables"}
	}
	f.prefix = []byte(text[:dollar])
	for dollar < len(text) {
		name, end := variableName(text, dollar)
		if name == "" {
			return dollar, &FormatError{1, "a variable name must follow $"}
		}
		next := strings.IndexByte(text[end:], '$')
		if next < 0 {
			next = len(text)
		} else {
			next += end
		}
		literal := text[end:next]
		if literal == "" && next < len(text) {
			return next, &FormatError{1, fmt.Sprintf("nothing separates $%s from the variable behind it", name)}
		}
		f.timed = f.timed || dollar == 0 && strings.HasPrefix(name, "time_")
		known := variables[name]
		if known != fieldNone && f.has[known] {
			known = fieldNone // the first variable of a kind wins
		}
		f.has[known] = f.has[known] || known != fieldNone
		f.parts = append(f.parts, part{known, []byte(literal)})
		if clientChooses(name) && literal != "" && literal[0] != '"' {
			f.warnings = append(f.warnings, fmt.Sprintf(
				"column %d: a client chooses $%s, which stands outside of quotes: it can forge what follows", dollar+1, name))
		}
		dollar = next
	}
	return 0, nil
}

// variableName returns the name behind the dollar sign at i, as $name or ${name}, and its end.
func variableName(text string, i int) (name string, end int) {
	end = i + 1
	braced := end < len(text) && text[end] == '{'
	if braced {
		end++
	}
	start := end
	for end < len(text) && (text[end] == '_' || text[end]|0x20 >= 'a' && text[end]|0x20 <= 'z' || text[end] >= '0' && text[end] <= '9') {
		end++
	}
	name = text[start:end]
	if braced {
		if end == len(text) || text[end] != '}' {
			return "", end
		}
		end++
	}
	return name, end
}

// clientChooses reports whether the value of a variable is free text of the client.
func clientChooses(name string) bool {
	switch name {
	case "uri", "document_uri", "request_uri", "request", "host", "args", "query_string", "remote_user", "request_body", "request_filename":
		return true
	}
	for _, prefix := range []string{"http_", "arg_", "cookie_", "sent_http_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// match splits line into the values of the known fields and reports whether
// the whole line has the form of f. Values are slices of line; those of fields
// that the line does not have are nil.
func (f *format) match(line []byte, values *[numFields][]byte) bool {
	if f.byKey {
		return matchObject(line, values)
	}
	if !bytes.HasPrefix(line, f.prefix) {
		return false
	}
	rest := line[len(f.prefix):]
	for i := range f.parts {
		p := &f.parts[i]
		end := len(rest)
		if len(p.literal) > 0 {
			if end = f.find(rest, p.literal, i == len(f.parts)-1); end < 0 {
				return false
			}
		}
		values[p.field] = rest[:end]
		rest = rest[end+len(p.literal):]
	}
	return len(rest) == 0
}

// find returns where a value ends: at the first occurrence of the literal
// behind it. nginx escapes quotes in values, so a literal that starts with one
// cannot occur inside; in JSON a quote inside is preceded by a backslash.
func (f *format) find(rest, literal []byte, last bool) int {
	if last && !f.json {
		end := len(rest) - len(literal)
		if end < 0 || !bytes.HasSuffix(rest, literal) {
			return -1
		}
		return end
	}
	if len(literal) == 1 && !f.json {
		return bytes.IndexByte(rest, literal[0])
	}
	for from := 0; ; {
		at := bytes.Index(rest[from:], literal)
		if at < 0 {
			return -1
		}
		at += from
		if !f.json || literal[0] != '"' || !escaped(rest, at) {
			return at
		}
		from = at + 1
	}
}

// escaped reports whether an odd number of backslashes stands before i.
func escaped(b []byte, i int) bool {
	n := 0
	for i--; i >= 0 && b[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}
