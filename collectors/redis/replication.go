package redis

import (
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// replicationMetrics are about a master and its replicas.
type replicationMetrics struct {
	replicaLag, replicaOffset          *collect.Family
	replica, masterLinkUp, masterIOAge *collect.Family
	masterSync, replicaOwnOffset       *collect.Family
}

func newReplicationMetrics(t *collect.Families) replicationMetrics {
	const host, port = "master_host", "master_port"
	return replicationMetrics{
		replicaLag:       t.Gauge("connected_slave_lag_seconds", "Time since a replica last acknowledged.", "slave_ip", "slave_port", "slave_state"),
		replicaOffset:    t.Gauge("connected_slave_offset_bytes", "Offset a replica has acknowledged.", "slave_ip", "slave_port", "slave_state"),
		replica:          t.Gauge("slave_info", "Constant 1, labelled with the master of this replica.", host, port, "read_only"),
		masterLinkUp:     t.Gauge("master_link_up", "Whether this replica is connected with its master.", host, port),
		masterIOAge:      t.Gauge("master_last_io_seconds_ago", "Time since this replica last heard of its master.", host, port),
		masterSync:       t.Gauge("master_sync_in_progress", "Whether this replica is synchronizing with its master.", host, port),
		replicaOwnOffset: t.Gauge("slave_repl_offset", "Offset of the replication stream this replica has reached.", host, port),
	}
}

// write writes what is labelled in the section replication. A replica of several
// masters (KeyDB) has them one after the other, as master_host, master_1_host.
func (m *replicationMetrics) write(s *scrape) {
	host, port := "", ""
	role := s.info.get("role")
	isReplica := role == "slave" || role == "active-replica" // The latter is KeyDB's.
	own := map[string]*collect.Family{
		"master_link_status":         m.masterLinkUp,
		"master_last_io_seconds_ago": m.masterIOAge,
		"master_sync_in_progress":    m.masterSync,
		"slave_repl_offset":          m.replicaOwnOffset,
	}
	replicas := map[string]bool{} // by what becomes labels: some share an address
	masters := 0
	for _, line := range s.info {
		key := withoutNumber(line.key)
		switch f := own[key]; {
		case isReplica && key == "master_host":
			host, port = line.value, ""
			masters++
		case isReplica && key == "master_port":
			port = line.value
		case isReplica && f != nil && masters <= maxReplicas:
			if v, ok := number(line.value); ok {
				s.Add(f, v, host, port)
			}
		case isReplica && key == "slave_read_only":
			s.Add(m.replica, 1, s.info.get("master_host"), s.info.get("master_port"), line.value)
		case line.section == "replication" && isNumbered(line.key, "slave") && len(replicas) < maxReplicas:
			m.connected(s, line.value, replicas)
		}
	}
}

// withoutNumber returns master_host for master_1_host.
func withoutNumber(key string) string {
	rest, ok := strings.CutPrefix(key, "master_")
	if !ok {
		return key
	}
	if digits, name, ok := strings.Cut(rest, "_"); ok && isNumbered(digits, "") {
		return "master_" + name
	}
	return key
}

// connected writes ip=10.0.0.2,port=6379,state=online,offset=1751,lag=0.
func (m *replicationMetrics) connected(s *scrape, value string, seen map[string]bool) {
	fields := map[string]string{}
	for k, v := range pairs(value) {
		fields[k] = v
	}
	labels := []string{fields["ip"], fields["port"], fields["state"]}
	id := strings.Join(labels, " ")
	if seen[id] {
		return
	}
	seen[id] = true
	if v, ok := number(fields["offset"]); ok {
		s.Add(m.replicaOffset, v, labels...)
	}
	if v, ok := number(fields["lag"]); ok {
		s.Add(m.replicaLag, v, labels...)
	}
}
