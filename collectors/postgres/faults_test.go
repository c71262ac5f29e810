package postgres_test

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/collectors"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// healthy are two queries: from the second scrape on they go in one batch.
const healthy = "q: {query: SELECT 1 AS n, server_label: false, metrics: [{n: {usage: GAUGE}}]}\n" +
	"r: {query: SELECT 2 AS n, server_label: false, metrics: [{n: {usage: GAUGE}}]}\n"

// slack is how much later than its deadline a scrape may return on a busy
// machine: what hangs here hangs for ever.
const slack = realtest.Patience / 2

// scrapeTime is the time the scrapes of these tests have.
const scrapeTime = time.Second

// timed gathers and fails if that takes too long.
func timed(t *testing.T, c collectors.ContextCollector, limit time.Duration) map[string]float64 {
	t.Helper()
	began := time.Now()
	got := gather(t, c, limit)
	if took := time.Since(began); took > limit+slack {
		t.Errorf("a scrape with %v took %v", limit, took)
	}
	return got
}

// testFaults breaks the way to the server in many ways.
func testFaults(t *testing.T, server *realtest.PostgresServer) {
	tests := []struct {
		name   string
		mode   realtest.Mode
		reason string
		quick  bool
	}{
		{"refuse", realtest.Refuse, "refused", true},
		{"reset", realtest.Reset, "reset", true},
		{"hang", realtest.Hang, "timeout", false},
		{"cut", realtest.Cut, "timeout", false},
		{"drip", realtest.Drip, "timeout", false},
	}
	for _, tt := range tests {
		for name, warm := range map[string]bool{"warm": true, "cold": false} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				t.Parallel()
				proxy := realtest.NewFaultProxy(t, "tcp", server.Addr())
				var d dialer
				sessions := openSource(t, d.source(server.DSNVia(proxy.Addr(), "postgres")), postgres.SessionsConfig{})
				c := postgres.New(sessions, parse(t, healthy), postgres.Config{})
				if warm {
					if got := gather(t, c, realtest.Patience); got["pg_up"] != 1 {
						t.Fatalf("pg_up = %v before the fault", got["pg_up"])
					}
					time.Sleep(200 * time.Millisecond) // A session that rested must show that it lives.
				}
				proxy.SetMode(t, tt.mode)
				limit := scrapeTime
				if tt.quick {
					limit = realtest.Patience
				}
				began := time.Now()
				got := timed(t, c, limit)
				if took := time.Since(began); tt.quick && took > slack {
					t.Errorf("took %v to notice", took)
				}
				want := map[string]float64{
					"pg_up": 0, `pg_scrape_collector_success{collector="q"}`: 0,
					`pg_exporter_scrape_errors_total{reason="` + tt.reason + `"}`: 1, "pg_exporter_last_scrape_error": 1,
				}
				if warm && tt.mode == realtest.Drip { // There may be time for a sign of life.
					delete(want, "pg_up")
					delete(want, `pg_exporter_scrape_errors_total{reason="timeout"}`)
				}
				for name, value := range want {
					if got[name] != value {
						t.Errorf("%s = %v, want %v", name, got[name], value)
					}
				}
				if _, ok := got["q_n"]; ok {
					t.Error("there is a result")
				}
				proxy.SetMode(t, realtest.Pass)
				if got := timed(t, c, 5*time.Second); got["pg_up"] != 1 || got["q_n"] != 1 {
					t.Errorf("pg_up = %v, q_n = %v after the fault", got["pg_up"], got["q_n"])
				}
				if _, peak, _ := d.counts(); peak > 3 {
					t.Errorf("%d connections at the same time", peak)
				}
			})
		}
	}
	t.Run("crowd", func(t *testing.T) { t.Parallel(); testCrowd(t, server) })
	t.Run("slow", func(t *testing.T) { t.Parallel(); testSlowQueries(t, server) })
	t.Run("password", func(t *testing.T) { t.Parallel(); testPassword(t, server) })
	t.Run("killed", func(t *testing.T) { t.Parallel(); testKilledSession(t, server) })
	t.Run("batch", func(t *testing.T) { t.Parallel(); testBatch(t, server) })
	t.Run("locked", func(t *testing.T) { t.Parallel(); testLocked(t, server) })
}

