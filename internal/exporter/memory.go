package exporter

import (
	"os"
	"runtime/debug"
)

// LimitMemory sets the soft memory limit in bytes, unless the user did: garbage is
// collected more often instead of taking more.
func LimitMemory(limit int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}
