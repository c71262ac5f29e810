package redis

import (
	"strconv"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// clusterMetrics are about a cluster as one of its nodes sees it.
type clusterMetrics struct {
	clusterInfo                          map[string]*collect.Family // by key of CLUSTER INFO
	clusterNode, clusterNodeLink         *collect.Family
	clusterNodeFailing, clusterNodeSlots *collect.Family
}

// busMessages are the messages of the cluster bus that CLUSTER INFO counts one by one.
var busMessages = []string{
	"ping", "pong", "meet", "fail", "publish", "publishshard", "auth-req", "auth-ack", "update", "mfstart", "module",
}

func newClusterMetrics(t *collect.Families) clusterMetrics {
	m := clusterMetrics{
		clusterInfo: map[string]*collect.Family{
			"cluster_state":          t.Gauge("cluster_state", "Whether the cluster serves all slots."),
			"cluster_slots_assigned": t.Gauge("cluster_slots_assigned", "Slots that have a node."),
			"cluster_slots_ok":       t.Gauge("cluster_slots_ok", "Slots whose node is reachable."),
			"cluster_slots_pfail":    t.Gauge("cluster_slots_pfail", "Slots whose node this node cannot reach."),
			"cluster_slots_fail":     t.Gauge("cluster_slots_fail", "Slots whose node the cluster cannot reach."),
			"cluster_known_nodes":    t.Gauge("cluster_known_nodes", "Nodes this node knows."),
			"cluster_size":           t.Gauge("cluster_size", "Masters that own slots."),
			"cluster_current_epoch":  t.Gauge("cluster_current_epoch", "Epoch of the cluster."),
			"cluster_my_epoch":       t.Gauge("cluster_my_epoch", "Epoch of the configuration of this node."),

			"cluster_nodes_pfail":        t.Gauge("cluster_nodes_pfail", "Nodes this node cannot reach (Valkey)."),
			"cluster_nodes_fail":         t.Gauge("cluster_nodes_fail", "Nodes the cluster cannot reach (Valkey)."),
			"cluster_voting_nodes_pfail": t.Gauge("cluster_voting_nodes_pfail", "Masters with slots this node cannot reach (Valkey)."),
			"cluster_voting_nodes_fail":  t.Gauge("cluster_voting_nodes_fail", "Masters with slots the cluster cannot reach (Valkey)."),

			// They only grow, and are gauges in the established exporter.
			"cluster_stats_messages_sent":     t.Gauge("cluster_messages_sent_total", "Messages sent on the cluster bus."),
			"cluster_stats_messages_received": t.Gauge("cluster_messages_received_total", "Messages received on the cluster bus."),
		},
		clusterNode:        t.Gauge("cluster_node_info", "Constant 1, labelled with a node of the cluster.", "address", "master_id", "node_id", "role"),
		clusterNodeLink:    t.Gauge("cluster_node_link_up", "Whether this node is connected with the other.", "node_id"),
		clusterNodeFailing: t.Gauge("cluster_node_failing", "Whether the node is, or may be, failing.", "node_id"),
		clusterNodeSlots:   t.Gauge("cluster_node_slots", "Slots the node owns.", "node_id"),
	}
	for _, kind := range busMessages {
		for _, way := range []string{"sent", "received"} {
			key := "cluster_stats_messages_" + kind + "_" + way
			m.clusterInfo[key] = t.Gauge(strings.ReplaceAll(key, "-", "_"), "Messages "+kind+" "+way+" on the cluster bus.")
		}
	}
	return m
}

// A Node is a node of a cluster.
type Node struct {
	ID       string
	Address  string // host:port
	Hostname string // that the node announces, "" if it announces none
	Role     string // master or replica
	MasterID string // of a replica
	Linked   bool   // the node that was asked is connected with it
	Failing  bool   // or suspected to be
	Slots    int
}

// parseNodes parses CLUSTER NODES. A line is an id, ip:port@cport,hostname,
// flags, the master, ping, pong, epoch, the state of the link, and slots.
func parseNodes(text string) []Node {
	var nodes []Node
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 8 || len(nodes) == maxClusterNodes {
			continue
		}
		flags := "," + words[2] + ","
		n := Node{
			ID: words[0], Role: "master",
			Linked:  words[7] == "connected",
			Failing: strings.Contains(flags, ",fail,") || strings.Contains(flags, ",fail?,"),
		}
		address, announced, _ := strings.Cut(words[1], ",")
		n.Address, _, _ = strings.Cut(address, "@")
		n.Hostname, _, _ = strings.Cut(announced, ",") // What follows are details such as shard-id=….
		if strings.Contains(n.Hostname, "=") {
			n.Hostname = ""
		}
		if strings.Contains(flags, ",slave,") {
			n.Role = "replica"
		}
		if words[3] != "-" {
			n.MasterID = words[3]
		}
		for _, owned := range words[8:] {
			n.Slots = min(n.Slots+countSlots(owned), slots)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// slots is how many slots a cluster has.
const slots = 16384

// countSlots counts "5", "0-5460"; a slot that migrates, "[5->-id]", is counted
// where it is still owned.
func countSlots(s string) int {
	first, last, isRange := strings.Cut(s, "-")
	a, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	if !isRange {
		return 1
	}
	b, err := strconv.Atoi(last)
	if err != nil || a < 0 || b < a || b >= slots {
		return 0
	}
	return b - a + 1
}

// write writes CLUSTER INFO and CLUSTER NODES.
func (m *clusterMetrics) write(s *scrape, replies []reply) error {
	text, err := replies[0].text()
	if err != nil {
		return err
	}
	for _, line := range parseInfo(text) {
		if f := m.clusterInfo[line.key]; f != nil {
			if v, ok := number(line.value); ok {
				s.Add(f, v)
			}
		}
	}
	if text, err = replies[1].text(); err != nil {
		return err
	}
	for _, n := range parseNodes(text) {
		s.Add(m.clusterNode, 1, n.Address, n.MasterID, n.ID, n.Role)
		s.Flag(m.clusterNodeLink, n.Linked, n.ID)
		s.Flag(m.clusterNodeFailing, n.Failing, n.ID)
		s.Add(m.clusterNodeSlots, float64(n.Slots), n.ID)
	}
	return nil
}
