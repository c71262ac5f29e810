package realtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// PostgresPassword is the password of the superuser of a PostgresServer.
const PostgresPassword = "s3cret-of-the-superuser"

// PostgresServer is a private PostgreSQL on a loopback port. Its superuser is
// "postgres".
type PostgresServer struct {
	*Process
	Host string
	Port int
	Dir  string // of the Unix socket
}

// Postgres starts a PostgreSQL that lives as long as the test. The settings are
// passed to the server, as "name=value". A package should start one and give
// each subtest a database of its own.
func Postgres(t testing.TB, settings ...string) *PostgresServer {
	t.Helper()
	return startPostgres(t, func(string) error { return nil }, settings...)
}

// PostgresStandby starts a PostgreSQL in recovery that waits for a primary, which
// it does not have.
func PostgresStandby(t testing.TB) *PostgresServer {
	t.Helper()
	return startPostgres(t, func(data string) error {
		return os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o644)
	})
}

// startPostgres starts a PostgreSQL whose new data directory prepare has changed.
func startPostgres(t testing.TB, prepare func(data string) error, settings ...string) *PostgresServer {
	t.Helper()
	programs := Need(t, "initdb", "postgres")
	dir := socketDir(t)
	s := &PostgresServer{Host: "127.0.0.1", Port: FreePort(t), Dir: dir}
	data, password := filepath.Join(dir, "data"), filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(PostgresPassword), 0o644); err != nil {
		t.Fatal(err)
	}
	user := Unprivileged(t, dir)
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(programs[name], args...)
		cmd.Dir = dir
		cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
		return cmd
	}
	initdb := command("initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--no-locale", "-N",
		"--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile="+password)
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	if err := prepare(data); err != nil {
		t.Fatal(err)
	}
	args := []string{"-D", data, "-p", strconv.Itoa(s.Port), "-k", dir, "-h", s.Host, "-F"}
	for _, setting := range append([]string{"shared_preload_libraries=pg_stat_statements", "autovacuum=off"}, settings...) {
		args = append(args, "-c", setting)
	}
	s.Process = Start(t, command("postgres", args...))
	t.Cleanup(s.shutdown)
	s.WaitFor(t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn, err := pgconn.Connect(ctx, s.DSN("postgres"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
	return s
}

// socketDir returns a directory for a server: its path is short enough for a
// socket, and other users than root can be let in.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// shutdown asks for a fast shutdown, which does not wait for clients.
func (s *PostgresServer) shutdown() {
	_ = s.Signal(syscall.SIGCONT) // It may be stopped, or gone.
	_ = s.Signal(syscall.SIGINT)
	select {
	case <-s.Done():
	case <-time.After(5 * time.Second): // The process is killed next.
	}
}

// Addr returns host:port.
func (s *PostgresServer) Addr() string { return fmt.Sprintf("%s:%d", s.Host, s.Port) }

// DSN returns a connection string for the superuser in a database.
func (s *PostgresServer) DSN(database string) string { return s.DSNVia(s.Addr(), database) }

// DSNVia is DSN for connections through a proxy at addr.
func (s *PostgresServer) DSNVia(addr, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", PostgresPassword),
		Host: addr, Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// SQL runs statements, separated by semicolons, in a database and returns the
// rows of the last one.
func (s *PostgresServer) SQL(t testing.TB, database, sql string) [][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgconn.Connect(ctx, s.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var rows [][]string
	for _, r := range results {
		rows = rows[:0]
		for _, row := range r.Rows {
			var texts []string
			for _, value := range row {
				texts = append(texts, string(value))
			}
			rows = append(rows, texts)
		}
	}
	return rows
}

// CreateDatabase creates a database and fills it.
func (s *PostgresServer) CreateDatabase(t testing.TB, name, sql string) {
	t.Helper()
	s.SQL(t, "postgres", `CREATE DATABASE "`+name+`"`)
	if sql != "" {
		s.SQL(t, name, sql)
	}
}
