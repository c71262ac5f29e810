package postgres

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/internal/session"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

// catalog remembers for a while what the server has.
type catalog struct {
	mu        sync.Mutex
	databases []string
	listed    time.Time
	relations map[string]relation
}

type relation struct {
	exists bool
	asked  time.Time
}

const (
	rememberFor  = time.Minute
	maxDatabases = 100 // how many databases are looked into
)

// listDatabases names the databases a session can be opened in.
const listDatabases = `SELECT datname FROM pg_catalog.pg_database
WHERE datallowconn AND NOT datistemplate AND pg_catalog.has_database_privilege(datname, 'CONNECT')
ORDER BY datname`

// list returns the databases of the server.
func (k *catalog) list(ctx context.Context, db Querier) ([]string, error) {
	k.mu.Lock()
	names, at := k.databases, k.listed
	k.mu.Unlock()
	if time.Since(at) < rememberFor {
		return names, nil
	}
	names = nil
	_, err := db.Query(ctx, Statement{SQL: listDatabases, MaxRows: maxDatabases}, func(_ []Field, values [][]byte) {
		names = append(names, string(values[0]))
	})
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	k.mu.Lock()
	k.databases, k.listed = names, time.Now()
	k.mu.Unlock()
	return names, nil
}

// missing returns the first of the relations that does not exist in the target's
// own database, or "".
func (k *catalog) missing(ctx context.Context, db Querier, names []string) (string, error) {
	for _, name := range names {
		if exists, err := k.has(ctx, db, name); err != nil || !exists {
			return name, err
		}
	}
	return "", nil
}

// has reports whether a relation exists in the target's own database.
func (k *catalog) has(ctx context.Context, db Querier, name string) (bool, error) {
	k.mu.Lock()
	r := k.relations[name]
	k.mu.Unlock()
	if time.Since(r.asked) < rememberFor {
		return r.exists, nil
	}
	answer, err := scalar(ctx, db, Statement{SQL: "SELECT pg_catalog.to_regclass(" + session.Quote(name) + ") IS NOT NULL"})
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", name, err)
	}
	r = relation{exists: answer == "t", asked: time.Now()}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.relations == nil || len(k.relations) >= maxDatabases {
		k.relations = map[string]relation{}
	}
	k.relations[name] = r
	return r.exists, nil
}

// targets returns the databases a query runs in, with the labels its series
// carry there.
func (c *Collector) targets(ctx context.Context, q *queryfile.Query, server Server) ([]target, error) {
	constant := c.labels
	if !q.PerDatabase() || server.Console {
		return []target{{constant: constant}}, nil
	}
	names, err := c.catalog.list(ctx, c.db)
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

// matches reports whether one of the patterns (path.Match) matches name, and
// none of those that begin with an exclamation mark.
func matches(patterns []string, name string) bool {
	found := false
	for _, p := range patterns {
		p, not := strings.CutPrefix(p, "!")
		if ok, err := path.Match(p, name); ok && err == nil {
			if not {
				return false
			}
			found = true
		}
	}
	return found
}
