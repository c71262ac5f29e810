package tests

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// addRecorded adds what rules record: the labels that they add, and those that
// their sums keep, with the values that what is summed has.
func addRecorded(t *testing.T, out map[string]family) {
	t.Helper()
	p := parser.NewParser(parser.Options{})
	for _, g := range mixin(t).Rules.Groups {
		for _, r := range g.Rules {
			add(out, r.Record, "gauge", strings.Join(sortedKeys(r.Labels), ","))
			for k, v := range r.Labels {
				out[r.Record][k] = append(out[r.Record][k], v)
			}
			expr, err := p.ParseExpr(r.Expr)
			if err != nil {
				t.Fatalf("%s: %v", r.Record, err)
			}
			parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
				if a, ok := n.(*parser.AggregateExpr); ok && !a.Without {
					keep(out, r, a)
				}
				return nil
			})
		}
	}
}

// keep adds the labels that a sum keeps to what a rule records.
func keep(out map[string]family, r rule, a *parser.AggregateExpr) {
	parser.Inspect(a.Expr, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for _, label := range a.Grouping {
			if values, ok := out[v.Name][label]; ok && r.Labels[label] == "" {
				out[r.Record][label] = append(out[r.Record][label], values...)
			}
		}
		return nil
	})
}
