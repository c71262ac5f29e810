package postgres

import (
	"context"
	"path"
	"sync"
	"time"
)

// databaseList remembers which databases a server has.
type databaseList struct {
	mu    sync.Mutex
	names []string
	at    time.Time
}

const (
	databasesFor = time.Minute // how long the list is remembered
	maxDatabases = 100         // how many databases are looked into
)

// listDatabases names the databases a session can be opened in.
const listDatabases = `SELECT datname FROM pg_catalog.pg_database
WHERE datallowconn AND NOT datistemplate AND pg_catalog.has_database_privilege(datname, 'CONNECT')
ORDER BY datname`

// list returns the databases of the server.
func (l *databaseList) list(ctx context.Context, db Querier) ([]string, error) {
	l.mu.Lock()
	names, at := l.names, l.at
	l.mu.Unlock()
	if time.Since(at) < databasesFor {
		return names, nil
	}
	names = nil
	_, err := db.Query(ctx, Statement{SQL: listDatabases, MaxRows: maxDatabases}, func(_ []Field, values [][]byte) {
		names = append(names, string(values[0]))
	})
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.names, l.at = names, time.Now()
	l.mu.Unlock()
	return names, nil
}

// targets returns the databases a query runs in, with the labels its series
// carry there.
func (c *Collector) targets(ctx context.Context, q *Query, server Server) ([]target, error) {
	constant := c.own.labels(q, server)
	if !q.perDatabase() {
		return []target{{constant: constant}}, nil
	}
	names, err := c.databases.list(ctx, c.db)
	if err != nil {
		return nil, err
	}
	var out []target
	for _, name := range names {
		if !matches(q.Databases, name) {
			continue
		}
		to := target{database: name, constant: append(constant[:len(constant):len(constant)], labelColumn{name: "datname", column: -1, value: name})}
		if name == server.Database {
			to.database = "" // There is a session already.
		}
		out = append(out, to)
	}
	return out, nil
}

// matches reports whether one of the patterns (path.Match) matches name.
func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); ok && err == nil {
			return true
		}
	}
	return false
}
