package redis

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// exactKeys is the task for keys that are asked for by name.
type exactKeys struct {
	client  redis.UniversalClient // of the server itself
	config  *KeysConfig
	keys    *keyReader
	streams *streamReader
}

func (e *exactKeys) run(ctx context.Context, r *result) error {
	if skip, err := e.config.skips(ctx, e.client); skip || err != nil {
		return err
	}
	client := e.config.clientOr(e.client)
	for db, names := range byDatabase(e.config.Queues) {
		if err := e.keys.queues(ctx, client, db, names, r); err != nil && !r.leaves(err) {
			return err
		}
	}
	for db, names := range byDatabase(e.config.Single) {
		if err := e.keys.inspect(ctx, client, db, names, r); err != nil && !r.leaves(err) {
			return err
		}
	}
	budget := e.config.MaxKeys
	for db, names := range byDatabase(e.config.Streams) {
		if err := e.streams.read(ctx, client, db, names, &budget, r); err != nil && !r.leaves(err) {
			return err
		}
	}
	return nil
}
