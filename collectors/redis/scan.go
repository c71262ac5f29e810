package redis

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// walk is one walk over the keys of all nodes, for all patterns at once.
type walk struct {
	*result
	config *KeysConfig

	calls, keys int
	counts      map[Key]int
	groups      map[int]map[string]*group // by database
	singles     map[Key]bool              // matches of the current node
	streams     map[Key]bool
	single      int // matches of all nodes
	budget      int // of streams, their groups and consumers
}

// group is what is known of a group of keys.
type group struct{ keys, bytes float64 }

// overflow is the group of what does not fit.
const overflow = "overflow"

// scan is the task that walks over the keys. An incomplete walk is an error: a
// count of a part of the keys would look like a loss of keys.
func (c *Collector) scan(ctx context.Context, r *result) error {
	if skip, err := c.skip(ctx); skip || err != nil {
		return err
	}
	start := time.Now()
	w := &walk{
		result: r, config: &c.config.Keys, budget: c.config.Keys.MaxKeys,
		counts: map[Key]int{}, groups: map[int]map[string]*group{},
	}
	nodes, err := masters(ctx, c.keyClient())
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if err := c.scanNode(ctx, node, w); err != nil {
			return err
		}
	}
	w.write()
	if len(w.config.Groups) > 0 {
		r.groupTime = time.Since(start)
	}
	return nil
}

// masters returns a client for each node that has keys of its own.
func masters(ctx context.Context, client redis.UniversalClient) ([]redis.UniversalClient, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return []redis.UniversalClient{client}, nil
	}
	var mu sync.Mutex
	var nodes []redis.UniversalClient
	err := cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		nodes = append(nodes, node)
		return nil
	})
	return nodes, err
}

func (c *Collector) scanNode(ctx context.Context, node redis.UniversalClient, w *walk) error {
	databases, err := w.databases(ctx, node)
	if err != nil {
		return err
	}
	w.singles, w.streams = map[Key]bool{}, map[Key]bool{}
	for _, db := range databases {
		if err := w.scan(ctx, node, db); err != nil {
			return err
		}
	}
	for db, names := range byDatabase(slices.Collect(maps.Keys(w.singles))) {
		if err := c.inspect(ctx, node, db, names, w.result); err != nil {
			return err
		}
	}
	for db, names := range byDatabase(slices.Collect(maps.Keys(w.streams))) {
		if err := c.streams(ctx, node, db, names, &w.budget, w.result); err != nil {
			return err
		}
	}
	return nil
}

