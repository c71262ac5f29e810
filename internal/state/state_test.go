package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/state"
)

func TestMistakes(t *testing.T) {
	for address, want := range map[string]string{
		"dmarc.db": "want an address such as postgres://user@host/name",
		"postgres://user:hunter2@db.example/dmarc":     "PGPASSFILE",
		"postgres://db.example/dmarc?password=hunter2": "PGPASSFILE",
		"postgres://db.example:port/dmarc":             "want an address",
		"postgres://db.example/dmarc?sslmode=maybe":    "sslmode",
	} {
		_, err := state.Engine("", 0, address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
}

func TestAt(t *testing.T) {
	for address, want := range map[string]string{
		"dmarc.db": "sqlite.File", "postgres.db": "sqlite.File", "postgres://db.example/dmarc": "postgres.Database", "postgresql://db.example/dmarc": "postgres.Database",
	} {
		engine, err := state.At(address)
		if got := fmt.Sprintf("%T", engine); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", address, got, err, want)
		}
	}
}
