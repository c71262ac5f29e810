package nginx

import (
	"errors"
	"strings"
	"testing"
)

func TestCompileFormatErrors(t *testing.T) {
	tests := []struct {
		name, format, want string
		column             int
	}{
		{"no variables", "plain text", "no variables", 1},
		{"no status", `$remote_addr "$request"`, "no $status", 24},
		{"adjacent", `a=$status$request_time`, "nothing separates $status", 10},
		{"bare dollar", `s=$status x=$ y`, "a variable name must follow $", 13},
		{"unclosed brace", `s=${status`, "a variable name must follow $", 3},
		{"unknown escape", `escape=xml $status`, "escape=xml is unknown", 1},
		{"adjacent behind escape", `escape=json "$status$request"`, "nothing separates $status", 21},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := compileFormat(tt.format)
			var syntax *FormatError
			if !errors.As(err, &syntax) {
				t.Fatalf("error = %v, want a *FormatError", err)
			}
			if syntax.Column != tt.column || !strings.Contains(syntax.Message, tt.want) {
				t.Errorf("error = column %d: %s, want column %d: …%s…", syntax.Column, syntax.Message, tt.column, tt.want)
			}
		})
	}
}

func TestFormatWarnings(t *testing.T) {
	tests := []struct {
		name, format string
		want         int
	}{
		{"key value", FormatKeyValue, 0},
		{"json", FormatJSON, 0},
		{"json in the strict form", FormatJSONStrict, 0},
		{"combined holds remote_user outside of quotes", FormatCombined, 1},
		{"unquoted uri", `u=$uri s=$status`, 1},
		{"uri at the end", `s=$status u=$uri`, 0},
		{"quoted", `"$request" $status`, 0},
		{"escape none", `escape=none "$request" $status`, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := compileFormat(tt.format)
			if err != nil {
				t.Fatal(err)
			}
			if len(f.warnings) != tt.want {
				t.Errorf("warnings = %q, want %d", f.warnings, tt.want)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	const kv = `m=GET s=200 rt=0.012 ut=0.010, 0.001 : 0.001 us=502, 200 : 200 c=- b=512 rl=90 h=example.com r=-`
	tests := []struct {
		name, format, line string
		want               map[field]string // nil: no match
	}{
		{"key value", FormatKeyValue, kv, map[field]string{
			fieldMethod: "GET", fieldStatus: "200", fieldUpstreamTime: "0.010, 0.001 : 0.001", fieldServerName: "example.com", fieldRoute: "-",
		}},
		{
			"json", FormatJSONStrict,
			`{"method":"GET","status":"200","request_time":"0.012","upstream_response_time":"","upstream_status":"","upstream_cache_status":"","bytes_sent":"1","request_length":"2","server_name":"a","route":"x\"y"}`,
			map[field]string{fieldMethod: "GET", fieldRoute: `x\"y`, fieldServerName: "a"},
		},
		{
			"combined", FormatCombined,
			`192.0.2.1 - - [24/Nov/2026:18:00:00 +0000] "GET /a?b HTTP/1.1" 404 153 "-" "curl/8"`,
			map[field]string{fieldRequest: "GET /a?b HTTP/1.1", fieldStatus: "404", fieldBytesSent: "153"},
		},
		{
			"forged user in combined", FormatCombined,
			`192.0.2.1 - x [y] \x22GET / HTTP/1.1\x22 200 1 [24/Nov/2026:18:00:00 +0000] "GET /a HTTP/1.1" 500 7 "-" "-"`,
			map[field]string{fieldRequest: "GET /a HTTP/1.1", fieldStatus: "500"},
		},
		{"braces", `<${status}> rest $request_time;`, `<301> rest 0.1;`, map[field]string{fieldStatus: "301", fieldRequestTime: "0.1"}},
		{"cut line", FormatKeyValue, kv[:40], nil},
		{"other form", FormatKeyValue, "hello", nil},
		{"empty", FormatKeyValue, "", nil},
		{"missing tail", `s=$status;`, `s=200`, nil},
		{"trailing text", `s=$status;`, `s=200;x`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := compileFormat(tt.format)
			if err != nil {
				t.Fatal(err)
			}
			var values [numFields][]byte
			got := f.match([]byte(tt.line), &values)
			if tt.name == "trailing text" {
				// The last literal is looked for at the end, so the value takes the rest and fails as a status.
				if _, ok := parseStatus(values[fieldStatus]); got && ok {
					t.Errorf("status = %q of a line with trailing text", values[fieldStatus])
				}
				return
			}
			if got != (tt.want != nil) {
				t.Fatalf("match = %t, want %t", got, tt.want != nil)
			}
			for field, want := range tt.want {
				if string(values[field]) != want {
					t.Errorf("field %d = %q, want %q", field, values[field], want)
				}
			}
		})
	}
}

func FuzzMatch(f *testing.F) {
	f.Add(FormatKeyValue, `m=GET s=200 rt=0.012 ut=- us=- c=- b=512 rl=90 h=example.com r=-`)
	f.Add(FormatCombined, `192.0.2.1 - - [x] "GET / HTTP/1.1" 404 153 "-" "curl/8"`)
	f.Add(FormatJSONStrict, `{"method":"G\\\"ET"}`)
	f.Fuzz(func(t *testing.T, text, line string) {
		compiled, err := compileFormat(text)
		if err != nil {
			return
		}
		var values [numFields][]byte
		if !compiled.match([]byte(line), &values) {
			return
		}
		// Prefix, values and literals are the line again: nothing was skipped.
		// Unknown variables share one slot, so their length is what is left over.
		known, literals := len(compiled.prefix), 0
		for _, p := range compiled.parts {
			if p.field != fieldNone {
				known += len(values[p.field])
			}
			literals += len(p.literal)
		}
		if known+literals > len(line) {
			t.Errorf("values and literals have %d bytes, the line has %d", known+literals, len(line))
		}
	})
}
