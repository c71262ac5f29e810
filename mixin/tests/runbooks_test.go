package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// TestRunbookQueries holds that the queries of the runbooks parse, and ask for
// metrics and labels that exist.
func TestRunbookQueries(t *testing.T) {
	pages, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	metrics := exposed(t)
	p := parser.NewParser(parser.Options{})
	block := regexp.MustCompile("(?ms)^```promql\n(.*?)^```")
	queries := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			for _, query := range strings.Split(strings.TrimSpace(m[1]), "\n") {
				queries++
				expr, err := p.ParseExpr(query)
				if err != nil {
					t.Errorf("%s: %s: %v", page, query, err)
					continue
				}
				checkExpr(t, filepath.Base(page), expr, metrics)
			}
		}
	}
	if queries < 100 {
		t.Errorf("%d queries, want one of each page at least", queries)
	}
}
