package redis

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func TestKeys(t *testing.T) {
	s := busyRedis(t)
	c := New(connect(t, redis.Options{Addr: s.Addr()}), fullConfig)
	text := gather(t, c, 5*time.Second)
	if strings.Contains(text, "redis_key_size") || strings.Contains(text, "redis_exporter_background_age_seconds") {
		t.Error("there are results before the first refresh")
	}
	c.RefreshIfDue(t.Context())
	text = gather(t, c, 5*time.Second)
	for series, wanted := range map[string]string{
		`redis_key_size{db="db0",key="text"}`:                                                                      "5",
		`redis_key_size{db="db0",key="queue"}`:                                                                     "3",
		`redis_key_size{db="db1",key="other"}`:                                                                     "1",
		`redis_key_size{db="db0",key="missing"}`:                                                                   "",
		`redis_key_value{db="db0",key="number"}`:                                                                   "12.5",
		`redis_key_value_as_string{db="db0",key="text",val="hello"}`:                                               "1",
		`redis_keys_count{db="db0",key="*e*"}`:                                                                     "6",
		`redis_queue_length{db="db0",queue="queue"}`:                                                               "3",
		`redis_queue_length{db="db0",queue="celery"}`:                                                              "0",
		`redis_stream_length{db="db0",stream="stream"}`:                                                            "2",
		`redis_stream_first_entry_id{db="db0",stream="stream"}`:                                                    "1",
		`redis_stream_last_entry_id{db="db0",stream="stream"}`:                                                     "2",
		`redis_stream_entries_added_total{db="db0",stream="stream"}`:                                               "2",
		`redis_stream_group_lag{db="db0",group="group",stream="stream"}`:                                           "1",
		`redis_stream_group_messages_pending{db="db0",group="group",stream="stream"}`:                              "1",
		`redis_stream_group_consumer_messages_pending{consumer="consumer",db="db0",group="group",stream="stream"}`: "1",
		`redis_key_group_count{db="db0",key_group="s"}`:                                                            "2",
		`redis_key_group_count{db="db1",key_group="o"}`:                                                            "1",
		`redis_number_of_distinct_key_groups{db="db0"}`:                                                            "6",
		`redis_script_result{filename="keys.lua"}`:                                                                 "1",
		`redis_script_values{filename="keys.lua",key="keys"}`:                                                      "7",
		`redis_exporter_background_last_error{err="",task="keys"}`:                                                 "0",
		`redis_exporter_background_last_error{err="",task="scan"}`:                                                 "0",
		`redis_exporter_background_last_error{err="",task="scripts"}`:                                              "0",
		`redis_exporter_background_scan_keys`:                                                                      "8",
	} {
		want(t, text, series, wanted)
	}
}

// fill writes n keys called prefix:<i>.
func fill(t testing.TB, s *realtest.RedisServer, prefix string, n int) {
	t.Helper()
	s.Do(t, "EVAL", fmt.Sprintf("for i=1,%d do redis.call('SET', '%s:' .. i, i) end", n, prefix), "0")
}

func TestScanIsOneWalkWithinItsBudget(t *testing.T) {
	s := realtest.Redis(t)
	fill(t, s, "user", 15000)
	fill(t, s, "job", 5000)
	keys := KeysConfig{
		Patterns: []Key{{0, "user:1*"}},
		Counts:   []Key{{0, "user:*"}, {0, "job:*"}, {0, "none:*"}},
		MaxKeys:  100,
	}
	client := connect(t, redis.Options{Addr: s.Addr()})
	c := New(client, Config{Keys: keys})
	c.RefreshIfDue(t.Context())
	text := gather(t, c, 5*time.Second)
	want(t, text, `redis_keys_count{db="db0",key="user:*"}`, "15000")
	want(t, text, `redis_keys_count{db="db0",key="job:*"}`, "5000")
	want(t, text, `redis_keys_count{db="db0",key="none:*"}`, "0")
	if n := strings.Count(text, "redis_key_size{"); n != 100 {
		t.Errorf("%d keys are exported, want 100", n)
	}
	want(t, text, `redis_exporter_background_dropped{task="scan"}`, "6012") // of 6112 that match
	if calls := value(text, `redis_commands_total{cmd="scan"}`); calls != "20" {
		t.Errorf("%s calls of SCAN, want 20", calls)
	}

	t.Run("limit", func(t *testing.T) {
		keys.MaxScanned = 10000
		logger, logged := logs()
		c := New(client, Config{Keys: keys, Logger: logger})
		c.RefreshIfDue(t.Context())
		text := gather(t, c, 5*time.Second)
		want(t, text, `redis_keys_count{db="db0",key="user:*"}`, "")
		want(t, text, `redis_exporter_background_last_error{err="budget",task="scan"}`, "1")
		want(t, text, "redis_up", "1")
		if !strings.Contains(logged(), "task failed") {
			t.Errorf("log: %s", logged())
		}
	})
}

