package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
)

// Probe returns a handler for /probe?target=&module= that follows the rules of
// every scrape. A target must match one of the patterns of allow, as path.Match
// has it (* does not cross a slash), or the answer is 403; with no patterns,
// every target is refused.
//
// build prepares the collector of a target and a function, which may be nil,
// that frees what it holds; that is called after the collector has returned.
// build must honour ctx, whose deadline is that of the scrape. An error of build
// is answered with 400 and its text.
func Probe(f *Flags, allow []string, build func(ctx context.Context, target, module string) (ContextCollector, func(), error)) http.Handler {
	s := newScraper(f, func(ctx context.Context, q url.Values) ([]ContextCollector, func(), error) {
		target := q.Get("target")
		if err := checkTarget(allow, target); err != nil {
			return nil, nil, err
		}
		c, free, err := build(ctx, target, q.Get("module"))
		if err != nil {
			return nil, free, err
		}
		return []ContextCollector{c}, free, nil
	})
	s.scope = func(q url.Values) string { return q.Get("module") + " " + q.Get("target") }
	return s
}

// checkTarget returns an error unless target matches one of patterns.
func checkTarget(patterns []string, target string) error {
	if target == "" {
		return errors.New("the parameter target is missing")
	}
	for _, p := range patterns {
		ok, err := path.Match(p, target)
		if err != nil {
			return &statusError{http.StatusInternalServerError, fmt.Errorf("pattern %q of the allowed targets: %w", p, err)}
		}
		if ok {
			return nil
		}
	}
	return &statusError{http.StatusForbidden, fmt.Errorf("target %q is not among the allowed targets", target)}
}
