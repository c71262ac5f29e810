// Package redis turns a Redis server, or one that speaks like it (Valkey, KeyDB,
// Dragonfly), into Prometheus metrics.
//
// [New] takes an open client and returns a [Collector]. One collection costs one
// round trip, two the first time, on a connection that stays open: INFO, CONFIG
// GET, SLOWLOG, LATENCY, MEMORY STATS and CLIENT LIST travel in one pipeline.
// Names, types and labels are those of the established redis_exporter, so that
// dashboards and alerts work unchanged.
//
// Whatever walks over keys or runs scripts is not part of a collection.
// [Collector.Run] does it beside, at an interval and within budgets; a
// collection exposes the last result and its age.
//
// A server that cannot be asked gives redis_up 0 and one of the values of
// [Reason]; its cause is logged once, without secrets. A server that refuses
// single commands, as managed ones do, gives everything else.
//
// The client should honour contexts (ContextTimeoutEnabled), or a deadline
// cannot end a collection early. Both protocol versions are understood.
package redis
