package nginx

import (
	"bytes"
	"strconv"
	"time"
)

// count adds one line to the table, or returns why it is refused. It does not
// allocate once the combinations of a log were seen.
func (t *table) count(f *format, line []byte, servers map[string]bool) (refusal string) {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	v := &t.values
	*v = [numFields][]byte{}
	line, ok := f.cutSyslog(line)
	if !ok || !f.match(line, v) {
		return refusedFormat
	}
	code, ok := parseStatus(v[fieldStatus])
	if !ok {
		return refusedStatus
	}
	m, ok := f.measure(v)
	if !ok {
		return refusedNumber
	}
	method, path := v[fieldMethod], pathOf(v[fieldURI])
	if v[fieldMethod] == nil || v[fieldURI] == nil {
		requestMethod, requestPath := splitRequest(v[fieldRequest])
		if v[fieldMethod] == nil {
			method = requestMethod
		}
		if v[fieldURI] == nil {
			path = requestPath
		}
	}
	key := requestKey{server: t.server(v, servers), route: t.route(v[fieldRoute], path), status: t.status(code), method: methodIndex(method)}
	key = t.addRequest(key)
	t.addTiming(timingKey{key.server, key.route}, &m)
	if !absent(v[fieldCache]) {
		t.addCache(key.server, v[fieldCache])
	}
	return ""
}

// measured are the numbers of one line.
type measured struct {
	duration, upstream       float64
	hasDuration, hasUpstream bool
	sent, received           float64
}

func (f *format) measure(v *[numFields][]byte) (m measured, ok bool) {
	if b := v[fieldRequestTime]; !absent(b) {
		if m.duration, ok = f.number(b); !ok {
			return m, false
		}
		m.hasDuration = true
	}
	times := v[fieldUpstreamTime]
	if m.upstream, m.hasUpstream, ok = parseTimes(times); !ok {
		if m.upstream, ok = f.number(times); !ok {
			return m, false
		}
		m.hasUpstream = true
	}
	if b := v[fieldBytesSent]; !absent(b) {
		if m.sent, ok = f.number(b); !ok {
			return m, false
		}
	}
	if b := v[fieldRequestLength]; !absent(b) {
		if m.received, ok = f.number(b); !ok {
			return m, false
		}
	}
	return m, true
}

// number reads a number. That of another program's JSON may have an exponent, or more
// digits than nginx writes.
func (f *format) number(b []byte) (float64, bool) {
	n, ok := parseDecimal(b)
	if ok || !f.byKey || len(b) == 0 || !digit(b[0]) || bytes.ContainsAny(b, "xX_") {
		return n, ok
	}
	n, err := strconv.ParseFloat(string(b), 64)
	return n, err == nil
}

// server returns the number of the label server of a line.
func (t *table) server(v *[numFields][]byte, allowed map[string]bool) uint16 {
	value := v[fieldServerName]
	if absent(value) {
		// The client chose this one: it is matched, never learnt.
		value = v[fieldHost]
		if !allowed[string(value)] {
			return 0
		}
	} else if len(allowed) > 0 && !allowed[string(value)] {
		return 0
	}
	return t.name(value)
}

// route returns the number of the label route of a line.
func (t *table) route(named, path []byte) uint16 {
	if !absent(named) {
		return t.name(named)
	}
	for i := range t.routes {
		if t.routes[i].match(path) {
			return t.routes[i].index
		}
	}
	return 0
}

func (t *table) status(code uint16) uint16 {
	if t.statuses[code] == "" {
		return classBase + code/100
	}
	return code
}

// addRequest counts a request and returns the key it was counted under, which
// is a coarser one when the budget is spent.
func (t *table) addRequest(key requestKey) requestKey {
	if r := t.requests[key]; r != nil {
		r.n++
		return key
	}
	need := len(precreated) + 1
	if t.timings[timingKey{key.server, key.route}] == nil {
		need += t.timingSeries()
	}
	if t.series+need > t.maxSeries {
		t.overflow++
		key = requestKey{method: uint8(len(methods) - 1), status: classBase + t.class(key.status)}
		t.requests[key].n++
		return key
	}
	now := time.Now()
	t.precreate(key, now)
	r := t.requests[key]
	if r == nil {
		r = &requests{created: now}
		t.requests[key] = r
		t.series++
	}
	r.n++
	return key
}

// class returns the first digit of a status number.
func (t *table) class(status uint16) uint16 {
	if status >= classBase {
		return status - classBase
	}
	return status / 100
}

func (t *table) addTiming(key timingKey, m *measured) {
	have := t.timings[key]
	if have == nil {
		have = t.timing(key, time.Now())
	}
	if m.hasDuration {
		have.duration.observe(t.buckets, m.duration)
	}
	if m.hasUpstream {
		have.upstream.observe(t.buckets, m.upstream)
	}
	have.sent += uint64(m.sent)
	have.received += uint64(m.received)
}

func (t *table) addCache(server uint16, status []byte) {
	key := cacheKey{server: server, status: uint8(len(cacheStatuses) - 1)}
	for i, s := range cacheStatuses[:len(cacheStatuses)-1] {
		if string(status) == s {
			key.status = uint8(i)
		}
	}
	have := t.caches[key]
	if have == nil {
		if t.series >= t.maxSeries {
			key.server = 0
		}
		if have = t.caches[key]; have == nil {
			have = &counted{created: time.Now()}
			t.caches[key] = have
			t.series++
		}
	}
	have.n++
}
