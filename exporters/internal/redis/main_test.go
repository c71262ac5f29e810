package redis

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func main() { os.Exit(Program().Run(os.Args[1:], os.Stdout, os.Stderr)) }

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"redis_exporter": main, "null_exporter": exportertest.Null})
}

// TestScript runs the stories of testdata/script. $REDIS is host:port of a
// server, $SECURED of one that wants a password, $SOCKET the socket of that, and
// $ADDR a free address for the exporter.
func TestScript(t *testing.T) {
	open, secured := realtest.Redis(t), realtest.Redis(t, "--requirepass", "s3cret-of-redis")
	for range 3 {
		open.Do(t, "LPUSH", "celery", "task")
	}
	exportertest.Scripts(t, func(env *testscript.Env) {
		env.Setenv("REDIS", open.Addr())
		env.Setenv("SECURED", secured.Addr())
		env.Setenv("SOCKET", secured.Socket())
	}, nil)
}
