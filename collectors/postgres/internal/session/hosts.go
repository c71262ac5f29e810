package session

import (
	"context"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// byRole returns the check of target_session_attrs to use. The driver's own for
// read-write and read-only ask whether transactions are read-only by default,
// which ours always are; whether the server is in recovery is what is meant.
func byRole(validate pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	if validate == nil {
		return nil
	}
	switch reflect.ValueOf(validate).Pointer() {
	case reflect.ValueOf(pgconn.ValidateConnectTargetSessionAttrsReadWrite).Pointer():
		validate = pgconn.ValidateConnectTargetSessionAttrsPrimary
	case reflect.ValueOf(pgconn.ValidateConnectTargetSessionAttrsReadOnly).Pointer():
		validate = pgconn.ValidateConnectTargetSessionAttrsStandby
	}
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		if isConsole(conn) {
			return nil // It has no role, and no words to be asked for it.
		}
		err := validate(ctx, conn)
		if err == nil || is[*pgconn.NotPreferredError](err) || ReasonOf(err) != collect.Other {
			return err
		}
		return &collect.Error{Reason: ReasonUnavailable, Err: err} // The server has another role.
	}
}

// hosts finds out which of several configured hosts a connection is to, and gives
// each of them its share of the time.
type hosts struct {
	all []host

	mu    sync.Mutex
	found map[string][]string // addresses by name
}

type host struct {
	name string
	port uint16
}

func (h host) String() string { return net.JoinHostPort(h.name, strconv.Itoa(int(h.port))) }

// newHosts prepares config to be connected with until ctx ends. A host that does not
// answer must leave time for the others: the driver would wait for the first as long
// as ctx allows. The same goes for the addresses of a host.
func newHosts(ctx context.Context, config *pgconn.Config) *hosts {
	balance(config)
	h := &hosts{all: []host{{config.Host, config.Port}}, found: map[string][]string{}}
	for _, f := range config.Fallbacks {
		if one := (host{f.Host, f.Port}); one != h.all[len(h.all)-1] { // With and without TLS it is the same.
			h.all = append(h.all, one)
		}
	}
	wanted := config.ConnectTimeout
	config.ConnectTimeout = h.share(ctx, wanted)
	lookup := config.LookupFunc
	config.LookupFunc = func(ctx context.Context, name string) ([]string, error) {
		if share := h.share(ctx, 0); share > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, share)
			defer cancel()
		}
		addresses, err := lookup(ctx, name)
		h.mu.Lock()
		for _, a := range addresses {
			if !slices.Contains(h.found[name], a) {
				h.found[name] = append(h.found[name], a)
			}
		}
		h.mu.Unlock()
		config.ConnectTimeout = h.share(ctx, wanted) // The driver reads it when all names are looked up.
		return addresses, err
	}
	return h
}

// balance puts the hosts of a connection string in a random order if it says
// load_balance_hosts=random.
func balance(config *pgconn.Config) {
	mode := config.RuntimeParams["load_balance_hosts"]
	delete(config.RuntimeParams, "load_balance_hosts")
	if mode != "random" {
		return
	}
	all := append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	var hosts [][]*pgconn.FallbackConfig // With and without TLS they stay together.
	for i, one := range all {
		if i > 0 && one.Host == all[i-1].Host && one.Port == all[i-1].Port {
			hosts[len(hosts)-1] = append(hosts[len(hosts)-1], one)
			continue
		}
		hosts = append(hosts, []*pgconn.FallbackConfig{one})
	}
	rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	all = slices.Concat(hosts...)
	config.Host, config.Port, config.TLSConfig, config.Fallbacks = all[0].Host, all[0].Port, all[0].TLSConfig, all[1:]
}

// share returns how long to wait for each address, wanted at most if that is not 0,
// and 0 for without a limit of its own.
func (h *hosts) share(ctx context.Context, wanted time.Duration) time.Duration {
	deadline, limited := ctx.Deadline()
	h.mu.Lock()
	defer h.mu.Unlock()
	addresses := 0
	for _, one := range h.all {
		addresses += max(1, len(h.found[one.name]))
	}
	if !limited || addresses == 1 {
		return wanted
	}
	share := time.Until(deadline) / time.Duration(addresses)
	if wanted > 0 {
		share = min(share, wanted)
	}
	return max(share, 1)
}

// of returns the host as configured for the address of a connection, and the
// first one for an address that is none of theirs.
func (h *hosts) of(address net.Addr) host {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.all, func(one host) bool {
		if network, path := pgconn.NetworkAddress(one.name, one.port); network == "unix" {
			return path == address.String()
		}
		return slices.ContainsFunc(append(h.found[one.name], one.name), func(ip string) bool {
			// A lookup may bring the port, too.
			return ip == address.String() || net.JoinHostPort(ip, strconv.Itoa(int(one.port))) == address.String()
		})
	})
	return h.all[max(i, 0)]
}
