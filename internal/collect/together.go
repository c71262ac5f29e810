package collect

import (
	"context"
	"errors"
	"sync"
)

// Together runs functions side by side until all have returned. When one of them
// panics, the context of the others ends, and the error is a *PanicError.
func Together(ctx context.Context, fs ...func(context.Context)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(fs))
	var running sync.WaitGroup
	for i, f := range fs {
		running.Go(func() {
			errs[i] = Guard(func() error { f(ctx); return nil })
			if errs[i] != nil {
				cancel()
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}
