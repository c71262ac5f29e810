package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// expression is one that a dashboard asks for.
type expression struct {
	where string // dashboard, panel and target
	text  string
}

// expressions returns those of all panels and variables in a directory of
// dashboards, with values for their variables.
func expressions(dir string) ([]expression, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no dashboards in %s: %w", dir, err)
	}
	var out []expression
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(text), `"rawSql"`) {
			continue // It asks PostgreSQL; a test of dmarc/store/postgres has its questions.
		}
		found, err := ofDashboard(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// labelValues is the query of a variable.
var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

func ofDashboard(text []byte) ([]expression, error) {
	type panel struct {
		Title   string
		Targets []struct{ RefID, Expr string }
	}
	var d struct {
		UID    string
		Panels []struct {
			panel
			Panels []panel // of a collapsed row
		}
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	var out []expression
	for _, row := range d.Panels {
		for _, p := range append(row.Panels, row.panel) {
			if p.Title == "Firing now" {
				continue // Steps about alerts look at what fires.
			}
			for _, t := range p.Targets {
				out = append(out, expression{d.UID + " / " + p.Title + " " + t.RefID, substitute(t.Expr)})
			}
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		m := labelValues.FindStringSubmatch(v.Definition)
		if m == nil {
			return nil, fmt.Errorf("variable %s: %q is no label_values(…)", v.Name, v.Definition)
		}
		out = append(out, expression{d.UID + " / variable " + v.Name, fmt.Sprintf("count by (%s) (%s)", m[2], substitute(m[1]))})
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
