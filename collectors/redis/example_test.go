package redis_test

import (
	"fmt"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/collectors/redis"
)

// A collector of a server that is down tells so, and why.
func ExampleNew() {
	client := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", ContextTimeoutEnabled: true, MaxRetries: -1})
	defer client.Close()

	registry := prometheus.NewRegistry()
	registry.MustRegister(redis.New(client, redis.Config{Timeout: 5 * time.Second}))

	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "redis_up":
				fmt.Println(f.GetName(), m.GetGauge().GetValue())
			case "redis_exporter_last_scrape_error":
				fmt.Println(f.GetName(), m.GetLabel()[0].GetValue(), m.GetGauge().GetValue())
			}
		}
	}
	// Output:
	// redis_exporter_last_scrape_error refused 1
	// redis_up 0
}

func ExampleReasonOf() {
	fmt.Println(redis.ReasonOf(fmt.Errorf("dial: %w", syscall.ECONNREFUSED)))
	// Output: refused
}

func ExampleCompileLuaPattern() {
	group, err := redis.CompileLuaPattern("^(%a+):%d+:(%a+)$")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(group.FindStringSubmatch("user:17:name")[1:])
	// Output: [user name]
}