// crowd scrapes 50 times at once and returns the worst time.
func crowd(t *testing.T, c collectors.ContextCollector, limit time.Duration) (slowest time.Duration, up int) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 50 {
		wg.Go(func() {
			began := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			ch := make(chan prometheus.Metric, 1000)
			c.CollectContext(ctx, ch)
			took := time.Since(began)
			close(ch)
			mu.Lock()
			defer mu.Unlock()
			slowest = max(slowest, took)
			for m := range ch {
				var out dto.Metric
				if err := m.Write(&out); err != nil {
					t.Error(err)
				}
				if strings.Contains(m.Desc().String(), `"pg_up"`) && out.GetGauge().GetValue() == 1 {
					up++
				}
			}
		})
	}
	wg.Wait()
	return slowest, up
}

// testCrowd has 50 scrapes at once, healthy and not.
func testCrowd(t *testing.T, server *realtest.PostgresServer) {
	proxy := realtest.NewFaultProxy(t, "tcp", server.Addr())
	var d dialer
	sessions := openSource(t, d.source(server.DSNVia(proxy.Addr(), "postgres")), postgres.SessionsConfig{})
	c := postgres.New(sessions, parse(t, healthy), postgres.Config{})
	gather(t, c, realtest.Patience)
	if _, up := crowd(t, c, realtest.Patience); up != 50 {
		t.Errorf("%d of 50 healthy scrapes succeeded", up)
	}
	before := runtime.NumGoroutine()
	time.Sleep(200 * time.Millisecond)
	proxy.SetMode(t, realtest.Hang)
	slowest, up := crowd(t, c, scrapeTime)
	if slowest > scrapeTime+slack || up != 0 {
		t.Errorf("%d of 50 hanging scrapes were up, the slowest took %v", up, slowest)
	}
	if _, peak, _ := d.counts(); peak > 3 {
		t.Errorf("%d connections at the same time", peak)
	}
	eventually(t, 2*time.Second, func() string {
		if n, _, _ := d.counts(); n > 0 {
			return "connections are left open"
		}
		if n := runtime.NumGoroutine(); n > before+60 { // of the tests beside this one
			return "goroutines are left"
		}
		return ""
	})
	proxy.SetMode(t, realtest.Pass)
	if _, up := crowd(t, c, realtest.Patience); up != 50 {
		t.Errorf("%d of 50 scrapes succeeded afterwards", up)
	}
}

// testSlowQueries has queries that never end beside quick ones.
func testSlowQueries(t *testing.T, server *realtest.PostgresServer) {
	const file = healthy + `
slow: {query: SELECT 1 AS n FROM pg_sleep(60), metrics: [{n: {usage: GAUGE}}]}
slower: {query: "SELECT 1 AS n FROM pg_sleep(60) /* 2 */", metrics: [{n: {usage: GAUGE}}]}
last: {query: SELECT 2 AS n, server_label: false, metrics: [{n: {usage: GAUGE}}]}
`
	c := postgres.New(open(t, server.DSN("postgres"), postgres.SessionsConfig{ApplicationName: "slow test"}), parse(t, file), postgres.Config{})
	for range 2 { // The second time it is known which queries are slow.
		got := timed(t, c, scrapeTime)
		want := map[string]float64{
			"pg_up": 1, "q_n": 1,
			`pg_scrape_collector_success{collector="q"}`:      1,
			`pg_scrape_collector_success{collector="slow"}`:   0,
			`pg_scrape_collector_success{collector="slower"}`: 0,
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s = %v, want %v", name, got[name], value)
			}
		}
		eventually(t, 2*time.Second, func() string {
			n := server.SQL(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slow test' AND state = 'active'")
			if n[0][0] != "0" {
				return n[0][0] + " statements still run on the server"
			}
			return ""
		})
	}
	got := timed(t, c, scrapeTime)
	if got["last_n"] != 2 || got[`pg_scrape_collector_errors_total{collector="slow",reason="timeout"}`] != 3 {
		t.Errorf("last_n = %v, errors of slow = %v", got["last_n"], only(got, "pg_scrape_collector_errors"))
	}
	// Cancelled sessions are used again.
	if n := server.SQL(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slow test'"); n[0][0] > "2" {
		t.Errorf("%s sessions", n[0][0])
	}
}

