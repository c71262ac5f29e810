package realtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// PgBouncer starts a pooler in front of s, in the given pool mode ("session",
// "transaction" or "statement"), and returns its address. It hands at most two
// server connections to all its clients.
func PgBouncer(t testing.TB, s *PostgresServer, mode string, settings ...string) string {
	t.Helper()
	program := Need(t, "pgbouncer")["pgbouncer"]
	dir := socketDir(t)
	port := FreePort(t)
	config := fmt.Sprintf(`[databases]
* = host=%s port=%d user=postgres password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = %s
default_pool_size = 2
`, s.Host, s.Port, PostgresPassword, port, filepath.Join(dir, "users"), mode)
	for _, line := range settings {
		config += line + "\n"
	}
	file := filepath.Join(dir, "pgbouncer.ini")
	for name, text := range map[string]string{file: config, filepath.Join(dir, "users"): `"postgres" ""` + "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: Unprivileged(t, dir)}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	Start(t, cmd).WaitFor(t, Dial("tcp", address))
	return address
}
