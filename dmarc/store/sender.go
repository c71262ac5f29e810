package store

import (
	"context"
	"net/netip"
	"time"
)

// Sender is what is known of who sent the messages of a record.
type Sender struct {
	// Network is the name that the operator gives to the network of the address.
	Network string
	// Authenticated is who the messages were authenticated for: a service, or a
	// domain that is not their own.
	Authenticated string
	// Guess is the name of a well-known network with the address.
	Guess string
	// ASN and ASName are its autonomous system, and Country is its country, by
	// the two letters of ISO 3166.
	ASN             int64
	ASName, Country string
}

// Host is the name of an address, as DNS has it.
type Host struct {
	Address netip.Addr
	// Host is empty when there is none that leads back to the address.
	Host string
	// Sender is who the name belongs to.
	Sender   string
	LookedUp time.Time
}

// PutHosts keeps names of addresses.
func (s *Store) PutHosts(ctx context.Context, hosts []Host) error {
	rows := make([][]any, 0, len(hosts))
	for _, h := range hosts {
		rows = append(rows, []any{h.Address.String(), textOf(h.Host), textOf(h.Sender), timeOf(h.LookedUp)})
	}
	return s.do(ctx, &request{run: func(w *writing) error { return w.tx.Add(sheetHosts, rowsOf(rows)) }})
}

// Hosts returns the names of addresses that were looked up since a time, the
// newest first, up to most.
func (s *Store) Hosts(ctx context.Context, since time.Time, most int) (hosts []Host, err error) {
	err = eachRow(ctx, s.db.SQL(), func(row []any) error {
		c := cells{row: row}
		a, err := netip.ParseAddr(c.text())
		if err == nil { // What is no address has no name.
			hosts = append(hosts, Host{a, c.text(), c.text(), c.time()})
		}
		return nil
	}, "SELECT source_ip, host, host_sender, looked_up FROM addresses WHERE looked_up >= $1 ORDER BY looked_up DESC LIMIT $2", since.Unix(), int64(most))
	return hosts, s.read(ctx, err)
}
