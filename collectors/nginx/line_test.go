package nginx

import "testing"

func TestParseTimes(t *testing.T) {
	tests := []struct {
		name, in  string
		want      float64
		found, ok bool
	}{
		{"none", "-", 0, false, true},
		{"empty", "", 0, false, true},
		{"one", "0.250", 0.25, true, true},
		{"retries", "0.250, 0.500", 0.75, true, true},
		{"redirect", "0.250 : 0.500", 0.75, true, true},
		{"retry without answer", "-, 0.500", 0.5, true, true},
		{"internal redirect without upstream", "0.250 : -", 0.25, true, true},
		{"garbage", "0.2x", 0, false, false},
		{"negative", "-1", 0, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, found, ok := parseTimes([]byte(tt.in))
			if got != tt.want || found != tt.found || ok != tt.ok {
				t.Errorf("parseTimes(%q) = %v, %t, %t, want %v, %t, %t", tt.in, got, found, ok, tt.want, tt.found, tt.ok)
			}
		})
	}
}

func TestParseDecimal(t *testing.T) {
	tests := []struct {
		in   string
		want float64
		ok   bool
	}{
		{"0", 0, true},
		{"12.345", 12.345, true},
		{"0.001", 0.001, true},
		{"123456789012345678", 123456789012345678, true},
		{"1234567890123456789", 0, false},
		{"", 0, false},
		{".", 0, false},
		{"1.2.3", 0, false},
		{"-1", 0, false},
		{"1e3", 0, false},
	}
	for _, tt := range tests {
		if got, ok := parseDecimal([]byte(tt.in)); got != tt.want || ok != tt.ok {
			t.Errorf("parseDecimal(%q) = %v, %t, want %v, %t", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func TestRoute(t *testing.T) {
	tests := []struct {
		pattern, path string
		want          bool
	}{
		{"/", "/", true},
		{"/", "/a", false},
		{"/a", "/a", true},
		{"/a", "/a/", false},
		{"/a/", "/a/", true},
		{"/api/reports/{id}", "/api/reports/7", true},
		{"/api/reports/{id}", "/api/reports/", false},
		{"/api/reports/{id}", "/api/reports", false},
		{"/api/reports/{id}", "/api/reports/7/x", false},
		{"/api/{kind}/{id}/raw", "/api/tls/9/raw", true},
		{"/static/*", "/static/", true},
		{"/static/*", "/static/css/a.css", true},
		{"/static/*", "/static", false},
		{"/*", "/anything", true},
		{"/*", "", false},
		{"/*", "*", false},
	}
	for _, tt := range tests {
		p, err := compileRoute(Route{Pattern: tt.pattern})
		if err != nil {
			t.Fatalf("compileRoute(%q): %v", tt.pattern, err)
		}
		if got := p.match([]byte(tt.path)); got != tt.want {
			t.Errorf("%q matches %q = %t, want %t", tt.pattern, tt.path, got, tt.want)
		}
	}
	for _, bad := range []string{"", "api", "/a//b", "/a*b", "/*/b", "/{id"} {
		if _, err := compileRoute(Route{Pattern: bad}); err == nil {
			t.Errorf("compileRoute(%q) gave no error", bad)
		}
	}
}
