package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/grafana"
)

// expression is one that a dashboard asks for.
type expression struct {
	where string // dashboard, panel and target
	text  string
}

// labelValues is the query of a variable.
var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// expressions returns those of all panels and variables in a directory of
// dashboards, with values for their variables. What asks PostgreSQL is left to a
// test of dmarc/store/postgres, and the alerts that fire to steps about alerts.
func expressions(dir string) ([]expression, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no dashboards in %s: %w", dir, err)
	}
	var out []expression
	for _, file := range files {
		uid, queries, err := grafana.Read(file)
		if err != nil {
			return nil, err
		}
		for _, q := range queries {
			where, expr := fmt.Sprintf("%s / %s %s", uid, q.Panel, q.RefID), q.Expr
			if expr == "" || q.Panel == "Firing now" {
				continue
			}
			if m := labelValues.FindStringSubmatch(expr); m != nil {
				expr = fmt.Sprintf("count by (%s) (%s)", m[2], m[1])
			}
			out = append(out, expression{where, substitute(expr)})
		}
	}
	return out, nil
}

// suite is what Grafana makes of the variable job when all are chosen.
const suite = "(dmarc|nginx|node|postgres-queries|redis)-exporter"

// substitute gives variables the values that they have when a dashboard opens.
func substitute(expr string) string {
	return strings.NewReplacer(
		"$cluster", ".*",
		"$job", suite, "$instance", ".+", "$domain", ".+", "$slo", ".+",
		"$__rate_interval", "30s", "$__interval", "30s", "$__range_s", "60", "$__range", "1m", "$__from", "0",
	).Replace(expr)
}
