package store

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Order is an order of groups.
type Order string

// The orders. What is equal is in the order of messages, and then of names.
const (
	OrderMessages Order = "messages" // the most messages first
	OrderFailing  Order = "failing"  // the most messages that do not pass first
	OrderName     Order = "name"     // addresses as numbers
	OrderFirst    Order = "first"    // what came last to be seen first
	OrderLast     Order = "last"     // what was seen last first
)

// compare compares groups.
func (o Order) compare(a, b *Group) (order int) {
	switch o {
	case OrderFailing:
		order = cmp.Compare(b.Messages-b.PassMessages, a.Messages-a.PassMessages)
	case OrderName:
		order = compareNames(a.Name, b.Name)
	case OrderFirst:
		order = b.First.Compare(a.First)
	case OrderLast:
		order = b.Last.Compare(a.Last)
	}
	return cmp.Or(order, cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Name, b.Name))
}

// compareNames compares names, addresses by their numbers and before all others.
func compareNames(a, b string) int {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	switch {
	case errX == nil && errY == nil:
		return x.Compare(y)
	case errX == nil:
		return -1
	case errY == nil:
		return 1
	}
	return cmp.Compare(a, b)
}

// choose sorts groups, and returns those that are asked for.
func (a *Answer) choose(q *Question, groups []Group) []Group {
	a.Found = int64(len(groups))
	if q.By == ByDay {
		slices.SortFunc(groups, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
		return groups
	}
	slices.SortFunc(groups, func(a, b Group) int { return q.Order.compare(&a, &b) })
	groups = groups[min(max(q.Skip, 0), len(groups)):]
	if q.Top > 0 && len(groups) > q.Top {
		for _, g := range groups[q.Top:] {
			a.More++
			a.MoreMessages = tally.Add(a.MoreMessages, g.Messages)
		}
		groups = groups[:q.Top]
	}
	return groups
}
