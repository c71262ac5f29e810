package dmarcconfig

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestTry keeps the order of trials, and leaves one behind that does not end.
func TestTry(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	first, wrong := make(chan struct{}), errors.New("it is wrong")
	stuck := Trial{"stuck", func(_ context.Context, report func(string, error)) {
		<-release
		report("end", nil)
	}}
	all := stuck.within(t.Context(), 10*time.Millisecond)
	if len(all) != 1 || all[0].err == nil || all[0].err.Error() != "no answer within 10ms" {
		t.Errorf("a trial that does not end: %v", all)
	}
	var got []string
	Try(t.Context(), []Trial{
		{"a", func(_ context.Context, report func(string, error)) { <-first; report("wait", nil) }},
		{"b", func(_ context.Context, report func(string, error)) {
			report("go", wrong)
			report("go on", nil)
			close(first)
		}},
	}, func(name, what string, err error) { got = append(got, fmt.Sprint(name, " ", what, " ", err)) })
	if want := "a wait <nil>, b go it is wrong, b go on <nil>"; strings.Join(got, ", ") != want {
		t.Errorf("tried %q, want %q", got, want)
	}
}
