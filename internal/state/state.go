// Package state finds the database that a state is kept in, for every command
// that needs it.
package state

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/postgres"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
)

// Engine returns the engine of a PostgreSQL database, or without one that of a
// file, which may take maxBytes; 0 means any number of them.
func Engine(file string, maxBytes int64, database string) (store.Engine, error) {
	if database == "" {
		return sqlite.File{Path: file, MaxBytes: maxBytes}, nil
	}
	address, err := url.Parse(database)
	if err != nil || !strings.HasPrefix(address.Scheme, "postgres") {
		return nil, errors.New("database: want an address such as postgres://user@host/name")
	}
	if _, secret := address.User.Password(); secret || address.Query().Has("password") {
		return nil, errors.New("database: others can see a password in an argument: give it in a file that PGPASSFILE names")
	}
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return postgres.Database{Config: config}, nil
}

// At returns the engine of an address: a PostgreSQL database, as postgres://user@host/name,
// or the path of a file.
func At(address string) (store.Engine, error) {
	file, database := Split(address)
	return Engine(file, 0, database)
}

// Split returns an address as the path of a file or as a database, one of which is
// empty.
func Split(address string) (file, database string) {
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		return "", address
	}
	return address, ""
}

// Lead runs lead while this process is the one of several that leads, until ctx
// ends (postgres.Database.Lead).
type Lead = func(ctx context.Context, lead func(ctx context.Context))

// Share returns an engine for a database that other processes write as well, and
// what makes one of them lead.
func Share(engine store.Engine) (store.Engine, Lead, error) {
	db, ok := engine.(postgres.Database)
	if !ok {
		return nil, nil, errors.New("only a PostgreSQL database can be shared: name one with --state.database, or leave --state.shared out")
	}
	db.Shared = true
	return db, db.Lead, nil
}
