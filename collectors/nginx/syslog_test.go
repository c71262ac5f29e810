package nginx

import (
	"strings"
	"testing"
)

func TestCutSyslog(t *testing.T) {
	const body = "m=GET s=200"
	tests := []struct{ name, in, want string }{
		{"nginx", "<190>Nov 24 18:00:00 web1 nginx: " + body, body},
		{"nohostname", "<190>Nov  4 18:00:00 nginx: " + body, body},
		{"colon in the line", "<190>Nov 24 18:00:00 web1 nginx: a: b", "a: b"},
		{"nothing behind the header", "<190>Nov 24 18:00:00 nginx: ", ""},
		{"bare", body, body},
		{"a file of syslog", "Nov 24 18:00:00 web1 nginx: " + body, body},
		{"a file with the process", "Nov 24 18:00:00 web1 nginx[17]: " + body, body},
		{"a file of rsyslog", "2026-11-24T18:00:00.123456+00:00 web1 nginx: " + body, body},
		{"a file in UTC", "2026-11-24T18:00:00Z web1 nginx: " + body, body},
		{"a relay", "<190>2026-11-24T18:00:00+01:00 web1 nginx: " + body, body},
		{"RFC 5424", "<190>1 2026-11-24T18:00:00Z web1 nginx - - - " + body, body},
		{"RFC 5424 with a byte order mark", "<190>1 2026-11-24T18:00:00Z web1 nginx 17 ID - \uFEFF" + body, body},
		{"RFC 5424 with data", `<190>1 - web1 nginx - - [a@1 b="c\]d"][e@2] ` + body, body},
		{"an address", "2001:db8::1 - - x", "2001:db8::1 - - x"},
		{"empty", "", ""},
		{"short", "<190>x", "refused"},
		{"no number", "<x>Nov 24 18:00:00 nginx: " + body, "refused"},
		{"no end", "<190Nov 24 18:00:00 nginx: " + body, "refused"},
		{"no time", "<190>web1 nginx: " + body, "refused"},
		{"no tag", "<190>Nov 24 18:00:00 web1 nothing", "refused"},
		{"no tag in a file", "Nov 24 18:00:00 web1 nothing", "refused"},
		{"words for a tag", "<190>Nov 24 18:00:00 web1 is not: " + body, "refused"},
		{"RFC 5424 cut off", "<190>1 2026-11-24T18:00:00Z web1 nginx", "refused"},
		{"RFC 5424 with open data", `<190>1 - web1 nginx - - [a b="` + body, "refused"},
	}
	for _, tt := range tests {
		got, ok := new(format).cutSyslog([]byte(tt.in))
		if refused := tt.want == "refused"; ok == refused || ok && string(got) != tt.want {
			t.Errorf("%s: %q, %t, want %q", tt.name, got, ok, tt.want)
		}
	}
}

// TestFormatThatLooksLikeSyslog holds that what a format itself begins with is
// not taken for a header.
func TestFormatThatLooksLikeSyslog(t *testing.T) {
	for format, line := range map[string]string{
		`<$status> $server_name: x`:             "<200> shop.example: x",
		`$time_iso8601 nginx: $status`:          "2026-11-24T18:00:00+00:00 nginx: 200",
		`${time_iso8601} $server_name: $status`: "<190>Nov 24 18:00:00 web1 nginx: 2026-11-24T18:00:00+00:00 shop.example: 200",
	} {
		a, _ := newLog(t, func(c *AccessLogConfig) { c.Inputs[0].Format = format })
		feedAll(a, line)
		if text := expose(t, a); strings.Contains(text, `reason="format"} 1`) || !strings.Contains(text, `status="200"} 1`) {
			t.Errorf("%s does not count %q", format, line)
		}
	}
}

// TestSyslogHeaderIsNoValue holds that a header never becomes a label.
func TestSyslogHeaderIsNoValue(t *testing.T) {
	a, _ := newLog(t, func(c *AccessLogConfig) { c.Inputs[0].Format = "$server_name $status" })
	feedAll(a, "Nov 24 18:00:00 web1 nginx: shop.example 200", "Nov 24 18:00:00 web1 kernel 200", "<190>evil 200")
	want(
		t, expose(t, a),
		`nginx_access_requests_total{method="other",route="other",server="shop.example",status="200"} 1`,
		`nginx_access_log_lines_refused_total{input="`+a.inputs[0].label+`",reason="format"} 2`,
	)
	if text := expose(t, a); strings.Contains(text, `server="Nov"`) || strings.Contains(text, `server="<190>evil"`) {
		t.Errorf("a word of a header is a label in\n%s", text)
	}
}