// testPassword is refused, and nobody learns the password.
func testPassword(t *testing.T, server *realtest.PostgresServer) {
	const secret = "h1dden-Passw0rd"
	dsn := strings.Replace(server.DSN("postgres"), realtest.PostgresPassword, secret, 1)
	log, text := logger()
	c := postgres.New(open(t, dsn, postgres.SessionsConfig{}), parse(t, healthy), postgres.Config{Logger: log})
	for range 3 {
		got := timed(t, c, scrapeTime)
		if got["pg_up"] != 0 {
			t.Error("up with the wrong password")
		}
		for name := range got {
			if strings.Contains(name, secret) {
				t.Errorf("the password is in %s", name)
			}
		}
	}
	if got := gather(t, c, scrapeTime)[`pg_exporter_scrape_errors_total{reason="auth"}`]; got != 4 {
		t.Errorf("auth failures = %v, want 4", got)
	}
	if strings.Contains(text.String(), secret) {
		t.Errorf("the password is in the log:\n%s", text)
	}
	if n := strings.Count(text.String(), "reason=auth"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, text)
	}
}

// testKilledSession loses its session between two scrapes. How long a new one
// takes is not the question here.
func testKilledSession(t *testing.T, server *realtest.PostgresServer) {
	c := postgres.New(open(t, server.DSN("postgres"), postgres.SessionsConfig{ApplicationName: "killed test"}), parse(t, healthy), postgres.Config{})
	for range 3 {
		got := timed(t, c, 10*time.Second)
		if diff := cmp.Diff(map[string]float64{"pg_up": 1, "q_n": 1, "pg_exporter_last_scrape_error": 0}, only(got, "pg_up", "q_", "pg_exporter_last_scrape_error")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := server.SQL(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'killed test'"); len(n) == 0 {
			t.Error("there was no session")
		}
	}
}

// testBatch has a query in a batch that fails, then one that is slow all of a
// sudden, then a schema that changes.
func testBatch(t *testing.T, server *realtest.PostgresServer) {
	server.CreateDatabase(t, "batch", "CREATE TABLE t AS SELECT 1 AS n, 0.0::float8 AS delay")
	const file = healthy + `
a: {query: "SELECT n, pg_sleep(delay)::text AS x FROM t", server_label: false, metrics: [{n: {usage: GAUGE}}, {x: {usage: DISCARD}}]}
b: {query: "SELECT 1 / n AS n FROM t", server_label: false, metrics: [{n: {usage: GAUGE}}]}
`
	c := postgres.New(open(t, server.DSN("batch"), postgres.SessionsConfig{ApplicationName: "batch test"}), parse(t, file), postgres.Config{})
	steps := []struct {
		sql    string
		want   map[string]float64
		errors map[string]float64
	}{
		{"SELECT 1", map[string]float64{"q_n": 1, "r_n": 2, "a_n": 1, "b_n": 1}, map[string]float64{}},
		{"UPDATE t SET n = 0", map[string]float64{"q_n": 1, "r_n": 2, "a_n": 0}, map[string]float64{`pg_scrape_collector_errors_total{collector="b",reason="server"}`: 1}},
		{"UPDATE t SET n = 1, delay = 0.6", map[string]float64{"q_n": 1, "r_n": 2, "a_n": 1, "b_n": 1}, map[string]float64{`pg_scrape_collector_errors_total{collector="b",reason="server"}`: 1}},
		{"UPDATE t SET delay = 0", map[string]float64{"q_n": 1, "r_n": 2, "a_n": 1, "b_n": 1}, map[string]float64{`pg_scrape_collector_errors_total{collector="b",reason="server"}`: 1}},
		{"ALTER TABLE t ALTER n TYPE numeric", map[string]float64{"q_n": 1, "r_n": 2, "a_n": 1, "b_n": 1}, map[string]float64{`pg_scrape_collector_errors_total{collector="b",reason="server"}`: 1}},
	}
	for _, s := range steps {
		server.SQL(t, "batch", s.sql)
		for range 2 {
			got := timed(t, c, 10*time.Second)
			if diff := cmp.Diff(s.want, only(got, "q_n", "r_n", "a_n", "b_n")); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", s.sql, diff)
			}
			if s.sql == "UPDATE t SET n = 0" {
				break
			}
			if diff := cmp.Diff(s.errors, only(got, "pg_scrape_collector_errors")); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", s.sql, diff)
			}
		}
	}
	if n := server.SQL(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'batch test'"); n[0][0] > "3" {
		t.Errorf("%s sessions", n[0][0])
	}
}

