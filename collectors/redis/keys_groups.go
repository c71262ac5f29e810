package redis

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// groups sorts keys into groups by their names.
type groups struct {
	patterns []*regexp.Regexp
	limit    int
	found    map[int]map[string]*group // by database
}

// group is what is known of a group of keys.
type group struct{ keys, bytes float64 }

// overflow is the group of what does not fit.
const overflow = "overflow"

// groupMetrics are about groups of keys.
type groupMetrics struct {
	count, memory, found *collect.Family
}

func newGroupMetrics(t *collect.Families) groupMetrics {
	return groupMetrics{
		count:  t.Gauge("key_group_count", "Keys of a group.", "db", "key_group"),
		memory: t.Gauge("key_group_memory_usage_bytes", "Memory of the keys of a group and their values.", "db", "key_group"),
		found:  t.Gauge("number_of_distinct_key_groups", "Groups of keys, at least.", "db"),
	}
}

// add adds keys to their groups by the replies to MEMORY USAGE.
func (g *groups) add(db int, replies []reply) {
	found := g.found[db]
	if found == nil && len(g.patterns) > 0 {
		found = map[string]*group{}
		g.found[db] = found
	}
	for _, r := range replies {
		bytes, ok := toNumber(r.value)
		if r.err != nil || !ok {
			continue // It has gone meanwhile.
		}
		name := strings.ToValidUTF8(g.of(toText(r.command[2])), "\uFFFD")
		one := found[name]
		if one == nil && (len(found) >= 10*g.limit || len(name) > maxName) {
			name = overflow
			one = found[name]
		}
		if one == nil {
			one = &group{}
			found[name] = one
		}
		one.keys++
		one.bytes += bytes
	}
}

// of returns the captures of the first expression that matches.
func (g *groups) of(name string) string {
	for _, re := range g.patterns {
		if m := re.FindStringSubmatch(name); m != nil {
			return strings.Join(m[1:], "")
		}
	}
	return "unclassified"
}

// write writes the largest groups, and what the others have together.
func (g *groups) write(m *groupMetrics, r *result) {
	for db, found := range g.found {
		r.add(m.found, float64(len(found)), label(db))
		largest := slices.SortedFunc(maps.Keys(found), func(a, b string) int {
			return cmp.Or(cmp.Compare(found[b].bytes, found[a].bytes), strings.Compare(a, b))
		})
		rest, shown := group{}, 0
		for _, name := range largest {
			one := found[name]
			if shown == g.limit || name == overflow {
				rest.keys, rest.bytes = rest.keys+one.keys, rest.bytes+one.bytes
				continue
			}
			shown++
			r.add(m.count, one.keys, label(db), name)
			r.add(m.memory, one.bytes, label(db), name)
		}
		if rest.keys > 0 {
			r.add(m.count, rest.keys, label(db), overflow)
			r.add(m.memory, rest.bytes, label(db), overflow)
		}
	}
}
