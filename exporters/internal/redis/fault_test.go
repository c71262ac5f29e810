package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// prober serves probes of any target on 127.0.0.1 and returns a function that
// scrapes one with a timeout of its own.
func prober(t *testing.T) (probe func(target string, timeout time.Duration) (body string, took time.Duration), logged *realtest.Log) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, []byte(`probe: {targets: ["redis://127.0.0.1:*"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, logged := serviceFor(t, "--redis.addr=", "--config.file="+file)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	transport := &http.Transport{MaxConnsPerHost: 0, DisableKeepAlives: true}
	return func(target string, timeout time.Duration) (string, time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), timeout+5*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/probe?target=redis://"+target, nil)
		if err != nil {
			t.Error(err)
			return "", 0
		}
		r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", fmt.Sprint(timeout.Seconds()))
		start := time.Now()
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return "", 0
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("status %d, %v", resp.StatusCode, err)
		}
		return string(b), time.Since(start)
	}, logged
}

// mustHave fails the test unless a body has all lines.
func mustHave(t *testing.T, when, body string, lines ...string) {
	t.Helper()
	if lost := missing(body, lines...); len(lost) > 0 {
		up := ""
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "redis_up") || strings.HasPrefix(line, "redis_exporter_last_scrape_error{") {
				up += line
			}
		}
		t.Errorf("%s: missing %q, but\n%s", when, lost, up)
	}
}

// inTime fails the test unless an answer came because of the timeout: what hangs
// here hangs for ever, and a busy machine may be late with everything.
func inTime(t *testing.T, took, timeout time.Duration) {
	t.Helper()
	if took > timeout+realtest.Patience/2 {
		t.Errorf("answered after %v, the timeout is %v", took, timeout)
	}
}

// TestHang holds that a server that hangs costs nobody more than the timeout
// of the scrape less its offset, three connections, and no goroutine for good.
func TestHang(t *testing.T) {
	server := realtest.Redis(t)
	proxy := realtest.NewFaultProxy(t, "tcp", server.Addr())
	probe, logged := prober(t)
	body, _ := probe(proxy.Addr(), 5*time.Second)
	mustHave(t, "before", body, "redis_up 1")

	const timeout = 2 * time.Second
	goroutines := runtime.NumGoroutine()
	proxy.SetMode(t, realtest.Hang)
	var scrapes sync.WaitGroup
	for range 50 {
		scrapes.Go(func() {
			body, took := probe(proxy.Addr(), timeout)
			mustHave(t, "hanging", body, "redis_up 0", `redis_exporter_last_scrape_error{err="timeout"} 1`)
			inTime(t, took, timeout)
		})
	}
	scrapes.Wait()
	if _, peak := proxy.Connections(); peak > maxConnections {
		t.Errorf("%d connections at a time, want at most %d", peak, maxConnections)
	}
	if n := strings.Count(logged.String(), "server is down"); n != 1 {
		t.Errorf("the cause is logged %d times:\n%s", n, logged)
	}
	realtest.Eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines+5 })
	proxy.SetMode(t, realtest.Pass)
	body, _ = probe(proxy.Addr(), 5*time.Second)
	mustHave(t, "the first scrape after", body, "redis_up 1")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	server := realtest.Redis(t)
	for _, c := range []struct {
		name   string
		mode   realtest.Mode
		reason string
	}{
		{"refused", realtest.Refuse, "refused"},
		{"reset", realtest.Reset, "reset"},
		{"no answer", realtest.Cut, "timeout"},
		{"slow drip", realtest.Drip, "timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			proxy := realtest.NewFaultProxy(t, "tcp", server.Addr())
			probe, _ := prober(t)
			body, _ := probe(proxy.Addr(), 5*time.Second)
			mustHave(t, "before", body, "redis_up 1")
			proxy.SetMode(t, c.mode)
			for range 2 {
				body, took := probe(proxy.Addr(), 2*time.Second)
				mustHave(t, "broken", body, "redis_up 0", `redis_exporter_last_scrape_error{err="`+c.reason+`"} 1`)
				inTime(t, took, 2*time.Second)
			}
			proxy.SetMode(t, realtest.Pass)
			body, _ = probe(proxy.Addr(), 5*time.Second)
			mustHave(t, "the first scrape after", body, "redis_up 1")
		})
	}
}

func TestStoppedServer(t *testing.T) {
	t.Parallel()
	server := realtest.Redis(t)
	probe, _ := prober(t)
	body, _ := probe(server.Addr(), 5*time.Second)
	mustHave(t, "before", body, "redis_up 1")
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for range 2 { // The second time on a new connection, which the kernel accepts.
		body, took := probe(server.Addr(), 2*time.Second)
		mustHave(t, "stopped", body, "redis_up 0", `redis_exporter_last_scrape_error{err="timeout"} 1`)
		inTime(t, took, 2*time.Second)
	}
	if err := server.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	body, _ = probe(server.Addr(), 5*time.Second)
	mustHave(t, "the first scrape after", body, "redis_up 1")
}

// TestSleepingServer holds that a command that blocks the server is waited for
// no longer than a scrape may.
func TestSleepingServer(t *testing.T) {
	t.Parallel()
	server := realtest.Redis(t)
	probe, _ := prober(t)
	var asleep sync.WaitGroup
	asleep.Go(func() { server.Do(t, "DEBUG", "SLEEP", "4") })
	body, took := "", time.Duration(0)
	realtest.Eventually(t, "asleep", func() bool {
		body, took = probe(server.Addr(), time.Second)
		return strings.Contains(body, "redis_up 0")
	})
	mustHave(t, "asleep", body, `redis_exporter_last_scrape_error{err="timeout"} 1`)
	inTime(t, took, time.Second)
	asleep.Wait()
	body, _ = probe(server.Addr(), 5*time.Second)
	mustHave(t, "awake", body, "redis_up 1")
}

func TestBusyServer(t *testing.T) {
	t.Parallel()
	server := realtest.Redis(t, "--busy-reply-threshold", "100")
	probe, _ := prober(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ReadTimeout: time.Minute, MaxRetries: -1})
	defer client.Close()
	var script sync.WaitGroup
	script.Go(func() { client.Eval(t.Context(), "while true do end", nil) }) // It is killed below.
	busy := ""
	realtest.Eventually(t, "busy", func() bool {
		busy, _ = probe(server.Addr(), time.Second)
		return strings.Contains(busy, `err="busy"`)
	})
	mustHave(t, "busy", busy, "redis_up 0", `redis_exporter_last_scrape_error{err="busy"} 1`)
	server.Do(t, "SCRIPT", "KILL")
	script.Wait()
	body, _ := probe(server.Addr(), 5*time.Second)
	mustHave(t, "after", body, "redis_up 1")
}

// TestEndlessReply holds that a server cannot make the exporter grow.
func TestEndlessReply(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var served sync.WaitGroup
	defer served.Wait()
	served.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for line := []byte("*1000000000\r\n" + strings.Repeat("$1\r\nx\r\n", 10000)); err == nil; {
			_, err = conn.Write(line)
		}
	})
	conn, err := (&credentials{}).dialer(false)(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, conn)
	conn.Close()
	if !errors.Is(err, errTooLong) || n < maxReply || n > maxReply+1<<20 {
		t.Errorf("read %d bytes, then %v; want %d and %v", n, err, maxReply, errTooLong)
	}
}
