package redis

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestReloadsCostNoScrape reloads while probes are under way, every other time
// with a configuration that is wrong.
func TestReloadsCostNoScrape(t *testing.T) {
	server := realtest.Redis(t)
	file := filepath.Join(t.TempDir(), "config.yml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const good = `probe: {targets: ["redis://127.0.0.1:*"]}`
	write(good)
	s, _ := serviceFor(t, "--redis.addr=", "--config.file="+file)
	var stop atomic.Bool
	var scrapes atomic.Int64
	var probes sync.WaitGroup
	for range 8 {
		probes.Go(func() {
			for !stop.Load() {
				w := httptest.NewRecorder()
				s.ServeHTTP(w, httptest.NewRequest("GET", "/probe?target=redis://"+server.Addr(), nil))
				if w.Code != 200 || !strings.Contains(w.Body.String(), "\nredis_up 1\n") {
					t.Errorf("status %d: %.200s", w.Code, w.Body)
					return
				}
				scrapes.Add(1)
			}
		})
	}
	for i := range 100 {
		text := good
		if i%2 == 1 {
			text = "nonsense"
		}
		write(text)
		if err := s.reload(t.Context()); (err == nil) != (text == good) {
			t.Errorf("reload of %q: %v", text, err)
		}
		time.Sleep(time.Millisecond)
	}
	stop.Store(true)
	probes.Wait()
	if scrapes.Load() < 8 {
		t.Errorf("only %d scrapes", scrapes.Load())
	}
	realtest.Eventually(t, "few connections are left", func() bool {
		return strings.Count(server.Do(t, "CLIENT", "LIST"), "name=redis_exporter") <= maxConnections
	})
}
