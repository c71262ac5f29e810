package realtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

	command func() *exec.Cmd
}

// Postgres starts a PostgreSQL that lives as long as the test. The settings are
// passed to the server, as "name=value". A package should start one and give
// each subtest a database of its own.
func Postgres(t testing.TB, settings ...string) *PostgresServer {
	t.Helper()
	return startPostgres(t, Need(t, "initdb", "postgres"), "", func(string) error { return nil }, settings...)
}

// PostgresStandby starts a PostgreSQL in recovery that waits for a primary, which
// it does not have.
func PostgresStandby(t testing.TB) *PostgresServer {
	t.Helper()
	return startPostgres(t, Need(t, "initdb", "postgres"), "", waitForPrimary)
}

// PostgresReplica starts a primary with settings, and a standby that uses its
// slot "standby". The programs are those of the folder bin, or the installed ones
// if it is empty.
func PostgresReplica(t testing.TB, bin string, settings ...string) (primary, standby *PostgresServer) {
	t.Helper()
	programs := map[string]string{"initdb": filepath.Join(bin, "initdb"), "postgres": filepath.Join(bin, "postgres")}
	if bin == "" {
		programs = Need(t, "initdb", "postgres")
	}
	empty := filepath.Join(socketDir(t), "data")
	primary = startPostgres(t, programs, "", func(data string) error {
		return os.CopyFS(empty, os.DirFS(data)) // before it has ever run
	}, settings...)
	primary.SQL(t, "postgres", "SELECT pg_create_physical_replication_slot('standby', true)")
	standby = startPostgres(t, programs, empty, waitForPrimary, append(settings, "primary_slot_name=standby", fmt.Sprintf("primary_conninfo=host=%s port=%d user=postgres password=%s application_name=standby", primary.Host, primary.Port, PostgresPassword))...)
	return primary, standby
}

// waitForPrimary makes a standby of a data directory.
func waitForPrimary(data string) error {
	return os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o644)
}

// startPostgres starts a PostgreSQL whose data directory is new, or a copy of from
// if that is not empty, and was changed by prepare.
func startPostgres(t testing.TB, programs map[string]string, from string, prepare func(data string) error, settings ...string) *PostgresServer {
	t.Helper()
	dir := socketDir(t)
	data, password := filepath.Join(dir, "data"), filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(PostgresPassword), 0o644); err != nil {
		t.Fatal(err)
	}
	owner, command := serverCommand(t, dir)
	if from != "" {
		if err := copyData(data, from, owner); err != nil {
			t.Fatal(err)
		}
	} else if out, err := command(programs["initdb"], "-D", data, "-U", "postgres", "-E", "UTF8", "--no-locale", "-N",
		"--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile="+password).CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	if err := prepare(data); err != nil {
		t.Fatal(err)
	}
	return runPostgres(t, programs["postgres"], dir, command, settings)
}

// serverCommand returns the user whom a server accepts and a directory is given
// to, nil for that of the test, and what makes commands of this user.
func serverCommand(t testing.TB, dir string) (owner *syscall.Credential, command func(program string, args ...string) *exec.Cmd) {
	owner = Unprivileged(t, dir)
	return owner, func(program string, args ...string) *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Dir = dir
		cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
		return cmd
	}
}

// runPostgres starts a server on the data in a directory.
func runPostgres(t testing.TB, program, dir string, command func(program string, args ...string) *exec.Cmd, settings []string) *PostgresServer {
	t.Helper()
	s := &PostgresServer{Host: "127.0.0.1", Port: FreePort(t), Dir: dir}
	args := []string{"-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(s.Port), "-k", dir, "-h", s.Host, "-F"}
	for _, setting := range append([]string{"shared_preload_libraries=pg_stat_statements", "autovacuum=off"}, settings...) {
		args = append(args, "-c", setting)
	}
	s.command = func() *exec.Cmd { return command(program, args...) }
	t.Cleanup(func() { s.Shutdown() })
	s.run(t)
	return s
}

// Standby starts a server that follows this one through an address, such as that
// of a FaultProxy. It has what was there when it began.
func (s *PostgresServer) Standby(t testing.TB, address string) *PostgresServer {
	t.Helper()
	programs := Need(t, "pg_basebackup", "postgres")
	dir := socketDir(t)
	_, command := serverCommand(t, dir)
	backup := command(programs["pg_basebackup"], "-D", filepath.Join(dir, "data"), "-d", s.DSNVia(address, "postgres"), "-R", "-c", "fast")
	if out, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	return runPostgres(t, programs["postgres"], dir, command, nil)
}

// Crash ends the server at once, without a checkpoint, and all its connections.
func (s *PostgresServer) Crash() {
	_ = s.Signal(syscall.SIGQUIT) // It may be gone.
	<-s.Done()
}

// Restart ends the server as Crash does, and starts it again.
func (s *PostgresServer) Restart(t testing.TB) {
	t.Helper()
	s.Crash()
	s.run(t)
}

// run starts the server and waits until it answers.
func (s *PostgresServer) run(t testing.TB) {
	t.Helper()
	s.Process = Start(t, s.command())
	s.WaitFor(t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn, err := pgconn.Connect(ctx, s.DSN("postgres"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
}

// copyData makes a copy of a data directory that belongs to a user.
func copyData(data, from string, owner *syscall.Credential) error {
	if err := os.CopyFS(data, os.DirFS(from)); err != nil {
		return err
	}
	return filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		if owner != nil {
			err = errors.Join(err, os.Chown(path, int(owner.Uid), int(owner.Gid)))
		}
		return err
	})
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

// Shutdown asks for a fast shutdown, which does not wait for clients, and waits
// for that.
func (s *PostgresServer) Shutdown() {
	_ = s.Signal(syscall.SIGCONT) // It may be stopped, or gone.
	_ = s.Signal(syscall.SIGINT)
	select {
	case <-s.Done():
	case <-time.After(5 * time.Second): // The process is killed next.
	}
}

// Addr returns host:port.
func (s *PostgresServer) Addr() string { return fmt.Sprintf("%s:%d", s.Host, s.Port) }

// Socket returns the path of the Unix socket.
func (s *PostgresServer) Socket() string {
	return filepath.Join(s.Dir, fmt.Sprint(".s.PGSQL.", s.Port))
}

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
