package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Only returns a View of what is about some domains and their subdomains: their
// reports, with all that these hold. A TLS report about other domains as well is
// not in it. Refusals are about no domain, and what is known of addresses is about
// all: the first are not in it, the second are. It reads the same snapshot, and
// ends with it.
func (v *View) Only(ctx context.Context, domains []string) (*View, error) {
	own := map[string]bool{}
	for _, domain := range domains {
		own[folded(domain)] = true
	}
	there := []string{}
	// One step in an index for each domain: to read all reports would take longer.
	err := v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		domain := c.text()
		for name, more := domain, true; more; _, name, more = strings.Cut(name, ".") {
			if own[name] {
				there = append(there, domain)
				break
			}
		}
		return nil
	}, "SELECT domain FROM (WITH RECURSIVE each (domain) AS (SELECT (SELECT min(domain) FROM reports)"+
		" UNION ALL SELECT (SELECT min(r.domain) FROM reports r WHERE r.domain > each.domain) FROM each WHERE each.domain IS NOT NULL)"+
		" SELECT domain FROM each) every WHERE domain IS NOT NULL")
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(there)
	return &View{config: v.config, only: string(text)}, err
}

// narrow returns the beginning of a query for which the tables that have domains
// hold those alone which parameter n lists. Everything else of a report is found
// by its row in reports.
func (v *View) narrow(n int) string {
	own := "domain IN (" + fmt.Sprintf(v.config.Texts, fmt.Sprintf("$%d", n)) + ")"
	mixed := "EXISTS (SELECT 1 FROM " + v.config.Schema + "tls_policies p WHERE p.report = r.id AND NOT p." + own + ")"
	var tables []string
	for _, t := range [][2]string{{"reports", own + " AND (r.kind <> '" + string(unpack.KindTLS) + "' OR NOT " + mixed + ")"}, {"rollups", own}, {"tls_policies", own}, {"refusals", "1 = 0"}} {
		tables = append(tables, t[0]+" AS NOT MATERIALIZED (SELECT * FROM "+v.config.Schema+t[0]+" r WHERE "+t[1]+")")
	}
	return "WITH " + strings.Join(tables, ", ") + " "
}
