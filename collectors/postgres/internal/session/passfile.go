package session

import (
	"context"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// passfileSetting matches the parameter in keywords of libpq.
var passfileSetting = regexp.MustCompile(`(?:^|\s)passfile\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)+)`)

// escaped matches what has a backslash before it there.
var escaped = regexp.MustCompile(`\\(.)`)

// passfileOf returns the password file that a connection string names, if it does:
// what the driver parses does not have it any more.
func passfileOf(dsn string) string {
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		_, query, _ := strings.Cut(dsn, "?")
		for pair := range strings.SplitSeq(query, "&") {
			if value, ok := strings.CutPrefix(pair, "passfile="); ok {
				value, _ = url.PathUnescape(value) // A plus is one, and the driver has seen that it is valid.
				return value
			}
		}
		return ""
	}
	m := passfileSetting.FindStringSubmatch(dsn)
	if m == nil {
		return ""
	}
	value := m[1]
	if strings.HasPrefix(value, "'") {
		value = value[1 : len(value)-1]
	}
	return escaped.ReplaceAllString(value, "$1")
}

// usePassfile makes config take the password of the host and of the database that
// are connected to, if it is from a password file: the driver takes that of the
// first host and of the database in the connection string for all.
func (h *hosts) usePassfile(config *pgconn.Config, file string) {
	after := config.AfterNetConnect
	config.AfterNetConnect = func(ctx context.Context, config *pgconn.Config, conn net.Conn) (net.Conn, error) {
		config.Password = lookUp(config, file, h.of(conn.RemoteAddr()))
		if after != nil {
			return after(ctx, config, conn)
		}
		return conn, nil
	}
}

// isLookedUp reports whether the password of config is what the driver finds in a
// password file, or is one that the environment has for all hosts.
func isLookedUp(config *pgconn.Config, file string) bool {
	return config.Password == lookUp(config, file, host{config.Host, config.Port})
}

// lookUp lets the driver find the password of a host. An empty file is the one of
// PGPASSFILE or that of the user.
func lookUp(config *pgconn.Config, file string, one host) string {
	settings := map[string]string{
		"host": one.name, "port": strconv.Itoa(int(one.port)), "user": config.User, "dbname": config.Database, "sslmode": "disable",
	}
	if file != "" {
		settings["passfile"] = file
	}
	var dsn strings.Builder
	for name, value := range settings {
		dsn.WriteString(" " + name + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'")
	}
	found, err := pgconn.ParseConfig(dsn.String())
	if err != nil {
		return config.Password
	}
	return found.Password
}
