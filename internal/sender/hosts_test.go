package sender

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// fakeDNS has names of addresses, and addresses of names.
type fakeDNS struct {
	names, addresses map[string]string
	asked            atomic.Int64
}

func (f *fakeDNS) LookupAddr(_ context.Context, a string) ([]string, error) {
	f.asked.Add(1)
	switch name := f.names[a]; name {
	case "":
		return nil, &net.DNSError{IsNotFound: true}
	case "timeout":
		return nil, &net.DNSError{IsTimeout: true}
	default:
		return []string{name}, nil
	}
}

func (f *fakeDNS) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a := f.addresses[host]; a != "" {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	return nil, &net.DNSError{IsNotFound: true}
}

func TestHosts(t *testing.T) {
	dns := &fakeDNS{
		names: map[string]string{
			"203.0.113.1": "Out-1.Example-ESP.example.", "203.0.113.2": "o1.ptr.sendgrid.net.", "203.0.113.3": "mail.google.com.", "203.0.113.4": "timeout",
			"203.0.113.5": "host.unlisted.example.co.uk.",
		},
		addresses: map[string]string{"Out-1.Example-ESP.example.": "203.0.113.1", "o1.ptr.sendgrid.net.": "203.0.113.2", "mail.google.com.": "192.0.2.1", "host.unlisted.example.co.uk.": "203.0.113.5"},
	}
	kept := make(chan store.Host, 100)
	known := []store.Host{{Address: netip.MustParseAddr("203.0.113.8"), Host: "a.b.example", Sender: "brevo", LookedUp: time.Now()}}
	h := NewHosts(known, func(_ context.Context, hosts []store.Host) error {
		for _, host := range hosts {
			kept <- host
		}
		return nil
	})
	h.Want(netip.MustParseAddr("203.0.113.99"))
	if h.Active() || len(h.wanted) > 0 || h.Service(known[0].Address) != "" {
		t.Error("something is looked up or used before it may be")
	}
	h.Use(&Lookups{Resolver: dns, Map: map[string]string{"example-esp.example": "Example ESP"}, Interval: time.Nanosecond})
	names, err := New(Config{Hosts: h})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { h.Run(ctx); close(done) }()
	for _, a := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5", "203.0.113.6", "203.0.113.8", "203.0.113.1"} {
		names.Of(recordOf(t, a, "shop.example", "", ""))
	}
	names.Of(recordOf(t, "203.0.113.9", "shop.example", "sendgrid.net=pass", "")) // has a name
	names.Of(recordOf(t, "no address", "shop.example", "", ""))
	got := map[string][2]string{}
	for range 6 {
		host := <-kept
		got[host.Address.String()] = [2]string{host.Host, host.Sender}
	}
	want := map[string][2]string{
		"203.0.113.1": {"out-1.example-esp.example", "Example ESP"}, "203.0.113.2": {"o1.ptr.sendgrid.net", "sendgrid"},
		"203.0.113.3": {}, "203.0.113.4": {}, "203.0.113.5": {"host.unlisted.example.co.uk", "example.co.uk"}, "203.0.113.6": {},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	for a, want := range map[string]string{
		"203.0.113.1": "Example ESP", "203.0.113.2": "sendgrid", "203.0.113.3": store.SenderUnauthenticated, "203.0.113.5": store.SenderUnauthenticated, "203.0.113.8": "brevo",
	} {
		if got := names.Label(recordOf(t, a, "shop.example", "", "")); got != want {
			t.Errorf("%s: label %q, want %q", a, got, want)
		}
	}
	// What is known is not asked for again.
	asked := dns.asked.Load()
	names.Of(recordOf(t, "203.0.113.1", "shop.example", "", ""))
	names.Of(recordOf(t, "203.0.113.7", "shop.example", "", ""))
	realtest.Eventually(t, "looked up the new one", func() bool { return dns.asked.Load() > asked })
	cancel()
	<-done
	if got := dns.asked.Load(); got != asked+1 {
		t.Errorf("%d lookups, want one", got-asked)
	}
	// Nobody waits when there is much to look up.
	for i := range 2 * maxWanted {
		h.Want(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	var none *Hosts
	none.Want(netip.MustParseAddr("203.0.113.1"))
	if none.Service(netip.Addr{}) != "" {
		t.Error("nobody knows a service")
	}
}

func TestReadMap(t *testing.T) {
	got, err := readMap(strings.NewReader("\ufeffbase_reverse_dns,name,type\nExample.COM,Example Inc.,Email Provider\n\"a.example\",\"A, B\",ISP\n"))
	if diff := cmp.Diff(map[string]string{"example.com": "Example Inc.", "a.example": "A, B"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"domain,name\n": "want the columns base_reverse_dns,name,type", "base_reverse_dns,name,type\na.example\n": "line 2: 1 columns",
		"base_reverse_dns,name,type\na.example,,x\n": "line 2: no name", "base_reverse_dns,name,type\na.example," + tally.Other + ",x\n": "stands for", "": "EOF",
		"base_reverse_dns,name,type\na.example,\x1b[31m,x\n": "cannot be shown",
	} {
		if _, err := readMap(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}
