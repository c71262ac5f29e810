package nginx

import (
	"fmt"
	"strings"
	"time"
)

// table holds all counts. Its methods are not safe for concurrent use.
type table struct {
	buckets []float64
	native  bool
	routes  []routePattern

	names    names // of servers and routes
	statuses []string
	requests map[requestKey]*requests
	timings  map[timingKey]*timings
	caches   map[cacheKey]*counted

	series, maxSeries int
	overflow          uint64
	values            [numFields][]byte // reused for each line
}

// names maps label values to small numbers and back; number 0 is "other".
type names struct {
	index map[string]uint16
	list  []string
}

type requestKey struct {
	server, route uint16
	status        uint16 // a known code, or classBase plus the class
	method        uint8
}

type timingKey struct{ server, route uint16 }

type cacheKey struct {
	server uint16
	status uint8
}

// counted is a counter with the time it was created.
type counted struct {
	n       uint64
	created time.Time
}

type requests = counted

// timings are what is kept per server and route.
type timings struct {
	duration, upstream histogram
	sent, received     uint64
	created            time.Time
}

// cacheStatuses are the values of the label status of the cache counter.
var cacheStatuses = []string{"MISS", "BYPASS", "EXPIRED", "STALE", "UPDATING", "REVALIDATED", "HIT", "SCARCE", other}

// precreated are the codes that exist at 0 from a combination's first request
// on, so that increase() sees their first one. The last five are errors.
var precreated = []uint16{200, 404, 499, 500, 502, 503, 504}

func newTable(config AccessLogConfig) (*table, error) {
	t := &table{
		buckets:   config.Buckets,
		native:    config.NativeHistograms,
		names:     names{index: map[string]uint16{other: 0}, list: []string{other}},
		statuses:  statusLabels(),
		requests:  map[requestKey]*requests{},
		timings:   map[timingKey]*timings{},
		caches:    map[cacheKey]*counted{},
		maxSeries: config.MaxSeries,
	}
	now := time.Now()
	t.reserve(now)
	routes := []uint16{0}
	for _, route := range config.Routes {
		p, err := compileRoute(route)
		if err != nil {
			return nil, err
		}
		name := route.Name
		if name == "" {
			name = route.Pattern
		}
		p.index = t.names.add(strings.ToValidUTF8(name, "\uFFFD"))
		t.routes = append(t.routes, p)
		routes = append(routes, p.index)
	}
	for _, server := range config.Servers {
		index := t.names.add(strings.ToValidUTF8(server, "\uFFFD"))
		for _, route := range routes {
			key := requestKey{server: index, route: route, method: methodIndex([]byte("GET"))}
			t.precreate(key, now)
			t.timing(timingKey{index, route}, now)
		}
	}
	if t.series > t.maxSeries {
		return nil, fmt.Errorf("servers and routes need %d series, more than the budget of %d", t.series, t.maxSeries)
	}
	return t, nil
}

// reserve makes the series that take what is beyond the budget.
func (t *table) reserve(now time.Time) {
	for class := range uint16(10) {
		t.requests[requestKey{method: uint8(len(methods) - 1), status: classBase + class}] = &requests{created: now}
		t.series++
	}
	t.timing(timingKey{}, now)
}

func (n *names) add(name string) uint16 {
	if i, ok := n.index[name]; ok {
		return i
	}
	i := uint16(len(n.list))
	n.index[name] = i
	n.list = append(n.list, name)
	return i
}

// maxNames bounds the distinct servers and routes that are remembered, far
// above what the budget lets become series.
const maxNames = 1 << 14

// name returns the number of a value that nginx's configuration chose.
func (t *table) name(value []byte) uint16 {
	if absent(value) {
		return 0
	}
	if i, ok := t.names.index[string(value)]; ok {
		return i
	}
	if len(t.names.list) >= maxNames || t.series >= t.maxSeries || len(value) > 256 {
		return 0
	}
	return t.names.add(strings.ToValidUTF8(string(value), "\uFFFD"))
}

// precreate makes the series of the expected statuses of a combination.
func (t *table) precreate(key requestKey, now time.Time) {
	for _, status := range precreated {
		key.status = status
		if t.requests[key] == nil {
			t.requests[key] = &requests{created: now}
			t.series++
		}
	}
}

// timing returns the timings of key, made if need be.
func (t *table) timing(key timingKey, now time.Time) *timings {
	if have := t.timings[key]; have != nil {
		return have
	}
	made := &timings{
		duration: newHistogram(t.buckets, t.native), upstream: newHistogram(t.buckets, t.native), created: now,
	}
	t.timings[key] = made
	t.series += t.timingSeries()
	return made
}

// timingSeries is what one timings costs: two histograms with buckets, sum
// and count, and two byte counters.
func (t *table) timingSeries() int { return 2*(len(t.buckets)+3) + 2 }
