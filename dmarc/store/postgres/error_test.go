package postgres

import (
	"errors"
	"testing"
)

func TestOneLine(t *testing.T) {
	e := &oneLine{errors.New("failed to connect to `user=x database=y`:\n\t127.0.0.1:1 (127.0.0.1): refused\n\t127.0.0.1:1 (127.0.0.1): refused\n")}
	if got, want := e.Error(), "failed to connect to `user=x database=y`: 127.0.0.1:1 (127.0.0.1): refused"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
