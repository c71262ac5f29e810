package postgres_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/postgres"
)

// A server that is away is an error that tells so; whoever commits tries again.
func Example() {
	config, err := pgxpool.ParseConfig("postgres://dmarc@127.0.0.1:1/mail?sslmode=disable")
	if err != nil {
		panic(err)
	}
	_, err = store.Open(context.Background(), postgres.Database{Config: config, Schema: "dmarc"}, store.Config{})
	fmt.Println(errors.Is(err, store.ErrUnavailable))
	// Output: true
}