func TestFailedRefreshKeepsTheLastResult(t *testing.T) {
	s := realtest.Redis(t)
	fill(t, s, "a", 10)
	proxy := realtest.NewFaultProxy(t, "tcp", s.Addr())
	keys := KeysConfig{Counts: []Key{{0, "a:*"}}, Queues: []Key{{0, "q"}}, Interval: time.Nanosecond, Timeout: 200 * time.Millisecond}
	c := New(connect(t, redis.Options{Addr: proxy.Addr()}), Config{Keys: keys})
	c.RefreshIfDue(t.Context())
	fill(t, s, "a", 20)
	proxy.SetMode(t, realtest.Hang)
	c.RefreshIfDue(t.Context())
	text := gather(t, c, 200*time.Millisecond)
	want(t, text, "redis_up", "0")
	want(t, text, `redis_keys_count{db="db0",key="a:*"}`, "10")
	want(t, text, `redis_exporter_background_last_error{err="timeout",task="scan"}`, "1")
	proxy.SetMode(t, realtest.Pass)
	c.RefreshIfDue(t.Context())
	text = gather(t, c, 5*time.Second)
	want(t, text, `redis_keys_count{db="db0",key="a:*"}`, "20")
	want(t, text, `redis_exporter_background_last_error{err="",task="scan"}`, "0")
}

