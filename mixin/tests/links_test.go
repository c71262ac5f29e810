package tests

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPagesURL holds that tables lead to the pages of dmarc_exporter when their
// address is known, by parameters that these pages read, and else do not.
func TestPagesURL(t *testing.T) {
	pages := map[string]string{"domain": "domain.go", "source": "sources.go", "sources": "sources.go"}
	for route, file := range pages {
		code, err := os.ReadFile("../../internal/web/" + file)
		if err != nil {
			t.Fatal(err)
		}
		pages[route] = string(code)
	}
	link := regexp.MustCompile(`"url": "https://dmarc\.example\.com/(\w+)\?(\w+)=\$\{__value\.text\}"`)
	for address, want := range map[string][]string{
		"": nil,
		"https://dmarc.example.com/": {
			"dmarc-overview.json domain?name", "dmarc-records.json source?address", "dmarc-reports.json domain?name", "dmarc-reports.json sources?sender",
		},
	} {
		text, err := evaluate(fmt.Sprintf(`local m = (import 'mixin.libsonnet') + { _config+:: { pagesUrl: '%s' } };
{ [name]: std.manifestJson(m.grafanaDashboards[name]) for name in ['dmarc-overview.json', 'dmarc-records.json', 'dmarc-reports.json'] }`, address))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(text) {
			name, dashboard, _ := strings.Cut(strings.TrimSpace(line), ": ")
			for _, m := range link.FindAllStringSubmatch(strings.ReplaceAll(dashboard, `\"`, `"`), -1) {
				got = append(got, fmt.Sprintf("%s %s?%s", strings.Trim(name, `"`), m[1], m[2]))
			}
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("pagesUrl %q: links %q, want %q", address, got, want)
		}
		for _, link := range got {
			_, page, _ := strings.Cut(link, " ")
			route, name, _ := strings.Cut(page, "?")
			if code := pages[route]; !strings.Contains(code, fmt.Sprintf("q.get(%q)", name)) {
				t.Errorf("the page %s does not read %s", route, name)
			}
		}
	}
}