// databases returns the databases to walk over: those of the patterns, and with
// groups all that have keys.
func (w *walk) databases(ctx context.Context, node redis.Cmdable) ([]int, error) {
	wanted := map[int]bool{}
	for _, patterns := range [][]Key{w.config.Patterns, w.config.Counts, w.config.StreamPatterns} {
		for _, p := range patterns {
			wanted[p.DB] = true
		}
	}
	if len(w.config.Groups) > 0 {
		replies, err := call(ctx, node, []command{{"INFO", "KEYSPACE"}})
		if err != nil {
			return nil, err
		}
		text, err := replies[0].text()
		if err != nil {
			return nil, err
		}
		for _, line := range parseInfo(text) {
			if isNumbered(line.key, "db") && len(wanted) < maxDatabases {
				n, _ := number(strings.TrimPrefix(line.key, "db"))
				wanted[int(n)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(wanted)), nil
}

// scan walks over a database. Each round trip asks for the next keys, and for
// the memory of the last ones if they are sorted into groups. The walk rests as
// long as it works, so that it never has the server to itself.
func (w *walk) scan(ctx context.Context, node redis.Cmdable, db int) error {
	filter := w.filter(db)
	cursor, last := "0", []string(nil)
	for more := true; more || len(last) > 0; {
		start := time.Now()
		commands := make([]command, 0, len(last)+1)
		for _, name := range last {
			commands = append(commands, command{"MEMORY", "USAGE", name})
		}
		if more {
			w.calls++
			commands = append(commands, append(command{"SCAN", cursor}, filter...))
		}
		replies, err := callDB(ctx, node, db, commands)
		if err != nil {
			return err
		}
		w.sort(db, replies[:len(last)])
		last = nil
		if more {
			var names []string
			if cursor, names, err = scanned(replies[len(replies)-1]); err != nil {
				return err
			}
			more = cursor != "0"
			if w.keys += len(names); w.keys > w.config.MaxScanned {
				return errBudget
			}
			w.match(db, names)
			if len(w.config.Groups) > 0 {
				last = names
			}
		}
		if err := pause(ctx, time.Since(start)); err != nil {
			return err
		}
	}
	return nil
}

// filter returns the options of SCAN. The server filters if there is but one
// pattern.
func (w *walk) filter(db int) command {
	filter := command{"COUNT", w.config.BatchSize}
	only := map[string]bool{}
	for _, patterns := range [][]Key{w.config.Patterns, w.config.Counts, w.config.StreamPatterns} {
		for _, p := range patterns {
			if p.DB == db {
				only[p.Name] = true
			}
		}
	}
	if len(only) == 1 && len(w.config.Groups) == 0 {
		for name := range only {
			filter = append(filter, "MATCH", name)
		}
	}
	return filter
}

// scanned returns the cursor and the keys of a reply to SCAN.
func scanned(r reply) (cursor string, names []string, err error) {
	parts, err := r.list()
	if err != nil {
		return "", nil, err
	}
	if len(parts) != 2 {
		return "", nil, errReply
	}
	list, ok := parts[1].([]any)
	if !ok {
		return "", nil, errReply
	}
	names = make([]string, len(list))
	for i, name := range list {
		names[i] = toText(name)
	}
	return toText(parts[0]), names, nil
}

// pause waits for a while.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// match notes which patterns keys match.
func (w *walk) match(db int, names []string) {
	for _, name := range names {
		for _, p := range w.config.Counts {
			if p.DB == db && glob(p.Name, name) {
				w.counts[p]++
			}
		}
		k := Key{db, name}
		if !slices.Contains(w.config.Single, k) {
			w.note(w.singles, &w.single, w.config.Patterns, k)
		}
		if !slices.Contains(w.config.Streams, k) {
			used := w.config.MaxKeys - w.budget + len(w.streams)
			w.note(w.streams, &used, w.config.StreamPatterns, k)
		}
	}
}

// note adds a key to a set if it matches a pattern and there is room.
func (w *walk) note(set map[Key]bool, used *int, patterns []Key, k Key) {
	if set[k] || !slices.ContainsFunc(patterns, func(p Key) bool { return p.DB == k.DB && glob(p.Name, k.Name) }) {
		return
	}
	if *used >= w.config.MaxKeys || len(k.Name) > maxName {
		w.dropped++
		return
	}
	set[k] = true
	*used++
}

// sort adds keys to their groups by the replies to MEMORY USAGE.
func (w *walk) sort(db int, replies []reply) {
	groups := w.groups[db]
	if groups == nil && len(w.config.Groups) > 0 {
		groups = map[string]*group{}
		w.groups[db] = groups
	}
	for _, r := range replies {
		bytes, ok := toNumber(r.value)
		if r.err != nil || !ok {
			continue // It has gone meanwhile.
		}
		name := strings.ToValidUTF8(w.groupOf(toText(r.command[2])), "\uFFFD")
		g := groups[name]
		if g == nil && (len(groups) >= 10*w.config.MaxGroups || len(name) > maxName) {
			name = overflow
			g = groups[name]
		}
		if g == nil {
			g = &group{}
			groups[name] = g
		}
		g.keys++
		g.bytes += bytes
	}
}

// groupOf returns the captures of the first expression that matches.
func (w *walk) groupOf(name string) string {
	for _, re := range w.config.Groups {
		if m := re.FindStringSubmatch(name); m != nil {
			return strings.Join(m[1:], "")
		}
	}
	return "unclassified"
}

// write writes what the walk has counted.
func (w *walk) write() {
	w.add(w.scanCalls, float64(w.calls))
	w.add(w.scanKeys, float64(w.keys))
	for _, p := range w.config.Counts {
		w.add(w.keysCount, float64(w.counts[p]), label(p.DB), p.Name)
	}
	for db, groups := range w.groups {
		w.add(w.groupsFound, float64(len(groups)), label(db))
		largest := slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
			return cmp.Or(cmp.Compare(groups[b].bytes, groups[a].bytes), strings.Compare(a, b))
		})
		rest, shown := group{}, 0
		for _, name := range largest {
			g := groups[name]
			if shown == w.config.MaxGroups || name == overflow {
				rest.keys, rest.bytes = rest.keys+g.keys, rest.bytes+g.bytes
				continue
			}
			shown++
			w.add(w.groupCount, g.keys, label(db), name)
			w.add(w.groupMemory, g.bytes, label(db), name)
		}
		if rest.keys > 0 {
			w.add(w.groupCount, rest.keys, label(db), overflow)
			w.add(w.groupMemory, rest.bytes, label(db), overflow)
		}
	}
}
