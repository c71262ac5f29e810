package redis

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// keyFamilies are about single keys, counts and groups of keys.
type keyFamilies struct {
	keySize, keyMemory, keyValue, keyText *family
	keysCount, queueLength                *family
	groupCount, groupMemory, groupsFound  *family
}

func newKeyFamilies(t *table) keyFamilies {
	return keyFamilies{
		keySize:     t.gauge("key_size", "Length of a key's value: bytes, elements or entries.", "db", "key"),
		keyMemory:   t.gauge("key_memory_usage_bytes", "Memory of a key and its value.", "db", "key"),
		keyValue:    t.gauge("key_value", "Value of a key that is a number.", "db", "key"),
		keyText:     t.gauge("key_value_as_string", "Constant 1, labelled with the value of a key that is no number.", "db", "key", "val"),
		keysCount:   t.gauge("keys_count", "Keys that match a pattern.", "db", "key"),
		queueLength: t.gauge("queue_length", "Elements of a queue, 0 if it does not exist.", "db", "queue"),
		groupCount:  t.gauge("key_group_count", "Keys of a group.", "db", "key_group"),
		groupMemory: t.gauge("key_group_memory_usage_bytes", "Memory of the keys of a group and their values.", "db", "key_group"),
		groupsFound: t.gauge("number_of_distinct_key_groups", "Groups of keys, at least.", "db"),
	}
}

// sizeCommands tell the length of a value, by type.
var sizeCommands = map[string]string{
	"string": "STRLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN",
}

func label(db int) string { return "db" + strconv.Itoa(db) }

// exactKeys is the task for keys that are asked for by name.
func (c *Collector) exactKeys(ctx context.Context, r *result) error {
	if skip, err := c.skip(ctx); skip || err != nil {
		return err
	}
	k, client := &c.config.Keys, c.keyClient()
	for db, names := range byDatabase(k.Queues) {
		if err := c.queues(ctx, client, db, names, r); err != nil {
			return err
		}
	}
	for db, names := range byDatabase(k.Single) {
		if err := c.inspect(ctx, client, db, names, r); err != nil {
			return err
		}
	}
	budget := k.MaxKeys
	for db, names := range byDatabase(k.Streams) {
		if err := c.streams(ctx, client, db, names, &budget, r); err != nil {
			return err
		}
	}
	return nil
}

// byDatabase groups names.
func byDatabase(keys []Key) map[int][]string {
	names := map[int][]string{}
	for _, k := range keys {
		if !slices.Contains(names[k.DB], k.Name) {
			names[k.DB] = append(names[k.DB], k.Name)
		}
	}
	return names
}

// types returns the types of keys, "none" of those that do not exist.
func (c *Collector) types(ctx context.Context, client redis.Cmdable, db int, names []string) ([]string, error) {
	commands := make([]command, len(names))
	for i, name := range names {
		commands[i] = command{"TYPE", name}
	}
	replies, err := callDB(ctx, client, db, commands)
	if err != nil {
		return nil, err
	}
	types := make([]string, len(names))
	for i, r := range replies {
		if types[i], err = r.text(); err != nil {
			return nil, err
		}
	}
	return types, nil
}

// queues writes the lengths of queues.
func (c *Collector) queues(ctx context.Context, client redis.Cmdable, db int, names []string, r *result) error {
	types, err := c.types(ctx, client, db, names)
	if err != nil {
		return err
	}
	var commands []command
	var asked []string
	for i, name := range names {
		if size, ok := sizeCommands[types[i]]; ok {
			commands, asked = append(commands, command{size, name}), append(asked, name)
		} else {
			r.add(r.queueLength, 0, label(db), name)
		}
	}
	if len(commands) == 0 {
		return nil
	}
	replies, err := callDB(ctx, client, db, commands)
	if err != nil {
		return err
	}
	for i, reply := range replies {
		if n, ok := toNumber(reply.value); ok && reply.err == nil {
			r.add(r.queueLength, n, label(db), asked[i])
		}
	}
	return nil
}

// inspect writes size, memory and value of keys, a batch at a time.
func (c *Collector) inspect(ctx context.Context, client redis.Cmdable, db int, names []string, r *result) error {
	for batch := range slices.Chunk(names, c.config.Keys.BatchSize) {
		types, err := c.types(ctx, client, db, batch)
		if err != nil {
			return err
		}
		var commands []command
		for i, name := range batch {
			if types[i] == "none" {
				continue // It has gone, or was never there.
			}
			commands = append(commands, command{"MEMORY", "USAGE", name})
			if size, ok := sizeCommands[types[i]]; ok {
				commands = append(commands, command{size, name})
			}
			if types[i] == "string" && !c.config.Keys.NoValues {
				commands = append(commands, command{"GETRANGE", name, 0, maxValue})
			}
		}
		if len(commands) == 0 {
			continue
		}
		replies, err := callDB(ctx, client, db, commands)
		if err != nil {
			return err
		}
		for _, reply := range replies {
			r.key(db, reply)
		}
	}
	return nil
}

// key writes what one command of inspect told.
func (r *result) key(db int, reply reply) {
	name := toText(reply.command[len(reply.command)-1])
	if reply.command[0] == "GETRANGE" {
		r.keyContent(db, toText(reply.command[1]), reply)
		return
	}
	n, ok := toNumber(reply.value)
	if reply.err != nil || !ok {
		return
	}
	family := r.keySize
	if reply.command[0] == "MEMORY" {
		family = r.keyMemory
	}
	r.add(family, n, label(db), name)
}

// keyContent writes the value of a key. GETRANGE brought one byte more than a
// label may have.
func (r *result) keyContent(db int, name string, reply reply) {
	text, err := reply.text()
	switch {
	case err != nil:
	case len(text) > maxValue:
		r.dropped++
	default:
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			r.add(r.keyValue, v, label(db), name)
		} else {
			r.add(r.keyText, 1, label(db), name, text)
		}
	}
}
