package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// healthTimeout is how long a running exporter may take to say that it is healthy.
const healthTimeout = 5 * time.Second

// addHealthFlag declares the flag that asks a running exporter instead of
// starting one: images without a shell have no other program that could.
func (f *Flags) addHealthFlag(app *kingpin.Application) {
	app.Flag("web.health-check", "Check whether the exporter that listens on the first --web.listen-address is healthy, and exit with 0 or 1.").
		PreAction(func(*kingpin.ParseContext) error {
			if err := checkHealth(*f.web.WebListenAddresses); err != nil {
				panic(exit{code: 1, err: fmt.Errorf("not healthy: %w", err)})
			}
			panic(exit{})
		}).Bool()
}

// checkHealth asks the first of some addresses. A server that wants TLS or a
// password says so, and has answered then.
func checkHealth(addresses []string) error {
	if len(addresses) == 0 {
		return errors.New("no address to ask")
	}
	host, port, err := net.SplitHostPort(addresses[0])
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/-/healthy", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode >= http.StatusInternalServerError {
		return errors.New(resp.Status)
	}
	return nil
}
