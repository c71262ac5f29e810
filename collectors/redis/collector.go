package redis

import (
	"context"
	"reflect"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Collector collects the metrics of one server. All methods may be called
// concurrently; collections at the same time share one.
type Collector struct {
	session    *session
	flights    collect.Flights[struct{}, *snapshot]
	background *background

	families *collect.Families
	own      ownMetrics
	topics   *topics
}

// New returns a collector for the server behind client, which stays the
// caller's to close. Of a cluster's client, the node that owns the first slot is
// shown; a collector for each node shows them all. A nil client is as good as one
// that is closed: the server is down.
func New(client redis.UniversalClient, config Config) *Collector {
	if v := reflect.ValueOf(client); client == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		client = redis.NewClient(&redis.Options{})
		client.Close() // It was never open.
	}
	all := config.withDefaults()
	families := &collect.Families{Namespace: all.Namespace}
	c := &Collector{
		session:  &session{client: client, config: all, now: time.Now},
		families: families, own: newOwnMetrics(families), topics: newTopics(families, all),
	}
	c.session.optional = optional{config: all, parts: c.topics.parts(), refused: map[*part]refusal{}}
	c.background = newBackground(client, all, families)
	client.AddHook(&c.session.dials)
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) { c.families.Describe(ch) }

// Collect implements prometheus.Collector with the deadline Config.Timeout.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.CollectContext(context.Background(), ch)
}

// CollectContext collects until ctx is done and sends what is known by then:
// at least redis_up.
func (c *Collector) CollectContext(ctx context.Context, ch chan<- prometheus.Metric) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.session.config.Timeout)
		defer cancel()
	}
	s := &scrape{config: c.session.config, now: c.session.now()}
	snap := c.snapshot(ctx)
	c.own.write(s, snap)
	if snap.err == nil {
		c.topics.write(s, snap, c.own.partSuccess)
	}
	c.background.write(&s.Output, s.now)
	s.Send(ch)
}

// answerTime is the part of a collection's time that is left for its answer.
const answerTime = 20

// snapshot collects, or waits for the collection under way.
func (c *Collector) snapshot(ctx context.Context) *snapshot {
	limited := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		limited, cancel = context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/answerTime))
		defer cancel()
	}
	flight := c.flights.Join(limited, struct{}{}, nil, &snapshot{}, c.session.collect)
	defer c.flights.Leave(struct{}{}, flight)
	select {
	case <-flight.Done:
		if err := flight.Err(); err != nil {
			return &snapshot{err: err, took: time.Since(flight.Began)}
		}
		return flight.State
	case <-ctx.Done():
		return &snapshot{err: ctx.Err(), took: time.Since(flight.Began)}
	}
}

// Run refreshes what is known about keys, and runs scripts, at once and then at
// the interval of KeysConfig until ctx is done; then it returns nil. If there is
// nothing to do it returns at once.
func (c *Collector) Run(ctx context.Context) error {
	c.background.run(ctx)
	return nil
}

// RefreshIfDue does what Run does at each interval, if the last time was an
// interval ago and no other call is at it. It is for collectors of many servers,
// for which Run would be too much, and returns when ctx is done.
func (c *Collector) RefreshIfDue(ctx context.Context) { c.background.refreshIfDue(ctx) }

// Nodes returns the nodes of the server's cluster.
func (c *Collector) Nodes(ctx context.Context) ([]Node, error) {
	node, err := nodeOf(ctx, c.session.client)
	if err != nil {
		return nil, err
	}
	replies, err := call(ctx, node, []command{{"CLUSTER", "NODES"}})
	if err != nil {
		return nil, err
	}
	text, err := replies[0].text()
	if err != nil {
		return nil, err
	}
	return parseNodes(text), nil
}
