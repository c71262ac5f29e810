package redis

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// keyReader reads keys and queues that are known by name.
type keyReader struct {
	config  *KeysConfig
	metrics keyMetrics
}

func newKeyReader(config *KeysConfig, t *collect.Families) *keyReader {
	return &keyReader{config, newKeyMetrics(t)}
}

// keyMetrics are about single keys and queues.
type keyMetrics struct {
	size, memory, value, text, queueLength *collect.Family
}

func newKeyMetrics(t *collect.Families) keyMetrics {
	return keyMetrics{
		size:        t.Gauge("key_size", "Length of a key's value: bytes, elements or entries.", "db", "key"),
		memory:      t.Gauge("key_memory_usage_bytes", "Memory of a key and its value.", "db", "key"),
		value:       t.Gauge("key_value", "Value of a key that is a number.", "db", "key"),
		text:        t.Gauge("key_value_as_string", "Constant 1, labelled with the value of a key that is no number.", "db", "key", "val"),
		queueLength: t.Gauge("queue_length", "Elements of a queue, 0 if it does not exist.", "db", "queue"),
	}
}

// sizeCommands are the commands for the length of a value, by its type.
var sizeCommands = map[string]string{
	"string": "STRLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN",
}

func label(db int) string { return "db" + strconv.Itoa(db) }

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

// typesOf returns the types of keys, "none" of those that do not exist and "" of
// those that the user may not see.
func typesOf(ctx context.Context, client redis.Cmdable, db int, names []string, r *result) ([]string, error) {
	commands := make([]command, len(names))
	for i, name := range names {
		commands[i] = command{"TYPE", name}
	}
	replies, err := callDB(ctx, client, db, commands)
	if err != nil {
		return nil, err
	}
	types := make([]string, len(names))
	for i, one := range replies {
		if types[i], err = one.text(); err != nil && !r.leaves(err) {
			return nil, err
		}
	}
	return types, nil
}

// queues writes the lengths of queues.
func (k *keyReader) queues(ctx context.Context, client redis.Cmdable, db int, names []string, r *result) error {
	types, err := typesOf(ctx, client, db, names, r)
	if err != nil {
		return err
	}
	var commands []command
	var asked []string
	for i, name := range names {
		if size, ok := sizeCommands[types[i]]; ok {
			commands, asked = append(commands, command{size, name}), append(asked, name)
		} else if types[i] != "" {
			r.add(k.metrics.queueLength, 0, label(db), name)
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
			r.add(k.metrics.queueLength, n, label(db), asked[i])
		}
	}
	return nil
}

// inspect writes size, memory and value of keys, a batch at a time.
func (k *keyReader) inspect(ctx context.Context, client redis.Cmdable, db int, names []string, r *result) error {
	for batch := range slices.Chunk(names, k.config.BatchSize) {
		types, err := typesOf(ctx, client, db, batch, r)
		if err != nil {
			return err
		}
		var commands []command
		for i, name := range batch {
			if types[i] == "none" || types[i] == "" {
				continue // It has gone, was never there, or is not to be seen.
			}
			commands = append(commands, command{"MEMORY", "USAGE", name})
			if size, ok := sizeCommands[types[i]]; ok {
				commands = append(commands, command{size, name})
			}
			if types[i] == "string" && !k.config.NoValues {
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
			k.write(db, reply, r)
		}
	}
	return nil
}

// write writes the reply to one command of inspect.
func (k *keyReader) write(db int, reply reply, r *result) {
	name := toText(reply.command[len(reply.command)-1])
	if reply.command[0] == "GETRANGE" {
		k.writeContent(db, toText(reply.command[1]), reply, r)
		return
	}
	n, ok := toNumber(reply.value)
	if reply.err != nil || !ok {
		return
	}
	family := k.metrics.size
	if reply.command[0] == "MEMORY" {
		family = k.metrics.memory
	}
	r.add(family, n, label(db), name)
}

// writeContent writes the value of a key. GETRANGE brought one byte more than a
// label may have.
func (k *keyReader) writeContent(db int, name string, reply reply, r *result) {
	text, err := reply.text()
	switch {
	case err != nil:
	case len(text) > maxValue:
		r.dropped++
	default:
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			r.add(k.metrics.value, v, label(db), name)
		} else {
			r.add(k.metrics.text, 1, label(db), name, text)
		}
	}
}
