package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// queues are the lists in which Celery keeps tasks.
var queues = []string{"celery", "default", "parsing_queue"}

// cache is Redis, which the application uses as a cache and as a broker.
type cache struct {
	host   *host
	server *realtest.RedisServer
	port   int
	client *redis.Client
}

func startCache(h *host) *cache {
	redis.SetLogger(quiet{})
	c := &cache{host: h, port: realtest.FreePort(h)}
	c.start()
	c.client = redis.NewClient(&redis.Options{Addr: c.hostPort(), MaxRetries: -1, DialTimeout: time.Second})
	h.Cleanup(func() { _ = c.client.Close() })
	return c
}

// quiet keeps the client from telling that Redis is away, which it is on purpose.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// start starts Redis, on the same port each time.
func (c *cache) start() {
	c.server = realtest.Redis(c.host, "--port", strconv.Itoa(c.port), "--maxmemory", "64mb")
}

// stop ends Redis as a crash or an operator would.
func (c *cache) stop() { c.server.Stop() }

func (c *cache) hostPort() string { return fmt.Sprintf("127.0.0.1:%d", c.port) }
func (c *cache) address() string  { return "redis://" + c.hostPort() }

// move puts tasks into queues and takes others out, so that their lengths go up
// and down, and looks things up, most of which are there. While Redis is away
// all of it fails, as it would for the application.
func (c *cache) move(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = c.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, queue := range queues {
			for range rand.IntN(4 + i) {
				p.LPush(ctx, queue, "task")
			}
			p.LTrim(ctx, queue, 0, 80)
			p.RPopCount(ctx, queue, rand.IntN(4+i))
		}
		for range 10 {
			key := "cache:" + strconv.Itoa(rand.IntN(300))
			if rand.IntN(4) == 0 {
				p.Set(ctx, key, "value", 45*time.Second)
			} else {
				p.Get(ctx, key)
			}
		}
		if rand.IntN(50) == 0 {
			p.HGet(ctx, queues[0], "field") // A wrong type, to have an error to show.
		}
		return nil
	})
}
