package redis

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/collectors"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// gather returns what c sends until the deadline, as text.
func gather(t testing.TB, c *Collector, timeout time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(collectors.WithContext(ctx, c))
	families, err := reg.Gather()
	if err != nil {
		t.Error(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// value returns the value of a series, or "" if there is none.
func value(text, series string) string {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			return v
		}
	}
	return ""
}

// want fails the test unless a series has a value.
func want(t testing.TB, text, series, wanted string) {
	t.Helper()
	if got := value(text, series); got != wanted {
		t.Errorf("%s = %q, want %q", series, got, wanted)
	}
}

// trips is a hook that counts round trips.
type trips struct{ n atomic.Int64 }

func (r *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "hello" { // Part of connecting.
			r.n.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (r *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) > 0 {
			r.n.Add(1)
		}
		return next(ctx, cmds)
	}
}

func TestRoundTrips(t *testing.T) {
	s := realtest.Redis(t)
	client := connect(t, redis.Options{Addr: s.Addr()})
	var counted trips
	client.AddHook(&counted)
	c := New(client, Config{})
	text := gather(t, c, 5*time.Second)
	want(t, text, "redis_up", "1")
	if n := counted.n.Load(); n > 2 {
		t.Errorf("the first collection took %d round trips, want at most 2", n)
	}
	connections := value(text, "redis_connections_received_total")
	for range 5 {
		counted.n.Store(0)
		text = gather(t, c, 5*time.Second)
		if n := counted.n.Load(); n != 1 {
			t.Errorf("a further collection took %d round trips, want 1", n)
		}
	}
	want(t, text, "redis_connections_received_total", connections)
	want(t, text, "redis_exporter_last_scrape_connect_time_seconds", "0")
	want(t, text, "redis_exporter_scrapes_total", "6")
	want(t, text, "redis_total_error_replies", "0")
}

func TestConcurrentCollectionsShareOne(t *testing.T) {
	s := realtest.Redis(t)
	proxy := realtest.NewFaultProxy(t, "tcp", s.Addr())
	c := New(connect(t, redis.Options{Addr: proxy.Addr()}), Config{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			want(t, gather(t, c, 5*time.Second), "redis_up", "1")
		})
	}
	wg.Wait()
	if total, _ := proxy.Connections(); total != 1 {
		t.Errorf("%d connections, want 1", total)
	}
}

func TestFollowerOutlivesLeader(t *testing.T) {
	release := make(chan struct{})
	f := newFakeRedis(t, func(args []string) string {
		if args[0] == "INFO" {
			<-release
			return bulk("redis_version:7.0.0\r\n")
		}
		return unknown(args)
	})
	c := New(connect(t, redis.Options{Addr: f.addr}), Config{})
	ctx, cancel := context.WithCancel(t.Context())
	led := make(chan *snapshot)
	go func() { led <- c.snapshot(ctx) }()
	for f.count("INFO") == 0 {
		time.Sleep(time.Millisecond)
	}
	followed := make(chan *snapshot)
	go func() { followed <- c.snapshot(t.Context()) }()
	cancel()
	close(release)
	<-led
	if s := <-followed; s.err != nil {
		t.Errorf("the follower got %v", s.err)
	}
}

// logs returns a logger and what it has written.
func logs() (*slog.Logger, func() string) {
	var mu sync.Mutex
	var b bytes.Buffer
	w := writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	})
	return slog.New(slog.NewTextHandler(w, nil)), func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestDegrades(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []string
		client  redis.Options
		lost    []string
	}{
		{
			name:    "user with INFO only",
			options: []string{"--user", "exporter", "on", ">secret", "-@all", "+info"},
			client:  redis.Options{Username: "exporter", Password: "secret"},
			lost:    []string{"acl", "clients", "config", "latency", "latency_histogram", "memory", "slowlog"},
		},
		{
			name:    "CONFIG renamed away",
			options: []string{"--rename-command", "CONFIG", ""},
			lost:    []string{"config"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := realtest.Redis(t, c.options...)
			logger, logged := logs()
			c.client.Addr = s.Addr()
			collector := New(connect(t, c.client), Config{Logger: logger})
			first := gather(t, collector, 5*time.Second)
			second := gather(t, collector, 5*time.Second)
			for _, text := range []string{first, second} {
				want(t, text, "redis_up", "1")
				if value(text, "redis_memory_used_bytes") == "" {
					t.Error("INFO is lost")
				}
				for _, part := range c.lost {
					want(t, text, `redis_exporter_part_success{part="`+part+`"}`, "0")
				}
				if n := strings.Count(text, "redis_exporter_part_success{"); n != 7 {
					t.Errorf("%d parts, want 7", n)
				}
			}
			if a, b := value(first, "redis_commands_processed_total"), value(second, "redis_commands_processed_total"); a == b {
				t.Error("the second collection did not ask")
			}
			if n := strings.Count(logged(), "server refuses commands"); n != len(c.lost) {
				t.Errorf("%d refusals in the log, want %d:\n%s", n, len(c.lost), logged())
			}
		})
	}
}

