package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// leadEvery is how often a process asks whether it may lead, or still does.
	leadEvery = 2 * time.Second
	// leadTimeout is how long the server may take to answer.
	leadTimeout = 3 * time.Second
)

// leadClass tells the lock of the leader from those of writers: "dmrl".
const leadClass int32 = 0x646d726c

// Lead runs lead while this process is the one, of those that call Lead with the
// same Schema, that leads; when it does not any more the context of lead ends.
// It begins again and again until ctx ends, and returns when lead has returned.
//
// At most one process leads, but for the seconds in which one whose connection
// was lost has not noticed yet: what both do meanwhile is for transactions to tell
// apart. Another one takes over at once when the leader ends, and about
// ten seconds after its machine has vanished.
func (d Database) Lead(ctx context.Context, lead func(ctx context.Context)) {
	d.Shared = true
	db := d.database()
	var conn *pgx.Conn // nil when there is none, which the store tells
	for ; ctx.Err() == nil; pause(ctx, leadEvery) {
		if conn == nil || conn.IsClosed() {
			conn = connect(ctx, db.config)
		}
		if conn != nil && mayLead(ctx, conn, lockID(db.schema)) {
			leadWith(ctx, conn, lead)
			release(ctx, conn)
			conn = nil
		}
	}
	if conn != nil {
		release(ctx, conn)
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// connect returns a connection, or nil.
func connect(ctx context.Context, config *pgx.ConnConfig) *pgx.Conn {
	limited, cancel := context.WithTimeout(ctx, leadTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(limited, config)
	if err != nil {
		return nil
	}
	return conn
}

// mayLead asks for the lock, which lasts as long as the connection.
func mayLead(ctx context.Context, conn *pgx.Conn, id int32) (got bool) {
	limited, cancel := context.WithTimeout(ctx, leadTimeout)
	defer cancel()
	err := conn.QueryRow(limited, "SELECT pg_try_advisory_lock($1, $2)", leadClass, id).Scan(&got)
	return err == nil && got
}

// release closes the connection, and with it gives the lock back.
func release(ctx context.Context, conn *pgx.Conn) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), leadTimeout)
	defer cancel()
	_ = conn.Close(limited) // The server notices either way.
}

// leadWith leads while the connection lives.
func leadWith(ctx context.Context, conn *pgx.Conn, lead func(ctx context.Context)) {
	led, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		lead(led)
	}()
	for led.Err() == nil {
		pause(led, leadEvery)
		limited, end := context.WithTimeout(led, leadTimeout)
		err := conn.Ping(limited)
		end()
		if err != nil {
			break
		}
	}
	cancel()
	<-done
}
