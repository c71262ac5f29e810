package redis

import (
	"net"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// sentinelMetrics are about what a sentinel watches.
type sentinelMetrics struct {
	sentinelStatus, sentinelReplicas       *collect.Family
	sentinelPeers, sentinelQuorum          *collect.Family
	sentinelGoodReplicas, sentinelGoodOnes *collect.Family
	sentinelSettings                       map[string]masterField // by field of SENTINEL MASTERS
	sentinelPeer                           *collect.Family
	configText, configNumber               *collect.Family
}

// masterField is a number of SENTINEL MASTERS.
type masterField struct {
	*collect.Family
	scale float64
}

func newSentinelMetrics(t *collect.Families) sentinelMetrics {
	const address, name = "master_address", "master_name"
	number := func(n, help string, scale float64) masterField {
		return masterField{t.Gauge("sentinel_master_"+n, help, address, name), scale}
	}
	return sentinelMetrics{
		sentinelStatus:       t.Gauge("sentinel_master_status", "Whether the status of the master is ok, labelled with its status.", address, name, "master_status"),
		sentinelReplicas:     t.Gauge("sentinel_master_slaves", "Replicas of the master.", address, name),
		sentinelPeers:        t.Gauge("sentinel_master_sentinels", "Sentinels that watch the master, this one included.", address, name),
		sentinelGoodReplicas: t.Gauge("sentinel_master_ok_slaves", "Replicas of the master that are neither down nor disconnected.", address, name),
		sentinelGoodOnes:     t.Gauge("sentinel_master_ok_sentinels", "Sentinels of the master that are neither down nor disconnected, this one included.", address, name),
		sentinelQuorum:       t.Gauge("sentinel_master_ckquorum_status", "Whether the sentinels can reach quorum and authorize a failover.", name, "message"),
		sentinelSettings: map[string]masterField{
			"quorum":                  number("setting_ckquorum", "Sentinels that must agree that the master is down.", 1),
			"failover-timeout":        number("setting_failover_timeout", "Timeout of a failover in milliseconds.", 1),
			"parallel-syncs":          number("setting_parallel_syncs", "Replicas that synchronize at the same time after a failover.", 1),
			"down-after-milliseconds": number("setting_down_after_milliseconds", "Silence after which the master counts as down, in milliseconds.", 1),
			"config-epoch":            number("config_epoch", "Epoch of the configuration of the master, which grows with each failover.", 1),
			"last-ok-ping-reply":      number("last_ok_ping_reply_seconds", "Time since the master last answered a PING as it should.", 1e-3),
		},
		sentinelPeer: t.Gauge("sentinel_peer_info", "Constant 1, labelled with another sentinel of a master.",
			"flags", "ip", address, name, "name", "port", "runid"),
		configText:   t.Gauge("sentinel_config_key_value", "Constant 1, labelled with a parameter of all of the sentinel and its value.", "key", "value"),
		configNumber: t.Gauge("sentinel_config_value", "Value of a parameter of all of the sentinel that is a number.", "key"),
	}
}

// sentinelCommands asks for all masters, and three things about each.
func sentinelCommands(c *Config, f *facts) []command {
	commands := []command{{"SENTINEL", "MASTERS"}}
	for _, name := range f.masters {
		commands = append(commands,
			command{"SENTINEL", "CKQUORUM", name}, command{"SENTINEL", "SENTINELS", name}, command{"SENTINEL", "SLAVES", name})
	}
	if c.ConfigValues {
		commands = append(commands, command{"SENTINEL", "CONFIG", "GET", "*"})
	}
	return commands
}

// write writes the lines masterN of INFO and the replies to sentinelCommands.
func (m *sentinelMetrics) write(s *scrape, replies []reply) error {
	addresses := map[string]string{}
	for _, line := range s.info {
		if line.section == "sentinel" && isNumbered(line.key, "master") && len(addresses) < maxMasters {
			m.master(s, line.value, addresses)
		}
	}
	masters, err := replies[0].list()
	if err != nil {
		return err
	}
	for _, one := range masters[:min(len(masters), maxMasters)] {
		m.setting(s, one)
	}
	for _, r := range replies[1:] {
		name := toText(r.command[2])
		m.check(s, toText(r.command[1]), name, addresses[name], r)
	}
	return nil
}

// master writes name=mymaster,status=ok,address=10.0.0.1:6379,slaves=2,sentinels=3.
func (m *sentinelMetrics) master(s *scrape, value string, addresses map[string]string) {
	fields := map[string]string{}
	for k, v := range pairs(value) {
		fields[k] = v
	}
	name, address := fields["name"], fields["address"]
	addresses[name] = address
	s.Flag(m.sentinelStatus, fields["status"] == "ok", address, name, fields["status"])
	if v, ok := number(fields["slaves"]); ok {
		s.Add(m.sentinelReplicas, v, address, name)
	}
	if v, ok := number(fields["sentinels"]); ok {
		s.Add(m.sentinelPeers, v, address, name)
	}
}

// setting writes one element of SENTINEL MASTERS.
func (m *sentinelMetrics) setting(s *scrape, master any) {
	values := map[string]any{}
	for k, v := range fields(master) {
		values[k] = v
	}
	address := net.JoinHostPort(toText(values["ip"]), toText(values["port"]))
	for k, f := range m.sentinelSettings {
		if v, ok := toNumber(values[k]); ok {
			s.Add(f.Family, v*f.scale, address, toText(values["name"]))
		}
	}
}

// check writes the reply to one of the questions, most of which are about a master.
func (m *sentinelMetrics) check(s *scrape, question, name, address string, r reply) {
	switch question {
	case "CONFIG":
		m.config(s, r)
	case "CKQUORUM":
		word := "OK"
		if r.err != nil {
			word, _, _ = strings.Cut(r.err.Error(), " ")
		}
		if word != "OK" && word != "NOQUORUM" {
			word = "ERR" // The rest of the text names hosts and counts.
		}
		s.Flag(m.sentinelQuorum, word == "OK", name, word)
	case "SENTINELS":
		if n, err := healthy(r); err == nil {
			s.Add(m.sentinelGoodOnes, n+1, address, name)
		}
		if s.config.SentinelPeers {
			m.peers(s, name, address, r)
		}
	case "SLAVES":
		if n, err := healthy(r); err == nil {
			s.Add(m.sentinelGoodReplicas, n, address, name)
		}
	}
}

// peers writes the other sentinels of a master.
func (m *sentinelMetrics) peers(s *scrape, name, address string, r reply) {
	list, err := r.list()
	if err != nil {
		return // The master has gone meanwhile.
	}
	for _, one := range list[:min(len(list), maxPeers)] {
		s.Add(m.sentinelPeer, 1, fieldText(one, "flags"), fieldText(one, "ip"), address, name, fieldText(one, "name"), fieldText(one, "port"), fieldText(one, "runid"))
	}
}

// config writes the parameters of all of the sentinel, which has them from
// Redis 6.2 on.
func (m *sentinelMetrics) config(s *scrape, r reply) {
	settings := 0
	for name, value := range fields(r.value) {
		if settings++; settings <= maxSettings {
			writeSetting(s, m.configText, m.configNumber, name, toText(value))
		}
	}
}

// healthy counts the elements of a list that are not down or disconnected.
func healthy(r reply) (n float64, err error) {
	list, err := r.list()
	if err != nil {
		return 0, err
	}
	for _, one := range list {
		for k, v := range fields(one) {
			flags := toText(v)
			if k == "flags" && !strings.Contains(flags, "down") && !strings.Contains(flags, "disconnected") {
				n++
			}
		}
	}
	return n, nil
}
