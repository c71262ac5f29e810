//go:build !linux && !(darwin && cgo)

package node

import (
	"log/slog"

	"github.com/alecthomas/kingpin/v2"
)

// Flags returns nothing: this build has no collectors of upstream.
func Flags() []*kingpin.FlagModel { return nil }

func path(string) string { return "" }

func configure([]string, bool) error { return ErrPlatform }

func hostUpdaters(*slog.Logger) (map[string]updater, error) { return nil, ErrPlatform }
