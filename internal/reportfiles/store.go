package reportfiles

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// BackupStore copies a state file, and prints what is in the copy.
func BackupStore(ctx context.Context, s Streams, file sqlite.File, to string) error {
	checked, err := file.Backup(ctx, to)
	if err == nil {
		_, err = fmt.Fprintf(s.Out, "%s is a whole copy of %s: %s\n", to, file.Path, Describe(checked))
	}
	return err
}

// CheckStore checks a store and prints what is wrong with it, which is ErrRefused,
// or what is in it.
func CheckStore(ctx context.Context, s Streams, engine store.Engine) error {
	checked, err := store.Check(ctx, engine)
	if err != nil {
		return err
	}
	for _, problem := range append(checked.Problems, checked.Rollups...) {
		fmt.Fprintf(s.Out, "wrong: %s\n", problem)
	}
	for _, note := range checked.Notes {
		fmt.Fprintf(s.Out, "note: %s\n", note)
	}
	if len(checked.Problems) > 0 {
		fmt.Fprintln(s.Out, "The state is damaged: restore it from a backup, see docs/store.md.")
		return ErrRefused
	}
	if len(checked.Rollups) > 0 {
		fmt.Fprintln(s.Out, "Nothing is lost, but questions about these days are not answered: stop serve and make them anew with store rollup.")
		return ErrRefused
	}
	_, err = fmt.Fprintf(s.Out, "The state is whole: %s.\n", Describe(checked))
	return err
}

// RollUpStore makes all rollups of a store anew.
func RollUpStore(ctx context.Context, engine store.Engine) error {
	v, err := engine.View(ctx) // There must be a store.
	if err == nil {
		err = v.Close()
	}
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, engine, store.Config{})
	if err != nil {
		return err
	}
	return errors.Join(s.RollUpAnew(ctx), s.Close())
}

// Place is a store, and what a person calls it.
type Place struct {
	Engine store.Engine
	Name   string
}

// CopyStore makes a store with everything that is in another one, and prints what
// is in it. At a terminal it shows how far it is.
func CopyStore(ctx context.Context, s Streams, from, to Place) error {
	maker, ok := to.Engine.(store.Maker)
	if !ok {
		return fmt.Errorf("%s cannot be made of another store", to.Name)
	}
	progress := newProgress(s.Err)
	checked, err := store.Copy(ctx, from.Engine, maker, func(rows int64) { progress.show(wording.Grouped(rows) + " rows copied") })
	progress.clear()
	if err == nil {
		_, err = fmt.Fprintf(s.Out, "%s is a whole copy of %s: %s\n", to.Name, from.Name, Describe(checked))
	}
	return err
}
