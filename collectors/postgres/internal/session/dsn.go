package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// errDSN hides a connection string, which may hold a password.
var errDSN = errors.New("the connection string cannot be parsed (it is not shown, it may hold a password)")

// SourceOf returns the settings of connection strings, which get returns when a session
// is to be opened: URIs or keywords of libpq. Errors never repeat them.
func SourceOf(get func() (string, error)) Source {
	return func(context.Context) (*pgconn.Config, error) {
		dsn, err := get()
		if err != nil {
			return nil, err
		}
		return parseDSN(dsn)
	}
}

// parseDSN parses a connection string.
func parseDSN(dsn string) (*pgconn.Config, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, causeOf(err)
	}
	if config.RuntimeParams["hostaddr"] != "" {
		return nil, errors.New("the connection string cannot be used: hostaddr is not supported, put the address into host")
	}
	for _, name := range clientParameters {
		delete(config.RuntimeParams, name)
	}
	if config.RuntimeParams["gssencmode"] != "require" {
		delete(config.RuntimeParams, "gssencmode")
	}
	if file := passfileOf(dsn); file != "" {
		config.RuntimeParams["passfile"] = file // until it is connected with
	}
	return config, nil
}

// clientParameters are parameters of libpq, and of lib/pq, that the driver takes for
// settings of the server, which would refuse them. What they ask for makes no
// difference here: all that does, such as a list of revoked certificates, is left for
// the server to refuse.
var clientParameters = []string{
	"binary_parameters", "disable_prepared_binary_result", "fallback_application_name",
	"gssdelegation", "gsslib", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval",
	"sslcompression", "tcp_user_timeout",
}

// causes are what is wrong with a connection string, by what messages of the driver,
// which quote it, have in them.
var causes = []struct{ text, cause string }{
	{"unknown target_session_attrs value", "target_session_attrs is none of any, read-write, read-only, primary, standby and prefer-standby"},
	{"sslmode is invalid", "sslmode is none of disable, allow, prefer, require, verify-ca and verify-full"},
	{`both "sslcert" and "sslkey" are required`, "sslcert and sslkey belong together"},
	{"unable to add CA to cert pool", "sslrootcert has no certificates"},
	{"failed to read service file", "the service file cannot be read"},
	{"unable to find service", "the service is not in the service file"},
	{"invalid connect_timeout", "connect_timeout is not a number of seconds"},
	{"port numbers to", "there must be one port, or one for each host"},
	{"invalid port", "a port is not a number from 1 to 65535; in a URL, user and password have @ : / and % escaped, as in %40"},
	{"failed to parse as URL", "it is not a URL; user and password have @ : / and % escaped, as in %40"},
	{"failed to parse as keyword/value", "it is neither a URL nor keywords with values, as in host=/run/postgresql user=me; values with spaces are in single quotes"},
	{"unknown channel_binding value", "channel_binding is none of disable, prefer and require"},
}

// causeOf returns why a connection string cannot be used, as far as that can be told
// without repeating it.
func causeOf(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("a file that the connection string names cannot be used: %w", path)
	}
	for _, c := range causes {
		if strings.Contains(err.Error(), c.text) {
			return fmt.Errorf("the connection string cannot be used: %s", c.cause)
		}
	}
	return errDSN
}
