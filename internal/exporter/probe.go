package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
)

// Probe returns a handler for /probe?target=&module=, with the deadline and the
// sharing of every scrape. A target must match one of the patterns of allow
// (path.Match, so * does not cross a slash); with none, every target is refused.
// build opens the target; its function frees what was opened, after the
// collector has returned.
func Probe(f *Flags, allow []string, build func(ctx context.Context, target, module string) (ContextCollector, func(), error)) http.Handler {
	self := newSelfMetrics("probe", true, nil)
	return newScraper(f, self, func(ctx context.Context, q url.Values) ([]ContextCollector, func(), error) {
		target, module := q.Get("target"), q.Get("module")
		if target == "" {
			return nil, nil, errors.New("parameter target is missing")
		}
		if !allowed(allow, target) {
			return nil, nil, fmt.Errorf("target %q is not allowed", target)
		}
		c, free, err := build(ctx, target, module)
		if err != nil {
			return nil, nil, err
		}
		return []ContextCollector{c}, free, nil
	})
}

func allowed(patterns []string, target string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, target); ok && err == nil {
			return true
		}
	}
	return false
}
