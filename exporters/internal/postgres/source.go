package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// source is a server to scrape and how to reach it.
type source struct {
	// dsn returns the connection string. It is read again for each session, so
	// that files may change.
	dsn      func() (string, error)
	password password // instead of the one in the connection string; may be nil
	labels   map[string]string
	config   dataSource // to tell whether a reload has changed something
}

// sources returns the servers to scrape at /metrics: those of the configuration
// file, else those of the DATA_SOURCE_* variables, else the one of libpq's own.
func sources(c *fileConfig) ([]source, error) {
	var all []source
	for _, d := range c.DataSources {
		s := source{password: d.Credentials.newPassword(), labels: d.Labels, config: d}
		if s.dsn = d.DSN.Read; d.DSNFile != "" {
			s.dsn = config.SecretFile(d.DSNFile).Read
		}
		all = append(all, s)
	}
	if len(all) > 0 {
		return all, nil
	}
	names, err := environmentDSNs()
	if err != nil {
		return nil, err
	}
	for i := range names {
		all = append(all, source{config: dataSource{DSN: config.NewSecret(names[i])}, dsn: func() (string, error) {
			again, err := environmentDSNs()
			if err != nil || i >= len(again) {
				return "", errors.Join(err, errors.New("the data source is gone"))
			}
			return again[i], nil
		}})
	}
	return all, nil
}

// environmentDSNs returns the connection strings of the DATA_SOURCE_*
// variables, in the form postgres_exporter has them. Without any there is one,
// empty, that leaves everything to PGHOST and its like.
func environmentDSNs() ([]string, error) {
	names, err := environment("DATA_SOURCE_NAME")
	if err != nil {
		return nil, err
	}
	if names != "" {
		return splitDSNs(names), nil
	}
	var parts [3]string
	for i, part := range []string{"URI", "USER", "PASS"} {
		if parts[i], err = environment("DATA_SOURCE_" + part); err != nil {
			return nil, err
		}
	}
	uri, user, pass := parts[0], parts[1], parts[2]
	if uri == "" {
		return []string{""}, nil
	}
	switch {
	case user == "":
		return []string{"postgresql://" + uri}, nil
	case pass == "":
		return []string{"postgresql://" + url.User(user).String() + "@" + uri}, nil
	}
	return []string{"postgresql://" + url.UserPassword(user, pass).String() + "@" + uri}, nil
}

// environment returns a variable, or the content of the file that the variable
// of the same name with _FILE names.
func environment(name string) (string, error) {
	if file := os.Getenv(name + "_FILE"); file != "" {
		text, err := config.SecretFile(config.Path(file)).Read()
		if err != nil {
			return "", fmt.Errorf("%s_FILE: %w", name, err)
		}
		return strings.TrimSpace(text), nil
	}
	return os.Getenv(name), nil
}

// dsnBegins matches what a connection string begins with.
var dsnBegins = regexp.MustCompile(`^\s*(postgres(ql)?://|[a-z_]+\s*=)`)

// splitDSNs splits connection strings at the commas that another one follows: a
// comma may also be part of a password or of a list of hosts.
func splitDSNs(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		n := len(out)
		quoted := n > 0 && strings.Count(out[n-1], "'")%2 == 1
		if n > 0 && (quoted || !dsnBegins.MatchString(part)) {
			out[n-1] += "," + part
			continue
		}
		out = append(out, part)
	}
	return out
}

// settings returns the settings of the next session.
func (s source) settings(ctx context.Context) (*pgconn.Config, error) {
	config, err := postgres.SourceOf(s.dsn)(ctx)
	if err != nil || s.password == nil {
		return config, err
	}
	pass, err := s.password(ctx)
	if err != nil {
		return nil, err
	}
	config.Password = pass
	return config, nil
}

// address returns host:port of a source, for its server label.
func (s source) address() (string, error) {
	config, err := postgres.SourceOf(s.dsn)(context.Background())
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), nil
}

// probeSource returns the source of a target of /probe: host:port/database, the
// port and the database being optional. What else a connection needs is in the
// module: a target comes from outside.
func probeSource(target string, m module) (source, error) {
	host, database, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(target, "postgresql://"), "postgres://"), "/")
	if host == "" || strings.ContainsAny(target, "@?#%&=, \\'") || strings.Contains(database, "/") {
		return source{}, fmt.Errorf("target %q is not of the form host:port/database", target)
	}
	query := url.Values{}
	for key, value := range m.Options {
		query.Set(key, value)
	}
	u := url.URL{Scheme: "postgresql", Host: host, Path: "/" + database, RawQuery: query.Encode()}
	if m.UserPass.Username != "" {
		password, err := m.UserPass.Password.Read()
		if err != nil {
			return source{}, err
		}
		u.User = url.UserPassword(m.UserPass.Username, password)
	}
	dsn := u.String()
	s := source{dsn: func() (string, error) { return dsn, nil }, password: m.Credentials.newPassword()}
	if _, err := s.address(); err != nil {
		return source{}, fmt.Errorf("target %q or the options of its module: %w", target, err)
	}
	return s, nil
}
