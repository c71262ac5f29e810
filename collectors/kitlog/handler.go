package kitlog

import (
	"context"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

// Config is what a Handler adds to the attributes of a record. Its zero value
// suits a logger that already adds its own timestamp, which most hosts have.
type Config struct {
	// Level is the least level that is handled; nil handles all and leaves the
	// choice to the go-kit logger.
	Level slog.Leveler
	// Time adds the time of the record, in UTC, under "ts".
	Time bool
	// Caller adds the file and line that logged under "caller". The go-kit way,
	// log.DefaultCaller, counts stack frames and would name a file of log/slog.
	Caller bool
}

// Handler is a slog.Handler that writes to a go-kit logger. It is safe for
// concurrent use if that logger is.
type Handler struct {
	logger log.Logger
	config Config
	bound  []any  // keys and values of WithAttrs
	prefix string // of the groups that are open, with a dot at its end
}

// New returns a handler that writes to logger.
func New(logger log.Logger, config Config) *Handler {
	return &Handler{logger: logger, config: config}
}

// Enabled reports whether records of a level are handled.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool {
	return h.config.Level == nil || l >= h.config.Level.Level()
}

// Handle writes one record and returns the error of the go-kit logger.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	keyvals := make([]any, 0, 8+len(h.bound)+2*r.NumAttrs())
	if h.config.Time && !r.Time.IsZero() {
		keyvals = append(keyvals, "ts", r.Time.UTC())
	}
	if h.config.Caller && r.PC != 0 {
		keyvals = append(keyvals, "caller", caller(r.PC))
	}
	keyvals = append(keyvals, level.Key(), kitLevel(r.Level), "msg", r.Message)
	keyvals = append(keyvals, h.bound...)
	r.Attrs(func(a slog.Attr) bool {
		keyvals = appendAttr(keyvals, h.prefix, a)
		return true
	})
	return h.logger.Log(keyvals...)
}

// WithAttrs returns a handler that adds attrs to each record.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	child := *h
	child.bound = slices.Clip(h.bound)
	for _, a := range attrs {
		child.bound = appendAttr(child.bound, h.prefix, a)
	}
	return &child
}

// WithGroup returns a handler that puts name and a dot before the keys of all
// attributes to come.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	child := *h
	child.prefix += name + "."
	return &child
}

// kitLevel returns the go-kit level for l: the nearest one not above it.
func kitLevel(l slog.Level) level.Value {
	switch {
	case l >= slog.LevelError:
		return level.ErrorValue()
	case l >= slog.LevelWarn:
		return level.WarnValue()
	case l >= slog.LevelInfo:
		return level.InfoValue()
	default:
		return level.DebugValue()
	}
}

// caller returns "file.go:12" for a program counter.
func caller(pc uintptr) string {
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return filepath.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
}
