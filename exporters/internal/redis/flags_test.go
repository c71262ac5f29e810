package redis

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/google/go-cmp/cmp"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/redis"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
)

func TestFlagsDoc(t *testing.T) {
	app, _ := newApp()
	exportertest.FlagsDoc(t, app, "../../../docs/flags/redis_exporter.md")
	exportertest.SettingsDoc(t, upstreamSettings, "the established redis_exporter", "redis_exporter", "../../../docs/upstream/redis_exporter.md")
}

// parse returns the flags of args.
func parse(t *testing.T, args ...string) *flags {
	t.Helper()
	app, f := newApp()
	var stderr bytes.Buffer
	if _, code, ok := exporter.Parse(app, exporter.UpstreamArgs(app, args), io.Discard, &stderr); !ok {
		t.Fatalf("%v: exit %d: %s", args, code, &stderr)
	}
	return f
}

// TestUpstreamArgs holds that command lines of the established exporter work.
func TestUpstreamArgs(t *testing.T) {
	f := parse(t, "-redis.addr=redis://a:1", "-is-cluster", "--set-client-name=false", "-include-metrics-for-empty-databases=false",
		"--ping-on-connect=true", "-namespace", "other", "--redact-config-metrics=true", "--debug=false", "--check-keys-batch-size=10")
	if f.addr != "redis://a:1" || !f.cluster || f.setClientName || f.emptyDatabases || !f.ping || f.namespace != "other" || f.batch != 10 {
		t.Errorf("flags: %+v %+v %+v", f.connection, f.metricFlags, f.keyFlags)
	}
}

// TestUpstreamSettings holds that no flag or variable of the established exporter
// is ignored in silence.
func TestUpstreamSettings(t *testing.T) {
	exportertest.Settings(t, upstreamSettings, func() (*kingpin.Application, *exporter.Flags) {
		app, f := newApp()
		return app, f.Flags
	})
}

func TestEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"REDIS_ADDR": "redis://redis:6379", "REDIS_USER": "exporter", "REDIS_PASSWORD_FILE": "/run/secrets/redis",
		"REDIS_EXPORTER_CHECK_KEYS": "db0=*", "REDIS_EXPORTER_NAMESPACE": "cache", "REDIS_EXPORTER_IS_CLUSTER": "true",
	} {
		t.Setenv(name, value)
	}
	f := parse(t)
	if f.addr != "redis://redis:6379" || f.user != "exporter" || f.passwordFile != "/run/secrets/redis" || f.keys != "db0=*" || f.namespace != "cache" || !f.cluster {
		t.Errorf("flags: %+v %+v %+v", f.connection, f.metricFlags, f.keyFlags)
	}
}

func TestParseKeys(t *testing.T) {
	got, err := parseKeys(`db3=user:*, plain,"0"="celery",1=a%2Cb`)
	want := []collector.Key{{DB: 3, Name: "user:*"}, {Name: "plain"}, {Name: "celery"}, {DB: 1, Name: "a,b"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("parseKeys = %v, %v (-want +got):\n%s", got, err, cmp.Diff(want, got))
	}
	for _, bad := range []string{"dbx=key", "db0=", "-1=key", "db0=%zz"} {
		if _, err := parseKeys(bad); err == nil {
			t.Errorf("parseKeys(%q): no error", bad)
		}
	}
}

func TestBadFlagsAreErrors(t *testing.T) {
	for _, c := range []struct {
		arg, want string
	}{
		{"--check-keys=dbx=y", `check-keys: "dbx=y": the database is not a number`},
		{"--check-key-groups=%b()", `--check-key-groups: pattern "%b()"`},
		{"--script=/nonexistent.lua", "--script: open /nonexistent.lua"},
		{"--redis.addr=http://x", "--redis.addr: the scheme"},
		{"--redis.password-file=/nonexistent", "read the secret: open /nonexistent"},
		{"--tls-ca-cert-file=/nonexistent", "read the CA certificates: open /nonexistent"},
		{"--tls-ca-cert-file=flags_test.go", "read the CA certificates: flags_test.go has none"},
		{"--tls-client-cert-file=flags_test.go", "needs both its file and the file of its key"},
		{"--config.file=testdata/unknown-field.yml", `testdata/unknown-field.yml: line 2: probe: unknown key "target", did you mean "targets"?`},
		{"--config.file=testdata/bad-pattern.yml", "testdata/bad-pattern.yml: line 2: probe.targets[1]: syntax error in pattern"},
		{"--config.file=testdata/no-password.yml", "testdata/no-password.yml: line 3: probe.modules.a.password_file: read the secret: open /nonexistent"},
	} {
		var stderr bytes.Buffer
		if code := Program().Run([]string{"--config.check", c.arg}, io.Discard, &stderr); code != 1 || !strings.Contains(strings.ReplaceAll(stderr.String(), `\"`, `"`), c.want) {
			t.Errorf("%s: exit %d, %q, want %q", c.arg, code, &stderr, c.want)
		}
	}
}
