package tally

import "slices"

// pool is a part of the budget of series, for one kind of label that untrusted input chooses.
type pool uint8

const (
	poolDomain pool = iota
	poolReporter
	poolSource
	poolSigner
	pools
)

func (p pool) label() string { return [...]string{"domain", "reporter", "source", "signer"}[p] }

// poolOf returns the pool with a label.
func poolOf(label string) (pool, bool) {
	for p := range pools {
		if p.label() == label {
			return p, true
		}
	}
	return 0, false
}

// reserved is how many series are set aside for closed sets of labels and for
// what is counted under Other, Foreign and Unknown. TestReserved holds it.
const reserved = 510

// DefaultBudget is the budget of series when the configuration names none.
const DefaultBudget = 2000

// free returns how many series of a budget names may have.
func free(budget int) int { return max(budget-reserved, 0) }

// budget is how many series may exist because of the labels of each share.
type budget map[share]int

// newBudget gives tenants what is theirs, as far as there is enough, and the rest
// to everybody else.
func newBudget(c Config) budget {
	b, left := budget{}, free(c.Budget)
	for _, t := range c.Tenants {
		series := min(max(t.Series, 0), left)
		left -= series
		series -= b.signers(c, t.Name, series)
		// The domains of tenants are configured and need no room.
		b[share{t.Name, poolReporter}] = series / 2
		b[share{t.Name, poolSource}] = series - series/2
	}
	left -= b.signers(c, "", left)
	b[share{"", poolReporter}], b[share{"", poolSource}] = left/4, left/5
	b[share{"", poolDomain}] = left - left/4 - left/5
	return b
}

// signers gives half of some series to signers, if they are counted.
func (b budget) signers(c Config, tenant string, series int) int {
	if !c.Signers {
		return 0
	}
	b[share{tenant, poolSigner}] = series / 2
	return series / 2
}

// What an admitted label value costs at once, and what it usually comes to.
const (
	domainCost    = 3 // last report, policy, compliant messages
	classCost     = 7 * (1 + 3)
	usualDomain   = 40
	usualReporter = 6
	usualName     = 5
	windowSeries  = 3
)

// cost returns the share of a series and how many series it brings; nothing for
// a series without a label that untrusted input chose.
func (t *Tally) cost(f Family, labels []string) (s share, n int) {
	_, tenant := cutTenant(f, labels)
	switch f {
	case Messages, AuthenticMessages, TLSSessions, TLSFailures, Failures:
		return share{"", poolDomain}, t.dynamic(labels[0])
	case ClassMessages:
		return share{"", poolDomain}, (1 + windowSeries) * t.dynamic(labels[0])
	case SourceMessages:
		if !stands(labels[1]) {
			return share{t.mine[labels[0]], poolSource}, 1
		}
		return share{"", poolDomain}, t.dynamic(labels[0])
	case Reports:
		return share{tenant, poolReporter}, t.dynamic(labels[1])
	case ReporterMessages, AuthenticReporterMessages, reporterEndFamily:
		return share{tenant, poolReporter}, t.dynamic(labels[0])
	case SignerMessages:
		if !allOther(labels[:4]) {
			return share{t.mine[labels[1]], poolSigner}, 1
		}
	}
	return share{}, 0
}

// dynamic returns 1 for a label value that counts towards the budget. The
// domains of the configuration do not: their number is the operator's choice.
func (t *Tally) dynamic(label string) int {
	if _, mine := t.mine[label]; mine || stands(label) {
		return 0
	}
	return 1
}

// add adds n to a series. A series that finds the budget spent is folded into
// Other: the budget holds whatever is sent, and no message is lost.
func (d *Delta) add(n int64, f Family, labels ...string) {
	if !d.sums.find(f, labels...) {
		p, cost := d.t.cost(f, labels)
		if cost > 0 && d.used[p]+cost > d.t.budget[p] {
			d.overflow(p)
			d.add(n, f, fold(f, labels)...)
			return
		}
		d.used.spend(p, cost)
	}
	d.sums.add(n, d.now)
}

func allOther(labels []string) bool {
	return !slices.ContainsFunc(labels, func(label string) bool { return label != Other })
}

// fold replaces the label that untrusted input chose. What it comes to is nobody's.
func fold(f Family, labels []string) []string {
	labels, _ = cutTenant(f, labels)
	folded := slices.Clone(labels)
	switch {
	case f == SignerMessages:
		return []string{Other, Other, Other, Other, labels[4]}
	case f == Reports, f == SourceMessages && !stands(labels[1]):
		folded[1] = Other
	default:
		folded[0] = Other
	}
	return folded
}
