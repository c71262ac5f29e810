package realtest

import (
	"runtime"
	"testing"
	"time"
)

// Patience is how long a test waits for what must happen: far longer than it
// takes on the busiest machine, because only a test that fails waits so long.
const Patience = time.Minute

// Eventually polls until ok holds. When it does not, the test ends with the
// stacks of all goroutines, for what hangs is one of them.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(Patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			buf := make([]byte, 4<<20)
			t.Fatalf("not after %s: %s\n%s", Patience, what, buf[:runtime.Stack(buf, true)])
		}
	}
}
