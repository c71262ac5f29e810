package redis

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// nodeOf returns the client to ask: of a cluster, the owner of the first slot.
func nodeOf(ctx context.Context, client redis.UniversalClient) (redis.UniversalClient, error) {
	if cluster, ok := client.(*redis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, "")
	}
	return client, nil
}

// mastersOf returns a client for each node that has keys of its own.
func mastersOf(ctx context.Context, client redis.UniversalClient) ([]redis.UniversalClient, error) {
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

// callDB is call in a database: the connection returns to its own afterwards.
func callDB(ctx context.Context, client redis.Cmdable, db int, commands []command) ([]reply, error) {
	own := 0
	if c, ok := client.(*redis.Client); ok {
		own = c.Options().DB
	}
	if db == own {
		return call(ctx, client, commands)
	}
	all := append([]command{{"SELECT", db}}, commands...)
	replies, err := call(ctx, client, append(all, command{"SELECT", own}))
	if err != nil {
		return nil, err
	}
	if replies[0].err != nil {
		return nil, replies[0].err // The other commands ran elsewhere.
	}
	return replies[1 : len(replies)-1], nil
}

// isMaster reports whether the server is a master.
func isMaster(ctx context.Context, client redis.UniversalClient) (bool, error) {
	node, err := nodeOf(ctx, client)
	if err != nil {
		return false, err
	}
	replies, err := call(ctx, node, []command{{"ROLE"}})
	if err != nil {
		return false, err
	}
	role, err := replies[0].list()
	if err != nil {
		return false, err
	}
	return len(role) > 0 && toText(role[0]) == "master", nil
}

// clientOr returns the client that reaches all keys.
func (k *KeysConfig) clientOr(client redis.UniversalClient) redis.UniversalClient {
	if k.Client != nil {
		return k.Client
	}
	return client
}

// skips reports whether the work on keys is left to the replicas.
func (k *KeysConfig) skips(ctx context.Context, client redis.UniversalClient) (bool, error) {
	if !k.SkipOnMaster {
		return false, nil
	}
	return isMaster(ctx, client)
}
