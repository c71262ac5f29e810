package nginx

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestMatchObject(t *testing.T) {
	tests := []struct {
		name, line string
		want       map[field]string // nil: no match
	}{
		{"the strict form", `{"method":"GET","status":"200","request_time":"0.012","route":"x\"y"}`, map[field]string{
			fieldMethod: "GET", fieldStatus: "200", fieldRequestTime: "0.012", fieldRoute: `x\"y`,
		}},
		{"numbers, other order, more keys", `{"time":"2026-11-28T17:01:20+00:00","request":"GET /api/1 HTTP/1.1","request_time":0.000,"status":404,"server_name":"js.example"}`, map[field]string{
			fieldRequest: "GET /api/1 HTTP/1.1", fieldRequestTime: "0.000", fieldStatus: "404", fieldServerName: "js.example",
		}},
		{"white space", " { \"status\" : 200 ,\t\"request_time\" : \"0.1\" } \r", map[field]string{fieldStatus: "200", fieldRequestTime: "0.1"}},
		{"nothing", `{}`, map[field]string{}},
		{"escape=default", `{"http_user_agent":"a\x22,\x22status\x22:\x22500","status":"200"}`, map[field]string{fieldStatus: "200"}},
		{"escape=json", `{"http_user_agent":"a\",\"status\":\"500\\","status":"200"}`, map[field]string{fieldStatus: "200"}},
		{"nested", `{"tags":["a]",{"status":"1"}],"geo":{"status":"}"},"status":200}`, map[field]string{fieldStatus: "200"}},
		{"null, true", `{"upstream_response_time":null,"cached":true,"status":200}`, map[field]string{fieldUpstreamTime: "", fieldStatus: "200"}},
		{"bare empty", `{"upstream_response_time":,"status":200}`, map[field]string{fieldUpstreamTime: "", fieldStatus: "200"}},
		{"bare empty at the end", `{"status":200,"upstream_response_time":}`, map[field]string{fieldUpstreamTime: "", fieldStatus: "200"}},
		{"bare dash", `{"upstream_response_time":-,"status":200}`, map[field]string{fieldUpstreamTime: "-", fieldStatus: "200"}},
		{"bare list", `{"upstream_response_time":0.001, 0.002 : 0.003, "status":200}`, map[field]string{fieldUpstreamTime: "0.001, 0.002 : 0.003", fieldStatus: "200"}},
		{"the first of a kind", `{"body_bytes_sent":1,"bytes_sent":2,"status":200,"status":500}`, map[field]string{fieldBytesSent: "1", fieldStatus: "200"}},
		{"other case", `{"Status":200}`, map[field]string{fieldStatus: ""}},
		{"empty", ``, nil},
		{"a text", `"status"`, nil},
		{"a list", `[{"status":200}]`, nil},
		{"cut in a key", `{"status":200,"requ`, nil},
		{"cut in a value", `{"status":200,"request":"GET /`, nil},
		{"cut behind a value", `{"status":200`, nil},
		{"two objects", `{"status":200}{"status":200}`, nil},
		{"text behind it", `{"status":200} x`, nil},
		{"comma at the end", `{"status":200,}`, nil},
		{"no comma", `{"request":"x" "status":200}`, nil},
		{"no comma behind a number", `{"request_time":0 "status":200}`, nil},
		{"no colon", `{"request" "x","status":200}`, nil},
		{"no quotes around a key", `{status:200}`, nil},
		{"open list", `{"tags":[1,"status":200}`, nil},
		{"forged with escape=none", `{"request":"GET /" HTTP/1.1","status":200}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var values [numFields][]byte
			if got := matchObject([]byte(tt.line), &values); got != (tt.want != nil) {
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

// TestJSONLines counts what hand-written log_formats make of a request.
func TestJSONLines(t *testing.T) {
	a, _ := newLog(t, func(c *AccessLogConfig) {
		c.Inputs[0].Format = FormatJSON
		c.Routes = []Route{{Pattern: "/api/{id}"}}
		c.Servers = []string{"js.example"}
	})
	feedAll(
		a,
		`{"request":"GET /api/1?x HTTP/1.1","status":200,"request_time":0.250,"upstream_response_time":"0.100, 0.050","bytes_sent":7,"server_name":"js.example"}`,
		`{"host":"js.example","uri":"/api/2","request_method":"GET","status":"200","upstream_cache_status":"HIT"}`,
		`Nov 28 17:01:20 web1 nginx: {"host":"evil.example","request_uri":"/x","status":"503","request_method":"POST"}`,
		`{"request":"GET / HTTP/1.1"}`, `{"status":"20x"}`, `{"status":200,"request_time":"fast"}`, `m=GET s=200`,
	)
	text := expose(t, a)
	want(
		t, text,
		`nginx_access_requests_total{method="GET",route="/api/{id}",server="js.example",status="200"} 2`,
		`nginx_access_requests_total{method="POST",route="other",server="other",status="503"} 1`,
		`nginx_access_request_duration_seconds_sum{route="/api/{id}",server="js.example"} 0.25`,
		`nginx_access_response_bytes_total{route="/api/{id}",server="js.example"} 7`,
		`nginx_access_upstream_cache_total{server="js.example",status="HIT"} 1`,
		`nginx_access_log_lines_total{input="`+a.inputs[0].label+`"} 7`,
	)
	for _, refused := range []string{`reason="format"} 1`, `reason="status"} 2`, `reason="number"} 1`} {
		if !strings.Contains(text, refused) {
			t.Errorf("no %q in\n%s", refused, text)
		}
	}
}

// TestJSONOfOthers counts lines as other programs write them.
func TestJSONOfOthers(t *testing.T) {
	a, _ := newLog(t, func(c *AccessLogConfig) {
		c.Inputs[0].Format = FormatJSON
		c.Routes = []Route{{Pattern: "/api/{id}"}}
	})
	feedAll(
		a,
		"\uFEFF"+`{"uri":"\/api\/1","status":200,"request_time":5e-1,"upstream_response_time":2.5e-1,"bytes_sent":1e3}`,
		`{"request":"GET \/api\/2 HTTP\/1.1","status":200,"request_time":0.25000000000000000000}`,
		`{"status":200,"request_time":0x1p-2}`, `{"status":200,"request_time":-0.5}`, `{"status":200,"request_time":1e999}`,
	)
	want(
		t, expose(t, a),
		`nginx_access_requests_total{method="other",route="/api/{id}",server="other",status="200"} 1`,
		`nginx_access_requests_total{method="GET",route="/api/{id}",server="other",status="200"} 1`,
		`nginx_access_request_duration_seconds_sum{route="/api/{id}",server="other"} 0.75`,
		`nginx_access_upstream_duration_seconds_sum{route="/api/{id}",server="other"} 0.25`,
		`nginx_access_response_bytes_total{route="/api/{id}",server="other"} 1000`,
		`reason="number"} 3`,
	)
}

// FuzzMatchObject holds that a line which encoding/json takes for an object
// matches, with the same values.
func FuzzMatchObject(f *testing.F) {
	f.Add(`{"time":"x","request":"GET / HTTP/1.1","status":200,"request_time":0.1,"tags":["a",{"b":null}]}`)
	f.Add(`{"status":"200","upstream_response_time":-, "request":"\x22"}`)
	f.Fuzz(func(t *testing.T, line string) {
		var values [numFields][]byte
		ok := matchObject([]byte(line), &values)
		decoder := json.NewDecoder(strings.NewReader(line))
		if strings.ContainsAny(line, "\\\n") || !json.Valid([]byte(line)) {
			return
		}
		if first, _ := decoder.Token(); first != json.Delim('{') {
			return
		}
		if !ok {
			t.Fatalf("%q does not match", line)
		}
		seen := map[field]bool{}
		for decoder.More() {
			key, err := decoder.Token()
			var raw json.RawMessage
			if err != nil || decoder.Decode(&raw) != nil {
				t.Fatal("encoding/json does not read what it calls valid")
			}
			known := jsonKeys[key.(string)]
			if known == fieldNone || seen[known] {
				continue
			}
			seen[known] = true
			if raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
				raw = nil
			}
			if want := bytes.Trim(raw, `"`); !bytes.Equal(values[known], want) {
				t.Errorf("%q: %v = %q, want %q", line, key, values[known], want)
			}
		}
	})
}
