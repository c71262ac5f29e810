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

// budget is how many series may exist because of the labels of each pool.
type budget [pools]int

func newBudget(c Config) budget {
	free := max(c.Budget-reserved, 0)
	b := budget{}
	if c.Signers {
		b[poolSigner] = free / 2
		free -= b[poolSigner]
	}
	b[poolReporter], b[poolSource] = free/4, free/5
	b[poolDomain] = free - b[poolReporter] - b[poolSource]
	return b
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

// cost returns the pool of a series and how many series it brings; nothing for
// a series without a label that untrusted input chose.
func (t *Tally) cost(f Family, labels []string) (p pool, n int) {
	switch f {
	case Messages, AuthenticMessages, TLSSessions, TLSFailures, Failures:
		return poolDomain, t.dynamic(labels[0])
	case ClassMessages:
		return poolDomain, (1 + windowSeries) * t.dynamic(labels[0])
	case SourceMessages:
		if !stands(labels[1]) {
			return poolSource, 1
		}
		return poolDomain, t.dynamic(labels[0])
	case Reports:
		return poolReporter, t.dynamic(labels[1])
	case ReporterMessages, AuthenticReporterMessages, reporterEndFamily:
		return poolReporter, t.dynamic(labels[0])
	case SignerMessages:
		if !allOther(labels[:4]) {
			return poolSigner, 1
		}
	}
	return 0, 0
}

// dynamic returns 1 for a label value that counts towards the budget. The
// domains of the configuration do not: their number is the operator's choice.
func (t *Tally) dynamic(label string) int {
	if stands(label) || t.mine[label] {
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
			d.increase(1, Overflow, p.label())
			d.add(n, f, fold(f, labels)...)
			return
		}
		d.used[p] += cost
	}
	d.sums.add(n, d.now)
}

func allOther(labels []string) bool {
	return !slices.ContainsFunc(labels, func(label string) bool { return label != Other })
}

// fold replaces the label that untrusted input chose.
func fold(f Family, labels []string) []string {
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
