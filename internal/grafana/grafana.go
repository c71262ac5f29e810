// Package grafana reads what dashboards ask, for those who ask it in their place.
package grafana

import (
	"encoding/json"
	"fmt"
	"os"
)

// Query is what a panel or a variable of a dashboard asks its data source.
type Query struct {
	// Panel is the title of the panel, or "variable " and the variable's name.
	Panel string
	// RefID tells the queries of one panel apart; a variable has none.
	RefID string
	// Expr is PromQL, or a variable's label_values(…); SQL is for PostgreSQL.
	Expr, SQL string
}

// Read returns the identifier of the dashboard in a file and its queries in their
// order: those of all panels, of collapsed rows too, then those of its variables.
func Read(file string) (uid string, queries []Query, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	type panel struct {
		Title   string
		Targets []struct{ RefID, Expr, RawSQL string }
	}
	var d struct {
		UID    string
		Panels []struct {
			panel
			Panels []panel // of a collapsed row
		}
		Templating struct {
			List []struct {
				Name, Type, Definition string
				Datasource             struct{ Type string }
			}
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return "", nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, row := range d.Panels {
		for _, p := range append(row.Panels, row.panel) {
			for _, t := range p.Targets {
				queries = append(queries, Query{p.Title, t.RefID, t.Expr, t.RawSQL})
			}
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		q := Query{Panel: "variable " + v.Name, Expr: v.Definition}
		if v.Datasource.Type != "prometheus" {
			q.Expr, q.SQL = "", v.Definition
		}
		queries = append(queries, q)
	}
	return d.UID, queries, nil
}
