package redis

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// errBudget is the error of a walk over the keys that is longer than it may be.
var errBudget = &collect.Error{Reason: ReasonBudget, Err: errors.New("more keys than the budget of a walk")}

// scanner is the task that walks over the keys.
type scanner struct {
	client  redis.UniversalClient // of the server itself
	config  *KeysConfig
	keys    *keyReader
	streams *streamReader
	metrics scanMetrics
	groups  groupMetrics
}

// scanMetrics are about the walk and what it counts.
type scanMetrics struct {
	calls, seen, count *collect.Family
}

func newScanMetrics(t *collect.Families) scanMetrics {
	return scanMetrics{
		calls: t.Gauge("exporter_background_scan_calls", "Calls of SCAN in the last complete walk over the keys."),
		seen:  t.Gauge("exporter_background_scan_keys", "Keys seen in the last complete walk over the keys."),
		count: t.Gauge("keys_count", "Keys that match a pattern.", "db", "key"),
	}
}

// walk is one walk over the keys of all nodes, for all patterns at once.
type walk struct {
	*result
	config *KeysConfig

	calls, keys int
	counts      map[Key]int
	absent      map[int]bool // databases that are not there
	groups      groups
	singles     map[Key]bool // matches of the current node
	streams     map[Key]bool
	single      int // matches of all nodes
	budget      int // of streams, their groups and consumers
}

// run walks over the keys. An incomplete walk is an error: a count of a part of
// the keys would look like a loss of keys. A database that is not there costs
// what is asked of it.
func (s *scanner) run(ctx context.Context, r *result) error {
	if skip, err := s.config.skips(ctx, s.client); skip || err != nil {
		return err
	}
	start := time.Now()
	w := &walk{
		result: r, config: s.config, budget: s.config.MaxKeys, counts: map[Key]int{}, absent: map[int]bool{},
		groups: groups{patterns: s.config.Groups, limit: s.config.MaxGroups, found: map[int]map[string]*group{}},
	}
	nodes, err := mastersOf(ctx, s.config.clientOr(s.client))
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if err := s.scanNode(ctx, node, w); err != nil {
			return err
		}
	}
	r.add(s.metrics.calls, float64(w.calls))
	r.add(s.metrics.seen, float64(w.keys))
	for _, p := range s.config.Counts {
		if !w.absent[p.DB] {
			r.add(s.metrics.count, float64(w.counts[p]), label(p.DB), p.Name)
		}
	}
	w.groups.write(&s.groups, r)
	if len(s.config.Groups) > 0 {
		r.groupTime = time.Since(start)
	}
	return nil
}

func (s *scanner) scanNode(ctx context.Context, node redis.UniversalClient, w *walk) error {
	databases, err := w.databases(ctx, node)
	if err != nil {
		return err
	}
	w.singles, w.streams = map[Key]bool{}, map[Key]bool{}
	for _, db := range databases {
		if err := w.scan(ctx, node, db); err != nil {
			if !w.leaves(err) {
				return err
			}
			w.absent[db] = true
		}
	}
	for db, names := range byDatabase(slices.Collect(maps.Keys(w.singles))) {
		if err := s.keys.inspect(ctx, node, db, names, w.result); err != nil {
			return err
		}
	}
	for db, names := range byDatabase(slices.Collect(maps.Keys(w.streams))) {
		if err := s.streams.read(ctx, node, db, names, &w.budget, w.result); err != nil {
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
		w.groups.add(db, replies[:len(last)])
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
