package redis

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// streamFamilies are about streams, their groups and consumers.
type streamFamilies struct {
	streamNumbers, groupNumbers   map[string]*family // by field of XINFO
	consumerPending, consumerIdle *family
}

func newStreamFamilies(t *table) streamFamilies {
	stream := func(name, help string) *family { return t.gauge("stream_"+name, help, "db", "stream") }
	group := func(name, help string) *family { return t.gauge("stream_group_"+name, help, "db", "group", "stream") }
	consumer := func(name, help string) *family {
		return t.gauge("stream_group_consumer_"+name, help, "consumer", "db", "group", "stream")
	}
	return streamFamilies{
		streamNumbers: map[string]*family{
			"length":               stream("length", "Entries of a stream."),
			"radix-tree-keys":      stream("radix_tree_keys", "Keys of the radix tree of a stream."),
			"radix-tree-nodes":     stream("radix_tree_nodes", "Nodes of the radix tree of a stream."),
			"groups":               stream("groups", "Consumer groups of a stream."),
			"last-generated-id":    stream("last_generated_id", "Id last given to an entry of a stream, its part in milliseconds."),
			"max-deleted-entry-id": stream("max_deleted_entry_id", "Highest id of a deleted entry of a stream, its part in milliseconds."),
			"first-entry":          stream("first_entry_id", "Id of the first entry of a stream, its part in milliseconds."),
			"last-entry":           stream("last_entry_id", "Id of the last entry of a stream, its part in milliseconds."),
			"entries-added":        t.counter("stream_entries_added_total", "Entries ever added to a stream.", "db", "stream"),
		},
		groupNumbers: map[string]*family{
			"consumers":         group("consumers", "Consumers of a group."),
			"pending":           group("messages_pending", "Entries delivered to a group and not acknowledged."),
			"last-delivered-id": group("last_delivered_id", "Id last delivered to a group, its part in milliseconds."),
			"entries-read":      group("entries_read", "Entries ever delivered to a group."),
			"lag":               group("lag", "Entries that wait for delivery to a group."),
		},
		consumerPending: consumer("messages_pending", "Entries delivered to a consumer and not acknowledged."),
		consumerIdle:    consumer("idle_seconds", "Time since a consumer last tried to read."),
	}
}

// streams writes those of names that are streams. budget is how many streams,
// groups and consumers may still be written.
func (c *Collector) streams(ctx context.Context, client redis.Cmdable, db int, names []string, budget *int, r *result) error {
	types, err := c.types(ctx, client, db, names)
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
		r.numbers(r.streamNumbers, replies[i].value, label(db), stream)
		for _, g := range r.groups(replies[i+1], db, stream, budget) {
			commands = append(commands, command{"XINFO", "CONSUMERS", stream, g})
		}
	}
	if len(commands) == 0 || c.config.Keys.NoConsumers {
		return nil
	}
	if replies, err = callDB(ctx, client, db, commands); err != nil {
		return err
	}
	for _, reply := range replies {
		r.consumers(reply, db, budget)
	}
	return nil
}

// spend takes one of the budget for something called name.
func (r *result) spend(budget *int, name string) bool {
	if *budget <= 0 || len(name) > maxName {
		r.dropped++
		return false
	}
	*budget--
	return true
}

// numbers writes the fields of a reply of XINFO that have a family.
func (r *result) numbers(families map[string]*family, v any, labels ...string) {
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
func (r *result) groups(reply reply, db int, stream string, budget *int) []string {
	list, err := reply.list()
	if err != nil {
		return nil // The stream has gone meanwhile.
	}
	var names []string
	for _, g := range list {
		name := fieldText(g, "name")
		if r.spend(budget, name) {
			names = append(names, name)
			r.numbers(r.groupNumbers, g, label(db), name, stream)
		}
	}
	return names
}

// consumers writes a reply to XINFO CONSUMERS.
func (r *result) consumers(reply reply, db int, budget *int) {
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
		for k, v := range fields(c) {
			switch n, ok := toNumber(v); {
			case !ok:
			case k == "pending":
				r.add(r.consumerPending, n, name, label(db), group, stream)
			case k == "idle":
				r.add(r.consumerIdle, n/1e3, name, label(db), group, stream)
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
