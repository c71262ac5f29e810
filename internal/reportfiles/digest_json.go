package reportfiles

import (
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// digestJSON is a digest as JSON, with all senders and reporters.
type digestJSON struct {
	Since   string             `json:"since"`
	Until   string             `json:"until"` // the day after the last one
	Week    coveredJSON        `json:"week"`
	Before  coveredJSON        `json:"week_before"`
	Domains []digestDomainJSON `json:"domains"`
	// More domains are left out, with so many messages.
	More         int                 `json:"more_domains"`
	MoreMessages int64               `json:"more_messages"`
	Refused      []digestRefusedJSON `json:"refused"`
}

type digestDomainJSON struct {
	Domain  string      `json:"domain"`
	Week    coveredJSON `json:"week"`
	Before  coveredJSON `json:"week_before"`
	New     []groupJSON `json:"new_senders"`
	Failing []groupJSON `json:"failing_senders"`
	// Young says that no report is older than the week, so that no sender is new.
	Young     bool                 `json:"young"`
	Silent    []digestReporterJSON `json:"silent_reporters"`
	Readiness *readinessJSON       `json:"readiness"`
}

type digestReporterJSON struct {
	Name     string `json:"name"`
	Last     string `json:"last"`
	Weeks    int    `json:"weeks"` // of the four before, with a report
	Messages int64  `json:"messages"`
}

type digestRefusedJSON struct {
	Reason dmarc.Reason `json:"reason"`
	Inputs int64        `json:"inputs"`
	Last   string       `json:"last"`
}

// writeJSON writes a digest as JSON.
func (d *digest) writeJSON(w io.Writer) error {
	out := &digestJSON{
		Since: dayText(d.since), Until: dayText(d.until), Week: newCoveredJSON(&d.now), Before: newCoveredJSON(&d.before), Domains: []digestDomainJSON{},
		More: d.more, MoreMessages: d.moreMessages, Refused: []digestRefusedJSON{},
	}
	for i := range d.domains {
		one := &d.domains[i]
		domain := digestDomainJSON{
			Domain: one.name, Week: newCoveredJSON(&one.now), Before: newCoveredJSON(&one.before), New: newGroupsJSON(one.fresh), Failing: newGroupsJSON(one.failing),
			Young: one.young, Silent: []digestReporterJSON{}, Readiness: newReadinessJSON(one.readiness),
		}
		for _, r := range one.silent {
			domain.Silent = append(domain.Silent, digestReporterJSON{r.name, dayText(r.last), r.weeks, r.messages})
		}
		out.Domains = append(out.Domains, domain)
	}
	for _, r := range d.refused {
		out.Refused = append(out.Refused, digestRefusedJSON{r.Reason, r.Inputs, dayText(r.Last)})
	}
	return written(writeJSON(w, out), nil)
}

// newGroupsJSON returns groups as JSON.
func newGroupsJSON(groups []store.Group) []groupJSON {
	out := make([]groupJSON, len(groups))
	for i := range groups {
		g := &groups[i]
		out[i] = groupJSON{
			g.Name, g.Sender, g.Host, g.ASN, g.ASName, g.Country, g.Messages, g.PassMessages, g.DKIMMessages, g.SPFMessages, g.ValidMessages,
			g.Classes, g.Passed, g.Reports, g.Reporters, dayText(g.First), dayText(g.Last),
		}
	}
	return out
}
