// Package postgres keeps a store in a PostgreSQL database.
//
//	config, err := pgxpool.ParseConfig("postgres://dmarc@db.example/mail")
//	…
//	s, err := store.Open(ctx, postgres.Database{Config: config}, store.Config{})
//
// Everything is in one schema, which is created when it is missing, so that
// the database may hold other things. One process at a time writes: it holds
// an advisory lock on one connection, which must therefore not pass through a
// pooler that shares connections between transactions. Reports and records are
// partitioned by month, and old months are dropped as a whole.
package postgres
