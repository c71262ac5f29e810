package main

import (
	"fmt"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestKillDatabase kills the exporter while its state is in PostgreSQL and it
// reads a directory, a mailbox, and what peers send over HTTP and LMTP.
// DATABASE_KILLS makes it longer; make kill-test does.
func TestKillDatabase(t *testing.T) {
	// Not parallel, as the test with SQLite is not.
	server := realtest.Postgres(t)
	kills := realtest.Count(t, "DATABASE_KILLS", 3)
	for name, kill := range map[string]func(t *testing.T, database string){
		"dir": func(t *testing.T, database string) {
			killDir(t, "move", ingesttest.Kill{Database: database, Kills: kills, Inputs: 20 * kills})
		},
		"imap": func(t *testing.T, database string) {
			k := newKillIMAP(t, "dmarc_exporter", kills)
			k.State, k.Database = "", database
			k.hold(t)
		},
		"push": func(t *testing.T, database string) { killPush(t, ingesttest.Kill{Database: database, Kills: kills}) },
	} {
		t.Run(name, func(t *testing.T) {
			server.CreateDatabase(t, name, "")
			// By its socket the server lets everybody in, without a password.
			kill(t, fmt.Sprintf("postgres:///%s?host=%s&port=%d&user=postgres", name, server.Dir, server.Port))
		})
	}
}
