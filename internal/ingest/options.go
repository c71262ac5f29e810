package ingest

import (
	"fmt"
	"log/slog"
	"time"
)

// Options are what all sources have in common that look for inputs again and
// again. The zero value works.
type Options struct {
	// Poll is how often a source looks for inputs, besides when it is notified of
	// new ones; 0 means a minute, and 30 seconds for files.
	Poll time.Duration `yaml:"poll"`
	// Timeout bounds each command or request to a server; 0 means 30 seconds,
	// and a minute for webmail. Files have none.
	Timeout time.Duration `yaml:"timeout"`
	// MaxBytes is the size of the largest mail that is fetched; 0 means the
	// memory that Limits allow: a larger one could not be unpacked.
	MaxBytes int64 `yaml:"max_bytes"`
	// Retry is the first pause after an input could not be read, which doubles
	// each time; 0 means Poll, and a second for files.
	Retry time.Duration `yaml:"-"`
	// Attempts is how often at least an input is tried that cannot be read; 0 means five.
	Attempts int `yaml:"-"`
	// GiveUpAfter is how long at least it is tried; 0 means a day. A restart begins anew.
	GiveUpAfter time.Duration `yaml:"-"`
	// Once ends Run when each input that was there was tried: with nil when all
	// could be read.
	Once bool `yaml:"-"`
	// Now is the clock of attempts; nil means time.Now.
	Now func() time.Time `yaml:"-"`
	// Marks remembers which inputs are done. Nil means none: inputs that stay
	// are then read again after each start, which dedupe makes harmless.
	Marks Marks `yaml:"-"`
	// Logger may be nil.
	Logger *slog.Logger `yaml:"-"`
}

// WithDefaults returns the options with what zero means.
func (o Options) WithDefaults() Options {
	setDefault(&o.Poll, time.Minute)
	setDefault(&o.Retry, o.Poll)
	setDefault(&o.Timeout, 30*time.Second)
	setDefault(&o.MaxBytes, Limits().Memory)
	setDefault(&o.Attempts, 5)
	setDefault(&o.GiveUpAfter, 24*time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Marks == nil {
		o.Marks = noMarks{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// End is the end of a Run that reads Once, of which some inputs are left.
func (o *Options) End(left int) error {
	if left > 0 {
		return fmt.Errorf("inputs that could not be read: %d; the log says why", left)
	}
	return nil
}
