package collectors_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors"
	"github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/collectors/nginx"
	"github.com/dmarc-suite/dmarc-suite/collectors/node"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/collectors/redis"
)

// TestNoCollectorPanics gives each collector what no host should give it: no
// client, no pool, nothing in its configuration, or nonsense. None may end its
// host with a panic, and each answers within the deadline.
func TestNoCollectorPanics(t *testing.T) {
	t.Parallel()
	nodes, err := node.New(nil, node.Config{Timeout: -1, MaxContainers: -1, Sockets: []string{"", "\x00"}, Certificates: []string{"", "\x00"}})
	if err != nil && !errors.Is(err, node.ErrPlatform) {
		t.Fatal(err)
	}
	log, err := nginx.NewAccessLog(nginx.AccessLogConfig{Inputs: []nginx.Input{{File: "/no/such/log"}}, MaxSeries: -1, Poll: -1})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]collectors.ContextCollector{
		"nginx without targets":     nginx.New(nil, nginx.Config{Timeout: -1}),
		"nginx without a client":    nginx.New([]nginx.Target{{}, {URL: "http://127.0.0.1:1/", Labels: prometheus.Labels{"b": "c"}}, {URL: "::", Username: "x"}}, nginx.Config{}),
		"nginx, zero":               new(nginx.StubStatus),
		"nginx, access log":         log,
		"redis without a client":    redis.New(nil, redis.Config{Timeout: -1, MaxClientList: -1, Namespace: "no name"}),
		"redis with keys":           redis.New(nil, redis.Config{Keys: redis.KeysConfig{Patterns: []redis.Key{{Name: "["}}, BatchSize: -1}, Scripts: []redis.Script{{}}}),
		"postgres without a pool":   postgres.New(nil, nil, postgres.Config{Workers: -1, MaxRows: -1, Timeout: -1}),
		"postgres with a nil query": postgres.New(nil, []*queryfile.Query{nil, {}}, postgres.Config{Labels: map[string]string{"": ""}}),
		"dmarc without counts":      dmarc.New(nil, dmarc.Config{}),
		"dmarc, old names":          dmarc.NewCompat(nil),
		"dmarc, DNS":                dmarc.NewDNS(nil, []string{"", "garden.example", " "}, dmarc.DNSConfig{Timeout: -1, Every: -1}),
		"node":                      nodes,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if n := describe(c) + collect(ctx, c); n == 0 && name != "nginx, zero" && name != "nginx without targets" {
				t.Error("nothing is told")
			}
			cancel()
			collect(ctx, c) // What is known in no time: without a panic is enough.
		})
	}
}

// describe and collect call a collector without the registry, which would recover
// its panics, and return how much it has sent.
func describe(c prometheus.Collector) int { return sent(c.Describe) }

func collect(ctx context.Context, c collectors.ContextCollector) int {
	return sent(func(ch chan<- prometheus.Metric) { c.CollectContext(ctx, ch) })
}

func sent[T any](send func(chan<- T)) (n int) {
	ch := make(chan T)
	go func() {
		defer close(ch)
		send(ch)
	}()
	for range ch {
		n++
	}
	return n
}

// TestNginxWithoutClient holds that a target without a client has one of ours.
func TestNginxWithoutClient(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("Active connections: 1 \nserver accepts handled requests\n 7 7 9 \nReading: 0 Writing: 1 Waiting: 0 \n"))
	}))
	defer server.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(nginx.New([]nginx.Target{{URL: server.URL}}, nginx.Config{}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	up := -1.0
	for _, f := range families {
		if f.GetName() == "nginx_up" {
			up = f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	if up != 1 {
		t.Errorf("nginx_up is %v, want 1", up)
	}
}
