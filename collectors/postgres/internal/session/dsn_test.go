package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestConnectionStrings holds that the parameters of libpq which make no difference
// here are accepted, and that the others are left for the server to refuse.
func TestConnectionStrings(t *testing.T) {
	config, err := parseDSN("host=h keepalives=1 keepalives_idle=5 keepalives_interval=5 keepalives_count=5 tcp_user_timeout=9 gssencmode=prefer " +
		"sslcompression=0 fallback_application_name=x binary_parameters=yes options=-cgeqo=off search_path=app")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(config.RuntimeParams); got != "map[options:-cgeqo=off search_path:app]" {
		t.Errorf("the server is asked for %s", got)
	}
	for _, parameter := range []string{"gssencmode=require", "sslcrl=/x", "requirepeer=postgres"} {
		name, value, _ := strings.Cut(parameter, "=")
		if config, err := parseDSN("host=h " + parameter); err != nil || config.RuntimeParams[name] != value {
			t.Errorf("%s is lost, or %v", parameter, err)
		}
	}
}

// TestConnectionStringErrors holds that an error tells what is wrong and nothing that
// may be a password.
func TestConnectionStringErrors(t *testing.T) {
	for parameter, want := range map[string]string{
		"sslmode=verify-full sslrootcert=/missing/ca.pem": "open /missing/ca.pem: no such file or directory",
		"sslmode=verify-full sslrootcert=/dev/null":       "sslrootcert has no certificates",
		"sslmode=maybe":                  "sslmode is none of disable,",
		"target_session_attrs=writable":  "target_session_attrs is none of any,",
		"sslmode=require sslcert=/x":     "sslcert and sslkey belong together",
		"servicefile=/missing service=x": "the service file cannot be read",
		"connect_timeout=soon":           "connect_timeout is not a number",
		"port=1,2":                       "one port, or one for each host",
		"hostaddr=127.0.0.1":             "hostaddr is not supported",
	} {
		_, err := parseDSN("host=h password=h1dden " + parameter)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "h1dden") {
			t.Errorf("%s: %v, want %q", parameter, err, want)
		}
	}
	for dsn, want := range map[string]string{
		"postgres://u:h1dden@h:port/x":    "a port is not a number",
		"postgres://u:a@h:h1dden/x":       "escaped, as in %40",
		"postgres://u:%zzh1dden@h/x":      "it is not a URL; user and password have",
		"host=h password=h1dden h1dden x": "neither a URL nor keywords",
	} {
		_, err := parseDSN(dsn)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "h1dden") {
			t.Errorf("%s: %v, want %q", dsn, err, want)
		}
	}
}

// TestLoadBalance holds that hosts come in any order, each with all of its ways.
func TestLoadBalance(t *testing.T) {
	order := func(dsn string) string {
		config, err := SourceOf(func() (string, error) { return dsn, nil })(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		newHosts(context.Background(), config)
		if len(config.RuntimeParams) > 0 {
			t.Errorf("the server is asked for %v", config.RuntimeParams)
		}
		var ways []string
		for _, one := range append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, config.Fallbacks...) {
			ways = append(ways, fmt.Sprintf("%s:%d %t", one.Host, one.Port, one.TLSConfig != nil))
		}
		return strings.Join(ways, ", ")
	}
	const dsn = "host=a,b,a port=1,2,3 user=u sslmode=prefer load_balance_hosts="
	const fixed = "a:1 true, a:1 false, b:2 true, b:2 false, a:3 true, a:3 false"
	if got := order(dsn + "disable"); got != fixed {
		t.Errorf("without balance: %s", got)
	}
	seen := map[string]bool{}
	for range 1000 { // Six orders: one of them stays away with a chance of less than 1e-78.
		got := order(dsn + "random")
		seen[got] = true
		if ways := strings.Split(got, ", "); len(ways) != 6 || !slices.Contains(strings.Split(fixed, ", "), ways[0]) || strings.TrimSuffix(ways[0], "true") != strings.TrimSuffix(ways[1], "false") {
			t.Fatalf("order %s", got)
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d orders, want 6", len(seen))
	}
}