func TestHostileKeys(t *testing.T) {
	s := realtest.Redis(t)
	client := connect(t, redis.Options{Addr: s.Addr()})
	ctx := t.Context()
	long := strings.Repeat("k", 200_000)
	for key, value := range map[string]string{"\xff\xfe": "\xc3\x28", long: "x", "big": long, "nul\x00": "a\nb\"c"} {
		if err := client.Set(ctx, key, value, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	c := New(client, Config{Keys: KeysConfig{
		Patterns: []Key{{0, "*"}}, Counts: []Key{{0, "*"}},
		Groups: []*regexp.Regexp{regexp.MustCompile("(?s)^(.*)$")},
	}})
	c.RefreshIfDue(ctx)
	text := gather(t, c, 5*time.Second)
	want(t, text, `redis_keys_count{db="db0",key="*"}`, "4")
	want(t, text, `redis_key_size{db="db0",key="big"}`, "200000")
	want(t, text, "redis_key_value_as_string{db=\"db0\",key=\"\uFFFD\",val=\"\uFFFD(\"}", "1")
	want(t, text, `redis_key_group_count{db="db0",key_group="overflow"}`, "1")
	want(t, text, `redis_exporter_background_dropped{task="scan"}`, "2") // a name and a value
	if len(text) > 100_000 {
		t.Errorf("%d bytes of metrics", len(text))
	}
}

func TestGroupsOverflow(t *testing.T) {
	s := realtest.Redis(t)
	fill(t, s, "many", 500)
	c := New(connect(t, redis.Options{Addr: s.Addr()}), Config{Keys: KeysConfig{
		Groups: []*regexp.Regexp{regexp.MustCompile("^(.*)$")}, MaxGroups: 5,
	}})
	c.RefreshIfDue(t.Context())
	text := gather(t, c, 5*time.Second)
	if n := strings.Count(text, "redis_key_group_count{"); n != 6 {
		t.Errorf("%d groups, want 5 and the overflow", n)
	}
	want(t, text, `redis_key_group_count{db="db0",key_group="overflow"}`, "495")
}

func TestScripts(t *testing.T) {
	s := realtest.Redis(t, "--busy-reply-threshold", "300")
	logger, logged := logs()
	c := New(connect(t, redis.Options{Addr: s.Addr()}), Config{
		Logger: logger, ScriptTimeout: 200 * time.Millisecond, Keys: KeysConfig{Interval: time.Nanosecond},
		Scripts: []Script{
			{"good.lua", "return {'answer', '42', 'int', 7}"},
			{"none.lua", "return nil"},
			{"syntax.lua", "return {"},
			{"text.lua", "return {'a', 'b'}"},
			{"write.lua", "redis.call('SET', 'k', 'v') return {}"},
			{"loop.lua", "while true do end"},
		},
	})
	for range 2 {
		c.RefreshIfDue(t.Context())
	}
	text := gather(t, c, 5*time.Second)
	want(t, text, "redis_up", "1") // The loop was killed.
	want(t, text, `redis_script_values{filename="good.lua",key="answer"}`, "42")
	want(t, text, `redis_script_values{filename="good.lua",key="int"}`, "7")
	for name, wanted := range map[string]string{"good": "1", "none": "1", "syntax": "0", "text": "0", "write": "0", "loop": "0"} {
		want(t, text, `redis_script_result{filename="`+name+`.lua"}`, wanted)
	}
	want(t, text, `redis_db_keys{db="db0"}`, "0")
	if n := strings.Count(logged(), "script failed"); n != 4 {
		t.Errorf("%d failures in the log, want 4:\n%s", n, logged())
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := realtest.Redis(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := New(connect(t, redis.Options{Addr: s.Addr()}), Config{Keys: KeysConfig{Queues: []Key{{0, "q"}}, Interval: time.Millisecond}})
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	realtest.Eventually(t, "the result of a refresh", func() bool { return strings.Contains(gather(t, c, 5*time.Second), "redis_queue_length{") })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	if err := New(connect(t, redis.Options{Addr: s.Addr()}), Config{}).Run(t.Context()); err != nil {
		t.Errorf("Run without work = %v", err)
	}
}

// TestKeysLeft holds that a database which is not there, and a key that the user
// may not see, cost nothing but themselves.
func TestKeysLeft(t *testing.T) {
	s := busyRedis(t)
	s.Do(t, "ACL", "SETUSER", "some", "on", "nopass", "~text", "~queue", "~stream", "+@all")
	keys := func(names ...string) (all []Key) {
		for _, name := range names {
			all = append(all, Key{DB: 0, Name: name}, Key{DB: 99, Name: name})
		}
		return all
	}
	c := New(connect(t, redis.Options{Addr: s.Addr(), Username: "some", Password: "any"}), Config{Keys: KeysConfig{
		Queues: keys("set", "queue"), Single: keys("number", "text"), Streams: keys("hash", "stream"),
		Patterns: keys("s*"), Counts: keys("*e*"),
	}})
	c.RefreshIfDue(t.Context())
	text := gather(t, c, 5*time.Second)
	for series, wanted := range map[string]string{
		`redis_key_size{db="db0",key="text"}`:                              "5",
		`redis_key_size{db="db0",key="number"}`:                            "",
		`redis_queue_length{db="db0",queue="queue"}`:                       "3",
		`redis_queue_length{db="db0",queue="set"}`:                         "",
		`redis_queue_length{db="db99",queue="queue"}`:                      "",
		`redis_stream_length{db="db0",stream="stream"}`:                    "2",
		`redis_key_size{db="db0",key="stream"}`:                            "2",
		`redis_key_size{db="db0",key="set"}`:                               "",
		`redis_keys_count{db="db0",key="*e*"}`:                             "6",
		`redis_keys_count{db="db99",key="*e*"}`:                            "",
		`redis_exporter_background_last_error{err="database",task="scan"}`: "1",
	} {
		want(t, text, series, wanted)
	}
	if !regexp.MustCompile(`redis_exporter_background_last_error\{err="(database|denied)",task="keys"\} 1`).MatchString(text) {
		t.Error("that something is missing is not shown")
	}
}
