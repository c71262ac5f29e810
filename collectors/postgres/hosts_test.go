package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// hostsTime is long enough for a share of it to be enough for a server that answers.
const hostsTime = 12 * time.Second

// testHosts holds that of several hosts the one with the wanted role is taken,
// though our sessions are read-only, and that the label server names it.
func testHosts(t *testing.T, primary *realtest.PostgresServer) {
	standby := realtest.PostgresStandby(t)
	closed := realtest.FreeAddress(t)
	proxy := realtest.NewFaultProxy(t, "tcp", primary.Addr())
	proxy.SetMode(t, realtest.Hang)
	silent := proxy.Addr()
	for _, c := range []struct {
		hosts  []string
		role   string
		server string // "" if there is none
	}{
		{[]string{standby.Addr(), primary.Addr()}, "read-write", primary.Addr()},
		{[]string{standby.Addr(), primary.Addr()}, "primary", primary.Addr()},
		{[]string{closed, standby.Addr(), primary.Addr()}, "read-write", primary.Addr()},
		{[]string{primary.Addr(), standby.Addr()}, "read-only", standby.Addr()},
		{[]string{primary.Addr(), standby.Addr()}, "standby", standby.Addr()},
		{[]string{primary.Addr(), standby.Addr()}, "prefer-standby", standby.Addr()},
		{[]string{primary.Addr()}, "prefer-standby", primary.Addr()},
		{[]string{closed, primary.Addr()}, "any", primary.Addr()},
		{[]string{strings.Replace(primary.Addr(), "127.0.0.1", "localhost", 1), closed}, "any", strings.Replace(primary.Addr(), "127.0.0.1", "localhost", 1)},
		{[]string{silent, primary.Addr()}, "any", primary.Addr()},
		{[]string{silent, standby.Addr(), primary.Addr()}, "read-write", primary.Addr()},
		{[]string{primary.Addr(), silent}, "prefer-standby", primary.Addr()},
		{[]string{standby.Addr()}, "read-write", ""},
		{[]string{primary.Addr()}, "read-only", ""},
	} {
		t.Run(c.role+" of "+fmt.Sprint(len(c.hosts)), func(t *testing.T) {
			t.Parallel() // Some wait for a server that does not answer.
			dsn := primary.DSNVia(strings.Join(c.hosts, ","), "postgres") + "&target_session_attrs=" + c.role
			sessions := openSource(t, func(context.Context) (*pgconn.Config, error) { return pgconn.ParseConfig(dsn) }, postgres.SessionsConfig{})
			got := gather(t, postgres.New(sessions, parse(t, "q: {query: SELECT 1 AS n, metrics: [{n: {usage: GAUGE}}]}"), postgres.Config{}), hostsTime)
			switch series := fmt.Sprintf("q_n{server=%q}", c.server); {
			case c.server == "":
				if got["pg_up"] != 0 || got[`pg_exporter_scrape_errors_total{reason="unavailable"}`] != 1 {
					t.Errorf("got %v", got)
				}
			case got[series] != 1:
				t.Errorf("%s is not in %v", series, only(got, "q_", "pg_up", "pg_exporter_scrape_errors"))
			}
		})
	}
}
