package redis

import "strings"

// replicationFamilies are about a master and its replicas.
type replicationFamilies struct {
	replicaLag, replicaOffset          *family
	replica, masterLinkUp, masterIOAge *family
	masterSync, replicaOwnOffset       *family
}

func newReplicationFamilies(t *table) replicationFamilies {
	const host, port = "master_host", "master_port"
	return replicationFamilies{
		replicaLag:       t.gauge("connected_slave_lag_seconds", "Time since a replica last acknowledged.", "slave_ip", "slave_port", "slave_state"),
		replicaOffset:    t.gauge("connected_slave_offset_bytes", "Offset a replica has acknowledged.", "slave_ip", "slave_port", "slave_state"),
		replica:          t.gauge("slave_info", "Constant 1, labelled with the master of this replica.", host, port, "read_only"),
		masterLinkUp:     t.gauge("master_link_up", "Whether this replica is connected with its master.", host, port),
		masterIOAge:      t.gauge("master_last_io_seconds_ago", "Time since this replica last heard of its master.", host, port),
		masterSync:       t.gauge("master_sync_in_progress", "Whether this replica is synchronizing with its master.", host, port),
		replicaOwnOffset: t.gauge("slave_repl_offset", "Offset of the replication stream this replica has reached.", host, port),
	}
}

// replication writes what is labelled in the section replication.
func (w *writer) replication() {
	host, port := w.info.get("master_host"), w.info.get("master_port")
	role := w.info.get("role")
	isReplica := role == "slave" || role == "active-replica" // The latter is KeyDB's.
	own := map[string]*family{
		"master_link_status":         w.masterLinkUp,
		"master_last_io_seconds_ago": w.masterIOAge,
		"master_sync_in_progress":    w.masterSync,
		"slave_repl_offset":          w.replicaOwnOffset,
	}
	replicas := map[string]bool{} // by what becomes labels: some share an address
	for _, line := range w.info {
		switch f := own[line.key]; {
		case isReplica && f != nil:
			if v, ok := number(line.value); ok {
				w.add(f, v, host, port)
			}
		case isReplica && line.key == "slave_read_only":
			w.add(w.replica, 1, host, port, line.value)
		case line.section == "replication" && isNumbered(line.key, "slave") && len(replicas) < maxReplicas:
			w.connectedReplica(line.value, replicas)
		}
	}
}

// connectedReplica writes ip=10.0.0.2,port=6379,state=online,offset=1751,lag=0.
func (w *writer) connectedReplica(value string, seen map[string]bool) {
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
		w.add(w.replicaOffset, v, labels...)
	}
	if v, ok := number(fields["lag"]); ok {
		w.add(w.replicaLag, v, labels...)
	}
}
