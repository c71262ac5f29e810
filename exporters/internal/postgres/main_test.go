package postgres

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func main() { os.Exit(Program().Run(os.Args[1:], os.Stdout, os.Stderr)) }

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){name: main, "null_exporter": exportertest.Null})
}

func TestFlagsDoc(t *testing.T) {
	app, _ := newApp()
	exportertest.FlagsDoc(t, app, "../../../docs/flags/"+name+".md")
	exportertest.SettingsDoc(t, upstreamSettings, "postgres_exporter", name, "../../../docs/upstream/postgres_exporter.md")
}

// TestUpstreamSettings holds that no flag or variable of postgres_exporter is
// ignored in silence.
func TestUpstreamSettings(t *testing.T) {
	exportertest.Settings(t, upstreamSettings, func() (*kingpin.Application, *exporter.Flags) {
		app, f := newApp()
		return app, f.Flags
	})
}

// TestServer runs everything that needs a real PostgreSQL against one.
func TestServer(t *testing.T) {
	server := realtest.Postgres(t)
	t.Run("pack", func(t *testing.T) { testPack(t, server) })
	t.Run("reloads", func(t *testing.T) { testReloads(t, server) })
	t.Run("hang", func(t *testing.T) { testHang(t, server) })
	t.Run("scripts", func(t *testing.T) { testScripts(t, server) })
}

// testScripts runs the stories of testdata/script. $PG is host:port of a server
// with a database app, $DSN a connection string for it, $PASSWORD the password
// in it, $CONSOLE one for the admin console of PgBouncer before it, $ADDR a free
// address for the exporter.
func testScripts(t *testing.T, server *realtest.PostgresServer) {
	server.CreateDatabase(t, "app", "CREATE TABLE orders (state text, amount int); INSERT INTO orders VALUES ('new', 3), ('paid', 4)")
	console := ""
	if _, err := exec.LookPath("pgbouncer"); err == nil || os.Getenv("REQUIRE_SERVICES") == "1" {
		console = server.DSNVia(realtest.PgBouncer(t, server, "transaction", "stats_users = postgres"), "pgbouncer")
	}
	exportertest.Scripts(t, func(env *testscript.Env) {
		env.Setenv("CONSOLE", console)
		env.Setenv("PG", server.Addr())
		env.Setenv("DSN", server.DSN("app"))
		env.Setenv("PASSWORD", realtest.PostgresPassword)
	}, nil)
}

func TestSplitDSNs(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"postgres://a/b", []string{"postgres://a/b"}},
		{"postgres://a/b,postgresql://c/d", []string{"postgres://a/b", "postgresql://c/d"}},
		{"postgres://a:1,b:2/c?x=y", []string{"postgres://a:1,b:2/c?x=y"}},
		{"host=a password=x,host=b", []string{"host=a password=x", "host=b"}},
		{"host=a password='p,q=r' user=u,host=b", []string{"host=a password='p,q=r' user=u", "host=b"}},
		{"postgres://u:p,w@a/b", []string{"postgres://u:p,w@a/b"}},
	}
	for _, tt := range tests {
		if got := splitDSNs(tt.in); fmt.Sprint(got) != fmt.Sprint(tt.want) || len(got) != len(tt.want) {
			t.Errorf("splitDSNs(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestEnvironmentDSNs(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"none", nil, ""},
		{"name", map[string]string{"DATA_SOURCE_NAME": "host=a"}, "host=a"},
		{"uri", map[string]string{"DATA_SOURCE_URI": "a:5432/b?sslmode=disable"}, "postgresql://a:5432/b?sslmode=disable"},
		{"user", map[string]string{"DATA_SOURCE_URI": "a/b", "DATA_SOURCE_USER": "u"}, "postgresql://u@a/b"},
		{"password", map[string]string{"DATA_SOURCE_URI": "a/b", "DATA_SOURCE_USER": "u", "DATA_SOURCE_PASS": "p@s/s%"}, "postgresql://u:p%40s%2Fs%25@a/b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range []string{"NAME", "URI", "USER", "PASS"} {
				t.Setenv("DATA_SOURCE_"+v, tt.env["DATA_SOURCE_"+v])
			}
			got, err := environmentDSNs()
			if err != nil || len(got) != 1 || got[0] != tt.want {
				t.Errorf("= %q, %v, want %q", got, err, tt.want)
			}
			if _, err := url.Parse(got[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestProbeSource(t *testing.T) {
	var m module
	m.UserPass.Username, m.UserPass.Password = "u", config.NewSecret("p@ss")
	m.Options = map[string]string{"sslmode": "disable"}
	good := map[string]string{
		"db.example":                  "postgresql://u:p%40ss@db.example/?sslmode=disable",
		"db.example:5433/app":         "postgresql://u:p%40ss@db.example:5433/app?sslmode=disable",
		"postgresql://[::1]:5432/app": "postgresql://u:p%40ss@[::1]:5432/app?sslmode=disable",
	}
	for target, want := range good {
		s, err := probeSource(target, m)
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		if got, _ := s.dsn(); got != want {
			t.Errorf("%s = %s, want %s", target, got, want)
		}
	}
	for _, target := range []string{"", "/app", "db/app?sslkey=/etc/passwd", "other@db", "db/a/b", "a,b", "db/app sslmode=disable", "db/%2e", `db\x`, "host=db"} {
		if _, err := probeSource(target, m); err == nil {
			t.Errorf("%q was accepted", target)
		}
	}
}
