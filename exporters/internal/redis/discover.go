package redis

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"time"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/redis"
)

// targetGroup is a group of targets of Prometheus's HTTP service discovery.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// discoverTimeout is how long the cluster may take to tell its nodes.
const discoverTimeout = 5 * time.Second

// discover lists the nodes of the cluster of --redis.addr, to be probed.
func (s *service) discover(w http.ResponseWriter, r *http.Request) {
	if !s.flags.cluster || s.main == nil {
		http.Error(w, "this takes --is-cluster and an address", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), discoverTimeout)
	defer cancel()
	nodes, err := s.main.Nodes(ctx)
	if err != nil {
		s.errors.Inc()
		http.Error(w, "the cluster does not tell its nodes: "+string(collector.ReasonOf(err)), http.StatusBadGateway)
		return
	}
	a, err := parseAddress(s.flags.addr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	scheme := "redis://"
	if a.tls {
		scheme = "rediss://"
	}
	group := targetGroup{Targets: []string{}, Labels: map[string]string{}}
	for _, n := range nodes {
		address := n.Address
		if _, port, err := net.SplitHostPort(address); s.flags.hostnames && n.Hostname != "" && err == nil {
			address = net.JoinHostPort(n.Hostname, port)
		}
		group.Targets = append(group.Targets, scheme+address)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode([]targetGroup{group}) // An error is the client's.
}
