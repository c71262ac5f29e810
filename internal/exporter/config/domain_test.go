package config

import (
	"strings"
	"testing"
)

func TestParseDomain(t *testing.T) {
	for _, tt := range []struct{ text, want, err string }{
		{"example.com", "example.com", ""},
		{"Example.COM.", "example.com", ""},
		{"bücher.example", "xn--bcher-kva.example", ""},
		{"BÜCHER.example", "xn--bcher-kva.example", ""},
		{"xn--bcher-kva.example", "xn--bcher-kva.example", ""},
		{"_dmarc.example.com", "_dmarc.example.com", ""},
		{"a-b.example", "a-b.example", ""},
		{"1.example", "1.example", ""},
		{"", "", "it is empty"},
		{".", "", "it is empty"},
		{" ", "", "it has a space in it"},
		{"example.com ", "", "it has a space in it"},
		{"example.com, example.net", "", "it has a space in it"},
		{"example.com,example.net", "", "a domain has labels"},
		{"https://example.com/", "", "without scheme and path"},
		{"mailto:me@example.com", "", "what follows the @"},
		{"example.com/path", "", "without scheme and path"},
		{"me@example.com", "", "what follows the @"},
		{"*.example.com", "", "write example.com"},
		{".example.com", "", "write example.com"},
		{"*", "", "a domain has labels"},
		{"example..com", "", "a domain has labels"},
		{"example.com:25", "", "a domain has labels"},
		{"-a.example", "", "a domain has labels"},
		{strings.Repeat("a", 64) + ".example", "", "a domain has labels"},
		{strings.Repeat("a.", 130) + "example", "", "a domain has labels"},
		{"localhost", "", "it has no dot"},
		{"192.0.2.1", "", "it is an address"},
		{"2001:db8::1", "", "it is an address"},
	} {
		got, err := ParseDomain(tt.text)
		if string(got) != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("ParseDomain(%q) = %q, %v; want %q, %q", tt.text, got, err, tt.want, tt.err)
		}
		if err != nil && !strings.Contains(err.Error(), `"`+strings.TrimSpace(tt.text)) && tt.text != " " {
			t.Errorf("ParseDomain(%q): error %v does not name it", tt.text, err)
		}
	}
	var list Domains
	if err := list.Set("b.example"); err != nil {
		t.Fatal(err)
	}
	if err := list.Set("nope"); err == nil || list.Set("a.example") != nil || list.String() != "b.example,a.example" {
		t.Errorf("domains %s, error %v", &list, err)
	}
}
