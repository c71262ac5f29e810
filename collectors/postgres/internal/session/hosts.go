package session

import (
	"context"
	"net"
	"reflect"
	"slices"
	"strconv"
	"sync"

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
		err := validate(ctx, conn)
		if err == nil || is[*pgconn.NotPreferredError](err) || ReasonOf(err) != collect.Other {
			return err
		}
		return &collect.Error{Reason: ReasonUnavailable, Err: err} // The server has another role.
	}
}

// hosts finds out which of several configured hosts a connection is to.
type hosts struct {
	all []host

	mu    sync.Mutex
	found map[string][]string // addresses by name
}

type host struct {
	name string
	port uint16
}

// newHosts prepares config to be connected with.
func newHosts(config *pgconn.Config) *hosts {
	h := &hosts{all: []host{{config.Host, config.Port}}, found: map[string][]string{}}
	for _, f := range config.Fallbacks {
		h.all = append(h.all, host{f.Host, f.Port})
	}
	lookup := config.LookupFunc
	config.LookupFunc = func(ctx context.Context, name string) ([]string, error) {
		addresses, err := lookup(ctx, name)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.found[name] = append(h.found[name], addresses...)
		return addresses, err
	}
	return h
}

// of returns host:port as configured for the address of a connection, and the
// first one for an address that is none of theirs.
func (h *hosts) of(address net.Addr) string {
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
	one := h.all[max(i, 0)]
	return net.JoinHostPort(one.name, strconv.Itoa(int(one.port)))
}