// testLocked reads a table that somebody holds a lock on.
func testLocked(t *testing.T, server *realtest.PostgresServer) {
	server.CreateDatabase(t, "locked", "CREATE TABLE t AS SELECT 1 AS n")
	var wg sync.WaitGroup
	wg.Go(func() {
		server.SQL(t, "locked", "BEGIN; LOCK TABLE t; SELECT pg_sleep(2); COMMIT")
	})
	eventually(t, 5*time.Second, func() string {
		if n := server.SQL(t, "locked", "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass"); len(n) == 0 {
			return "no lock"
		}
		return ""
	})
	c := postgres.New(open(t, server.DSN("locked"), postgres.SessionsConfig{LockTimeout: 100 * time.Millisecond}), parse(t, healthy+"t: {query: SELECT n FROM t, metrics: [{n: {usage: GAUGE}}]}\n"), postgres.Config{})
	got := timed(t, c, 5*time.Second)
	if got[`pg_scrape_collector_errors_total{collector="t",reason="lock"}`] != 1 || got["q_n"] != 1 {
		t.Errorf("errors = %v", only(got, "pg_scrape_collector_errors"))
	}
	wg.Wait()
}

// testStoppedServer stops all processes of the server for a while.
func testStoppedServer(t *testing.T, server *realtest.PostgresServer) {
	c := postgres.New(open(t, server.DSN("postgres"), postgres.SessionsConfig{ApplicationName: "stopped test"}), parse(t, healthy), postgres.Config{})
	if got := gather(t, c, realtest.Patience); got["pg_up"] != 1 {
		t.Fatal("not up at first")
	}
	pids := []int{server.Pid()}
	for _, row := range server.SQL(t, "postgres", "SELECT pid FROM pg_stat_activity WHERE application_name = 'stopped test'") {
		pid, err := strconv.Atoi(row[0])
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	signal := func(s syscall.Signal) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, s); err != nil {
				t.Error(err)
			}
		}
	}
	time.Sleep(200 * time.Millisecond)
	signal(syscall.SIGSTOP)
	got := timed(t, c, scrapeTime)
	signal(syscall.SIGCONT)
	if got["pg_up"] != 0 || got[`pg_exporter_scrape_errors_total{reason="timeout"}`] != 1 {
		t.Errorf("stopped: %v", only(got, "pg_up", "pg_exporter_scrape_errors"))
	}
	if got := timed(t, c, 10*time.Second); got["pg_up"] != 1 || got["q_n"] != 1 {
		t.Errorf("resumed: pg_up = %v, q_n = %v", got["pg_up"], got["q_n"])
	}
}
