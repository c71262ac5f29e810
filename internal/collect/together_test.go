package collect

import (
	"context"
	"errors"
	"testing"
)

func TestTogether(t *testing.T) {
	ended := 0
	until := func(ctx context.Context) {
		<-ctx.Done()
		ended++
	}
	err := Together(t.Context(), until, func(context.Context) { panic("no") })
	if p, ok := errors.AsType[*PanicError](err); !ok || p.Value != "no" || ended != 1 {
		t.Errorf("error %v, %d ended; want the panic, and the other one ended", err, ended)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Together(ctx, until, func(context.Context) {}); err != nil || ended != 2 {
		t.Errorf("error %v, %d ended; want none, and 2", err, ended)
	}
}