func TestReasons(t *testing.T) {
	reply := func(text string) func([]string) string { return func([]string) string { return text } }
	closed := realtest.FreeAddress(t) // A port of ":0" might be given to one of the servers below.
	for _, c := range []struct {
		name string
		addr string
		want Reason
	}{
		{"refused", closed, collect.Refused},
		{"no socket", "/nonexistent/redis.sock", collect.Refused},
		{"no password", newFakeRedis(t, reply("-NOAUTH Authentication required.\r\n")).addr, collect.Auth},
		{"wrong password", "user:wrong@" + newFakeRedis(t, reply("-WRONGPASS invalid username-password pair or user is disabled.\r\n")).addr, collect.Auth},
		{"loading", newFakeRedis(t, reply("-LOADING Redis is loading the dataset in memory\r\n")).addr, ReasonLoading},
		{"busy", newFakeRedis(t, reply("-BUSY Redis is busy running a script.\r\n")).addr, ReasonBusy},
		{"without master", newFakeRedis(t, reply("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n")).addr, ReasonStale},
		{"no such database", newFakeRedis(t, reply("-ERR DB index is out of range\r\n")).addr, ReasonDatabase},
		{"database of a cluster", newFakeRedis(t, reply("-ERR SELECT is not allowed in cluster mode\r\n")).addr, ReasonDatabase},
		{"denied", newFakeRedis(t, reply("-NOPERM this user has no permissions\r\n")).addr, collect.Denied},
		{"too many clients", newFakeRedis(t, reply("-ERR max number of clients reached\r\n")).addr, ReasonLimit},
		{"not redis", newFakeRedis(t, reply("HTTP/1.1 400 Bad Request\r\n")).addr, collect.Protocol},
		{"empty INFO", newFakeRedis(t, reply("+OK\r\n")).addr, collect.Protocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			logger, logged := logs()
			options := redis.Options{Addr: c.addr}
			if user, addr, ok := strings.Cut(c.addr, "@"); ok {
				options.Addr = addr
				options.Username, options.Password, _ = strings.Cut(user, ":")
			}
			collector := New(connect(t, options), Config{Logger: logger})
			for range 2 {
				text := gather(t, collector, 3*time.Second)
				want(t, text, "redis_up", "0")
				want(t, text, `redis_exporter_last_scrape_error{err="`+string(c.want)+`"}`, "1")
			}
			if n := strings.Count(logged(), "server is down"); n != 1 {
				t.Errorf("the cause is logged %d times, want once:\n%s", n, logged())
			}
		})
	}
}

// TestSecretsStayHidden holds that a password is not logged when a server quotes
// the commands it does not know.
func TestSecretsStayHidden(t *testing.T) {
	f := newFakeRedis(t, unknown)
	logger, logged := logs()
	c := New(connect(t, redis.Options{Addr: f.addr, Username: "exporter", Password: "s3cret"}), Config{
		Logger: logger, Keys: KeysConfig{Queues: []Key{{0, "q"}}}, Scripts: []Script{{"a.lua", "return {}"}},
	})
	c.RefreshIfDue(t.Context())
	text := gather(t, c, 5*time.Second)
	want(t, text, "redis_up", "0")
	for _, out := range []string{text, logged()} {
		if strings.Contains(out, "s3cret") {
			t.Errorf("the password shows in\n%s", out)
		}
	}
	if n := strings.Count(logged(), "args"); n != 0 {
		t.Errorf("arguments show in\n%s", logged())
	}
}

// TestManyClients holds that clients that are not listed are told of.
func TestManyClients(t *testing.T) {
	server := newFakeRedis(t, func(args []string) string {
		if strings.EqualFold(args[0], "INFO") {
			return bulk("redis_version:7.0.15\r\nredis_mode:standalone\r\nconnected_clients:5000\r\n")
		}
		if len(args) > 1 && strings.EqualFold(args[0]+args[1], "CLIENTLIST") {
			t.Errorf("%q was asked for", args)
		}
		return unknown(args)
	})
	c := New(connect(t, redis.Options{Addr: server.addr, Protocol: 2}), Config{MaxClientSeries: 10})
	text := gather(t, c, 5*time.Second)
	want(t, text, "redis_connected_clients_dropped", "5000")
}
