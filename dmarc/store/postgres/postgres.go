package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// DefaultSchema is the schema when a Database names none.
const DefaultSchema = "dmarc"

// Database is a store.Engine that keeps a store in a PostgreSQL database.
type Database struct {
	// Config tells how to connect. It is copied. How soon a server is noticed
	// that vanished without a word is for its DialFunc to say.
	Config *pgxpool.Config
	// Schema holds everything; empty means DefaultSchema.
	Schema string
	// Shared lets other processes with Shared write the database, too. Each sees
	// what the others have committed before it commits itself, so that bounds of
	// series and identities hold for all of them together.
	Shared bool

	patience time.Duration // with Shared: for the transactions of others; 0 means 15 seconds
	views    *sql.DB       // of KeepViews
}

// database is an open Database.
type database struct {
	schema string
	shared bool
	// patience is how long a transaction waits for those of others.
	patience time.Duration
	config   *pgx.ConnConfig // of the writer
	meta     store.Meta
	pool     *pgxpool.Pool // of the readers
	reader   *sql.DB

	// What follows is for the goroutine of Update.
	writer *pgx.Conn // nil while there is no connection
	parts  map[month]bool
	// commits is how many transactions had written the database after the last
	// one of this writer, when it is shared.
	commits int64
	// horizon is the first id of transactions that this writer knows nothing of.
	horizon int64
}

// unknown is a number of commits that no database has.
const unknown = -1

// lockTimeout is how long a writer waits for another process, such as one that
// is being replaced, to let go of the database.
const lockTimeout = 2 * time.Second

// Open connects, creates what is missing, and takes the lock of the writer.
func (d Database) Open(ctx context.Context, fresh store.Meta) (store.Database, error) {
	db := d.database()
	if err := db.open(ctx, d.Config.Copy(), fresh); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// database returns a database that is not open.
func (d Database) database() *database {
	if d.Schema == "" {
		d.Schema = DefaultSchema
	}
	if d.patience == 0 {
		d.patience = 15 * time.Second
	}
	db := &database{schema: d.Schema, shared: d.Shared, patience: d.patience, config: d.Config.ConnConfig.Copy(), parts: map[month]bool{}, commits: unknown}
	prepare(db.config, d.Schema)
	if d.Shared {
		prepareShared(db.config)
	}
	return db
}

// prepare makes connections that find the schema.
func prepare(c *pgx.ConnConfig, schema string) {
	c.RuntimeParams["search_path"] = pgx.Identifier{schema}.Sanitize()
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "dmarc-suite"
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
}

func (d *database) open(ctx context.Context, readers *pgxpool.Config, fresh store.Meta) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	if err := d.migrate(ctx, fresh); err != nil {
		return err
	}
	if err := d.readMeta(ctx); err != nil {
		return err
	}
	prepare(readers.ConnConfig, d.schema)
	// Not by a parameter of the connection, which would not be to a server that
	// target_session_attrs=read-write takes.
	readers.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET default_transaction_read_only = on")
		return err
	}
	var err error
	if d.pool, err = pgxpool.NewWithConfig(ctx, readers); err != nil {
		return d.explain("open", err)
	}
	d.reader = stdlib.OpenDBFromPool(d.pool)
	return nil
}

// connect makes the connection of the writer and takes the lock.
func (d *database) connect(ctx context.Context) error {
	if d.writer != nil && !d.writer.IsClosed() {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, d.config)
	if err != nil {
		return d.explain("open", err)
	}
	if !d.shared {
		err := d.lock(ctx, conn)
		if err == nil {
			err = d.alone(ctx, conn)
		}
		if err != nil {
			_ = conn.Close(ctx) // It holds nothing.
			return d.explain("open", err)
		}
	}
	d.writer = conn
	d.forget()
	return nil
}

// forget forgets what is in the database, which others may write.
func (d *database) forget() {
	d.commits = unknown
	clear(d.parts)
}

// lockClass tells our advisory locks from those of others: "dmrc".
const lockClass int32 = 0x646d7263

// lock takes the lock, which lasts as long as the connection.
func (d *database) lock(ctx context.Context, conn *pgx.Conn) error {
	id := lockID(d.schema)
	for limit := time.Now().Add(lockTimeout); ; {
		var got bool
		err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", lockClass, id).Scan(&got)
		switch {
		case err != nil || got:
			return err
		case time.Now().After(limit):
			return store.ErrLocked
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// lockID tells the locks of a schema from those of others.
func lockID(schema string) int32 { return int32(crc32.ChecksumIEEE([]byte(schema))) }

// Name names the database, as errors have it.
func (d *database) Name() string {
	return fmt.Sprintf("database %s at %s", d.config.Database, net.JoinHostPort(d.config.Host, strconv.Itoa(int(d.config.Port))))
}

// Shared reports whether others may write the database.
func (d *database) Shared() bool { return d.shared }

// Meta returns what the database says about itself.
func (d *database) Meta() store.Meta { return d.meta }

// SQL is for reading.
func (d *database) SQL() *sql.DB { return d.reader }

// Update runs f in a transaction.
func (d *database) Update(ctx context.Context, f func(store.Tx) error) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	t := &tx{ctx: ctx, d: d}
	err := pgx.BeginFunc(ctx, d.writer, func(pgtx pgx.Tx) error {
		t.tx = pgtx
		if !d.shared {
			return f(t)
		}
		return t.inTurn(f)
	})
	if d.commits, d.horizon = t.commits, t.horizon; err != nil {
		d.forget() // Whether it is in the database is not known.
	}
	if err = d.explain("write", err); errors.Is(err, store.ErrReadOnly) {
		// Another connection may lead to a server that is not.
		_ = d.writer.Close(ctx)
	}
	return err
}

// Shrink does nothing: PostgreSQL uses the room of dropped rows again, and gives
// that of dropped partitions back.
func (d *database) Shrink(context.Context) (bool, error) { return false, nil }

// Close closes the connections.
func (d *database) Close() error {
	var errs []error
	if d.reader != nil {
		errs = append(errs, d.reader.Close())
	}
	if d.pool != nil {
		d.pool.Close()
	}
	if d.writer != nil && !d.writer.IsClosed() {
		const patience = 5 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		errs = append(errs, d.writer.Close(ctx))
	}
	return errors.Join(errs...)
}
