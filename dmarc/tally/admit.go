package tally

import "strings"

// What one domain and one reporter may cost in series: 20 combinations of
// disposition and verdicts, 7 classes, 21 windows, TLS and failure series for a
// domain; outcomes by kind and one sum for a reporter.
const (
	domainCost   = 70
	reporterCost = 10
	fixedCost    = 300 // closed sets, and what is under Other
)

// budget is how many domains and reporters become labels.
type budget struct{ domains, reporters int }

// newBudget splits a number of series: three quarters for domains.
func newBudget(series int) budget {
	free := max(series-fixedCost, domainCost+reporterCost)
	reporters := max(free/4/reporterCost, 1)
	return budget{domains: max((free-reporters*reporterCost)/domainCost, 1), reporters: reporters}
}

// domainLabel returns the label of messages with a From domain in a report
// about a policy domain: the first of the From domain, its parents, the policy
// domain and its parents that is ours.
func (t *Tally) domainLabel(d *delta, from, policy string) string {
	for _, name := range [...]string{from, policy} {
		for name != "" {
			if t.mine[name] {
				return t.admit(d, name)
			}
			if _, ok := d.domain(name); ok && len(t.mine) == 0 {
				return name
			}
			_, name, _ = strings.Cut(name, ".")
		}
	}
	if len(t.mine) > 0 {
		return Foreign
	}
	if policy == "" {
		return Other
	}
	return t.admit(d, policy)
}

// admit makes a domain a label when the budget lets it, or returns Other. The
// domains of the configuration are always admitted.
func (t *Tally) admit(d *delta, name string) string {
	if _, ok := d.domain(name); ok {
		return name
	}
	if !t.mine[name] && (len(d.base.domains)+len(d.domains) >= t.budget.domains || len(name) > maxLabel) {
		d.add(1, Overflow, "domain")
		return Other
	}
	d.domains[name] = domainInfo{}
	return name
}

// maxLabel bounds a label value that a stranger chose.
const maxLabel = 253

// reporterLabel returns the label of a reporter. The first half of the budget
// goes to whoever comes first; after that a reporter must have come three times,
// so that a burst of invented names does not lock real ones out.
func (t *Tally) reporterLabel(d *delta, org string) string {
	if org == "" {
		return Other
	}
	if d.base.reporters[org] || d.reporters[org] {
		return org
	}
	admitted := len(d.base.reporters) + len(d.reporters)
	if admitted < t.budget.reporters && len(org) <= maxLabel && (admitted < (t.budget.reporters+1)/2 || t.candidates.seen(org) >= 3) {
		d.reporters[org] = true
		return org
	}
	d.add(1, Overflow, "reporter")
	return Other
}

// candidates counts names that have no series yet, in bounded memory: the
// rarest one makes place for a new one.
type candidates struct {
	counts map[string]int
}

const maxCandidates = 200

func (c *candidates) seen(name string) int {
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	if _, ok := c.counts[name]; !ok && len(c.counts) >= maxCandidates {
		rarest, least := "", int(^uint(0)>>1)
		for other, n := range c.counts {
			if n < least {
				rarest, least = other, n
			}
		}
		delete(c.counts, rarest)
	}
	c.counts[name]++
	return c.counts[name]
}
