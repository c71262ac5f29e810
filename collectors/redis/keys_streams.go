package redis

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// streamReader reads streams that are known by name.
type streamReader struct {
	config  *KeysConfig
	metrics streamMetrics
}

func newStreamReader(config *KeysConfig, t *collect.Families) *streamReader {
	return &streamReader{config, newStreamMetrics(t)}
}

// streamMetrics are about streams, their groups and consumers.
type streamMetrics struct {
	numbers, groupNumbers         map[string]*collect.Family // by field of XINFO
	consumerPending, consumerIdle *collect.Family
}

func newStreamMetrics(t *collect.Families) streamMetrics {
	stream := func(name, help string) *collect.Family { return t.Gauge("stream_"+name, help, "db", "stream") }
	count := func(name, help string) *collect.Family {
		return t.Counter("stream_"+name, help, "db", "stream")
	}
	group := func(name, help string) *collect.Family {
		return t.Gauge("stream_group_"+name, help, "db", "group", "stream")
	}
	consumer := func(name, help string) *collect.Family {
		return t.Gauge("stream_group_consumer_"+name, help, "consumer", "db", "group", "stream")
	}
	return streamMetrics{
		numbers: map[string]*collect.Family{
			"length":               stream("length", "Entries of a stream."),
			"radix-tree-keys":      stream("radix_tree_keys", "Keys of the radix tree of a stream."),
			"radix-tree-nodes":     stream("radix_tree_nodes", "Nodes of the radix tree of a stream."),
			"groups":               stream("groups", "Consumer groups of a stream."),
			"last-generated-id":    stream("last_generated_id", "Id last given to an entry of a stream, its part in milliseconds."),
			"max-deleted-entry-id": stream("max_deleted_entry_id", "Highest id of a deleted entry of a stream, its part in milliseconds."),
			"first-entry":          stream("first_entry_id", "Id of the first entry of a stream, its part in milliseconds."),
			"last-entry":           stream("last_entry_id", "Id of the last entry of a stream, its part in milliseconds."),
			"entries-added":        count("entries_added_total", "Entries ever added to a stream."),
			"idmp-duration":        stream("idmp_duration_seconds", "Time for which an id that makes an entry unique is kept."),
			"idmp-maxsize":         stream("idmp_max_size", "Most ids of a producer that are kept to make entries unique."),
			"pids-tracked":         stream("idmp_producer_ids_tracked", "Producers of a stream whose entries are made unique."),
			"iids-tracked":         stream("idmp_idempotent_ids_tracked", "Ids of a stream that are kept to make entries unique."),
			"iids-added":           count("idmp_entries_added_total", "Entries ever added to a stream with an id that makes them unique."),
			"iids-duplicates":      count("idmp_duplicates_total", "Entries that were not added to a stream because they were there."),
		},
		groupNumbers: map[string]*collect.Family{
			"consumers":         group("consumers", "Consumers of a group."),
			"pending":           group("messages_pending", "Entries delivered to a group and not acknowledged."),
			"last-delivered-id": group("last_delivered_id", "Id last delivered to a group, its part in milliseconds."),
			"entries-read":      group("entries_read", "Entries ever delivered to a group."),
			"lag":               group("lag", "Entries that wait for delivery to a group."),
			"nacked-count":      group("messages_nacked", "Entries that consumers of a group gave back."),
		},
		consumerPending: consumer("messages_pending", "Entries delivered to a consumer and not acknowledged."),
		consumerIdle:    consumer("idle_seconds", "Time since a consumer last tried to read."),
	}
}

// read writes those of names that are streams. budget is how many streams,
// groups and consumers may still be written.
func (s *streamReader) read(ctx context.Context, client redis.Cmdable, db int, names []string, budget *int, r *result) error {
	types, err := typesOf(ctx, client, db, names, r)
	if err != nil {
		return err
	}
	var commands []command
	for i, name := range names {
		if types[i] == "stream" {
			commands = append(commands, command{"XINFO", "STREAM", name}, command{"XINFO", "GROUPS", name})
		}
	}
	if len(commands) == 0 {
		return nil
	}
	replies, err := callDB(ctx, client, db, commands)
	if err != nil {
		return err
	}
	commands = nil
	for i := 0; i+1 < len(replies); i += 2 {
		stream := toText(replies[i].command[2])
		if !r.spend(budget, stream) {
			continue
		}
		numbers(r, s.metrics.numbers, replies[i].value, label(db), stream)
		for _, g := range s.groups(replies[i+1], db, stream, budget, r) {
			commands = append(commands, command{"XINFO", "CONSUMERS", stream, g})
		}
	}
	if len(commands) == 0 || s.config.NoConsumers {
		return nil
	}
	if replies, err = callDB(ctx, client, db, commands); err != nil {
		return err
	}
	for _, reply := range replies {
		s.consumers(reply, db, budget, r)
	}
	return nil
}

// numbers writes the fields of a reply of XINFO that have a family.
func numbers(r *result, families map[string]*collect.Family, v any, labels ...string) {
	for name, value := range fields(v) {
		if f := families[name]; f != nil {
			if n, ok := streamNumber(value); ok {
				r.add(f, n, labels...)
			}
		}
	}
}

// streamNumber reads a number, an id like "1638006862416-0", of which it takes
// the milliseconds, or an entry, of which it takes the id.
func streamNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case []any:
		if len(v) == 0 {
			return 0, false
		}
		return streamNumber(v[0])
	case string:
		millis, _, _ := strings.Cut(v, "-")
		n, err := strconv.ParseFloat(millis, 64)
		return n, err == nil
	}
	return toNumber(v)
}

// groups writes a reply to XINFO GROUPS and returns the names of the groups.
func (s *streamReader) groups(reply reply, db int, stream string, budget *int, r *result) []string {
	list, err := reply.list()
	if err != nil {
		return nil // The stream has gone meanwhile.
	}
	var names []string
	for _, g := range list {
		name := fieldText(g, "name")
		if r.spend(budget, name) {
			names = append(names, name)
			numbers(r, s.metrics.groupNumbers, g, label(db), name, stream)
		}
	}
	return names
}

// consumers writes a reply to XINFO CONSUMERS.
func (s *streamReader) consumers(reply reply, db int, budget *int, r *result) {
	list, err := reply.list()
	if err != nil {
		return // The group has gone meanwhile.
	}
	stream, group := toText(reply.command[2]), toText(reply.command[3])
	for _, c := range list {
		name := fieldText(c, "name")
		if !r.spend(budget, name) {
			continue
		}
		for field, v := range fields(c) {
			switch n, ok := toNumber(v); {
			case !ok:
			case field == "pending":
				r.add(s.metrics.consumerPending, n, name, label(db), group, stream)
			case field == "idle":
				r.add(s.metrics.consumerIdle, n/1e3, name, label(db), group, stream)
			}
		}
	}
}

// fieldText returns the field of a map called name.
func fieldText(v any, name string) string {
	for k, value := range fields(v) {
		if k == name {
			return toText(value)
		}
	}
	return ""
}
