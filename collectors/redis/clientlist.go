package redis

import (
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// clientMetrics are about the connected clients.
type clientMetrics struct {
	clientsByType                  *collect.Family
	clientOldest, clientIdlest     *collect.Family
	clientsOutput, clientsQuery    *collect.Family
	clientInfo, clientsDropped     *collect.Family
	clientCreated, clientIdleSince *collect.Family
	clientNumbers                  map[string]*collect.Family // by key of CLIENT LIST
}

func newClientMetrics(t *collect.Families, c *Config) clientMetrics {
	one := func(name, help string) *collect.Family {
		return t.Gauge("connected_client_"+name, help, "id", "name")
	}
	count := func(name, help string) *collect.Family {
		return t.Counter("connected_client_"+name, help, "id", "name")
	}
	infoLabels := []string{"db", "flags", "host", "id", "name", "resp", "user"}
	if c.ClientPorts {
		infoLabels = []string{"db", "flags", "host", "id", "name", "port", "resp", "user"}
	}
	return clientMetrics{
		clientsByType: t.Gauge("client_list_clients", "Connections by type: normal, pubsub, replica or master.", "type"),
		clientOldest:  t.Gauge("client_list_longest_age_seconds", "Age of the oldest connection."),
		clientIdlest:  t.Gauge("client_list_longest_idle_seconds", "Time the most idle connection has been idle."),
		clientsOutput: t.Gauge("client_list_output_buffer_bytes", "Memory of the output buffers of all connections."),
		clientsQuery:  t.Gauge("client_list_query_buffer_bytes", "Data in the query buffers of all connections."),

		clientInfo:      t.Gauge("connected_client_info", "Constant 1, labelled with a connection.", infoLabels...),
		clientsDropped:  t.Gauge("connected_clients_dropped", "Connections that are not exported one by one because there are too many."),
		clientCreated:   one("created_at_timestamp", "Time the connection was opened, in seconds since the epoch."),
		clientIdleSince: one("idle_since_timestamp", "Time the connection has been idle since, in seconds since the epoch."),
		clientNumbers: map[string]*collect.Family{
			"sub":       one("channel_subscriptions_count", "Channels the connection is subscribed to."),
			"psub":      one("pattern_matching_subscriptions_count", "Patterns the connection is subscribed to."),
			"ssub":      one("shard_channel_subscriptions_count", "Shard channels the connection is subscribed to."),
			"watch":     one("shard_channel_watched_keys", "Keys the connection watches."),
			"qbuf":      one("query_buffer_length_bytes", "Data in the query buffer of the connection."),
			"qbuf-free": one("query_buffer_free_space_bytes", "Free space in the query buffer of the connection."),
			"obl":       one("output_buffer_length_bytes", "Data in the output buffer of the connection."),
			"oll":       one("output_list_length", "Replies that wait in the output list of the connection."),
			"omem":      one("output_buffer_memory_usage_bytes", "Memory of the output buffer of the connection."),
			"tot-mem":   one("total_memory_consumed_bytes", "Memory of all buffers of the connection."),

			"read-events":          count("read_events_total", "Reads from the connection."),
			"avg-pipeline-len-sum": count("pipeline_commands_total", "Commands parsed from the input of the connection."),
			"avg-pipeline-len-cnt": count("pipeline_batches_total", "Times at least one command was parsed from the input of the connection."),
		},
	}
}

// client is one line of CLIENT LIST: keys and values in their order.
type client []infoField

// parseClient splits a line like "id=7 addr=127.0.0.1:44552 name= age=0".
func parseClient(line string) client {
	var c client
	for word := range strings.FieldsSeq(line) {
		if key, value, ok := strings.Cut(word, "="); ok && key != "" {
			c = append(c, infoField{key: key, value: value})
		}
	}
	return c
}

func (c client) get(key string) string { return info(c).get(key) }

func (c client) number(key string) float64 {
	v, _ := number(c.get(key)) // 0 if this version does not have it.
	return v
}

// kind returns the type of a connection by its flags.
func (c client) kind() string {
	flags := c.get("flags")
	switch {
	case strings.ContainsAny(flags, "S"):
		return "replica"
	case strings.ContainsAny(flags, "M"):
		return "master"
	case strings.ContainsAny(flags, "P"):
		return "pubsub"
	}
	return "normal"
}

// write writes CLIENT LIST.
func (m *clientMetrics) write(s *scrape, replies []reply) error {
	text, err := replies[0].text()
	if err != nil {
		return err
	}
	kinds := map[string]float64{"normal": 0, "pubsub": 0, "replica": 0, "master": 0}
	var oldest, idlest, output, query float64
	shown, dropped := 0, 0
	for line := range strings.Lines(text) {
		c := parseClient(line)
		if c == nil {
			continue
		}
		kinds[c.kind()]++
		oldest = max(oldest, c.number("age"))
		idlest = max(idlest, c.number("idle"))
		output += c.number("omem")
		query += c.number("qbuf")
		if shown < s.config.MaxClientSeries {
			shown++
			m.one(s, c)
		} else {
			dropped++
		}
	}
	for kind, n := range kinds {
		s.Add(m.clientsByType, n, kind)
	}
	s.Add(m.clientOldest, oldest)
	s.Add(m.clientIdlest, idlest)
	s.Add(m.clientsOutput, output)
	s.Add(m.clientsQuery, query)
	if s.config.MaxClientSeries > 0 {
		s.Add(m.clientsDropped, float64(dropped))
	}
	return nil
}

// writeUnasked writes what is known when there are too many clients to list.
func (m *clientMetrics) writeUnasked(s *scrape) {
	if isData(s.config, s.facts) && !hasClients(s.config, s.facts) && s.config.MaxClientSeries > 0 {
		s.Add(m.clientsDropped, float64(s.facts.clients))
	}
}

// one writes a connection by itself.
func (m *clientMetrics) one(s *scrape, c client) {
	host, port := c.get("addr"), ""
	if at := strings.LastIndexByte(host, ':'); at >= 0 {
		host, port = host[:at], host[at+1:]
	}
	values := make([]string, len(m.clientInfo.Labels))
	for i, label := range m.clientInfo.Labels {
		switch label {
		case "host":
			values[i] = host
		case "port":
			values[i] = port
		default:
			values[i] = c.get(label)
		}
	}
	s.Add(m.clientInfo, 1, values...)
	id, name := c.get("id"), c.get("name")
	now := float64(s.now.Unix())
	s.Add(m.clientCreated, now-c.number("age"), id, name)
	s.Add(m.clientIdleSince, now-c.number("idle"), id, name)
	for _, f := range c {
		if family := m.clientNumbers[f.key]; family != nil {
			if v, ok := number(f.value); ok {
				s.Add(family, v, id, name)
			}
		}
	}
}
