package redis

import (
	"net"
	"strings"
)

// sentinelFamilies are about what a sentinel watches.
type sentinelFamilies struct {
	sentinelStatus, sentinelReplicas       *family
	sentinelPeers, sentinelQuorum          *family
	sentinelGoodReplicas, sentinelGoodOnes *family
	sentinelSettings                       map[string]*family // by field of SENTINEL MASTERS
}

func newSentinelFamilies(t *table) sentinelFamilies {
	const address, name = "master_address", "master_name"
	setting := func(n, help string) *family {
		return t.gauge("sentinel_master_setting_"+n, help, address, name)
	}
	return sentinelFamilies{
		sentinelStatus:       t.gauge("sentinel_master_status", "Whether the sentinel finds the master well, labelled with how it finds it.", address, name, "master_status"),
		sentinelReplicas:     t.gauge("sentinel_master_slaves", "Replicas of the master.", address, name),
		sentinelPeers:        t.gauge("sentinel_master_sentinels", "Sentinels that watch the master, this one included.", address, name),
		sentinelGoodReplicas: t.gauge("sentinel_master_ok_slaves", "Replicas of the master that are well.", address, name),
		sentinelGoodOnes:     t.gauge("sentinel_master_ok_sentinels", "Sentinels of the master that are well, this one included.", address, name),
		sentinelQuorum:       t.gauge("sentinel_master_ckquorum_status", "Whether the sentinels can reach quorum and authorize a failover.", name, "message"),
		sentinelSettings: map[string]*family{
			"quorum":                  setting("ckquorum", "Sentinels that must agree that the master is down."),
			"failover-timeout":        setting("failover_timeout", "Timeout of a failover in milliseconds."),
			"parallel-syncs":          setting("parallel_syncs", "Replicas that synchronize at the same time after a failover."),
			"down-after-milliseconds": setting("down_after_milliseconds", "Silence after which the master counts as down, in milliseconds."),
		},
	}
}

// sentinelCommands asks for all masters, and three things about each.
func sentinelCommands(_ *Config, f *facts) []command {
	commands := []command{{"SENTINEL", "MASTERS"}}
	for _, name := range f.masters {
		commands = append(commands,
			command{"SENTINEL", "CKQUORUM", name}, command{"SENTINEL", "SENTINELS", name}, command{"SENTINEL", "SLAVES", name})
	}
	return commands
}

// sentinel writes the lines masterN of INFO and the replies to sentinelCommands.
func (w *writer) sentinel(replies []reply) error {
	addresses := map[string]string{}
	for _, line := range w.info {
		if line.section == "sentinel" && isNumbered(line.key, "master") && len(addresses) < maxMasters {
			w.sentinelMaster(line.value, addresses)
		}
	}
	masters, err := replies[0].list()
	if err != nil {
		return err
	}
	for _, m := range masters[:min(len(masters), maxMasters)] {
		w.sentinelSetting(m)
	}
	for _, r := range replies[1:] {
		name := toText(r.command[2])
		w.sentinelCheck(toText(r.command[1]), name, addresses[name], r)
	}
	return nil
}

// sentinelMaster writes name=mymaster,status=ok,address=10.0.0.1:6379,slaves=2,sentinels=3.
func (w *writer) sentinelMaster(value string, addresses map[string]string) {
	fields := map[string]string{}
	for k, v := range pairs(value) {
		fields[k] = v
	}
	name, address := fields["name"], fields["address"]
	addresses[name] = address
	w.flag(w.sentinelStatus, fields["status"] == "ok", address, name, fields["status"])
	if v, ok := number(fields["slaves"]); ok {
		w.add(w.sentinelReplicas, v, address, name)
	}
	if v, ok := number(fields["sentinels"]); ok {
		w.add(w.sentinelPeers, v, address, name)
	}
}

// sentinelSetting writes one element of SENTINEL MASTERS.
func (w *writer) sentinelSetting(master any) {
	values := map[string]any{}
	for k, v := range fields(master) {
		values[k] = v
	}
	address := net.JoinHostPort(toText(values["ip"]), toText(values["port"]))
	for k, f := range w.sentinelSettings {
		if v, ok := toNumber(values[k]); ok {
			w.add(f, v, address, toText(values["name"]))
		}
	}
}

// sentinelCheck writes the reply to one of the questions about a master.
func (w *writer) sentinelCheck(question, name, address string, r reply) {
	switch question {
	case "CKQUORUM":
		word := "OK"
		if r.err != nil {
			word, _, _ = strings.Cut(r.err.Error(), " ")
		}
		if word != "OK" && word != "NOQUORUM" {
			word = "ERR" // The rest of the text names hosts and counts.
		}
		w.flag(w.sentinelQuorum, word == "OK", name, word)
	case "SENTINELS":
		if n, err := healthy(r); err == nil {
			w.add(w.sentinelGoodOnes, n+1, address, name)
		}
	case "SLAVES":
		if n, err := healthy(r); err == nil {
			w.add(w.sentinelGoodReplicas, n, address, name)
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
