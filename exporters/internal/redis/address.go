package redis

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// address is where a server is, taken apart.
type address struct {
	network  string   // tcp or unix
	hosts    []string // host:port, a path, or several sentinels
	master   string   // the name that sentinels know it by, or ""
	db       int
	user     string
	password config.Secret
	tls      bool
}

// schemes are the schemes of addresses; true stands for TLS.
var schemes = map[string]bool{
	"redis": false, "valkey": false, "tcp": false, "sentinel": false, "redis-sentinel": false,
	"rediss": true, "valkeys": true, "sentinels": true, "rediss-sentinel": true,
}

// parseAddress parses an address. Errors never quote it: it may hold a password.
func parseAddress(s string) (address, error) {
	switch {
	case s == "":
		return address{}, errors.New("the address is empty")
	case strings.HasPrefix(s, "/"):
		return address{network: "unix", hosts: []string{s}}, nil
	case !strings.Contains(s, "://"):
		s = "redis://" + s
	}
	scheme, rest, _ := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if scheme == "unix" || scheme == "redis-socket" {
		return parseSocket(rest)
	}
	tls, known := schemes[scheme]
	if !known {
		return address{}, errors.New("the scheme of the address is unknown; known are redis, rediss, valkey, valkeys, unix, sentinel and sentinels")
	}
	a := address{network: "tcp", tls: tls}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	hosts := authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if err := a.setUser(authority[:at]); err != nil {
			return address{}, err
		}
		hosts = authority[at+1:]
	}
	port := "6379"
	if strings.Contains(scheme, "sentinel") {
		port = "26379"
		if a.master, path, _ = strings.Cut(path, "/"); a.master == "" {
			return address{}, errors.New("the address of sentinels ends with the name of the master: sentinel://host:port,host:port/name")
		}
	}
	for host := range strings.SplitSeq(hosts, ",") {
		host, err := withPort(host, port)
		if err != nil {
			return address{}, err
		}
		a.hosts = append(a.hosts, host)
	}
	if a.master == "" && len(a.hosts) > 1 {
		return address{}, errors.New("the address has several hosts; only those of sentinels do")
	}
	return a, a.setDB(path, query)
}

// parseSocket parses what follows unix://.
func parseSocket(rest string) (address, error) {
	a := address{network: "unix"}
	rest, query, _ := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if err := a.setUser(rest[:at]); err != nil {
			return address{}, err
		}
		rest = rest[at+1:]
	}
	if !strings.HasPrefix(rest, "/") {
		return address{}, errors.New("the address of a socket is unix:///path")
	}
	a.hosts = []string{rest}
	return a, a.setDB("", query)
}

// setUser sets user and password from user:password, :password or password.
// Redis's own URLs have the user first; a lone word is the user there, too.
func (a *address) setUser(info string) error {
	user, password, _ := strings.Cut(info, ":")
	user, errUser := url.PathUnescape(user)
	password, errPassword := url.PathUnescape(password)
	a.user, a.password = user, config.NewSecret(password)
	if errUser != nil || errPassword != nil {
		return errors.New("user or password of the address are not escaped as in a URL")
	}
	return nil
}

// setDB sets the database from the path, or from db in the query.
func (a *address) setDB(path, query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the query of the address is not one of a URL")
	}
	if db := values.Get("db"); db != "" {
		path = db
	}
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	if a.db, err = strconv.Atoi(path); err != nil || a.db < 0 {
		return errors.New("the database of the address is not a number")
	}
	return nil
}

// withPort returns host:port with the defaults for what is missing.
func withPort(host, port string) (string, error) {
	h, p, err := net.SplitHostPort(host)
	if err != nil {
		h, p = strings.Trim(host, "[]"), port
	}
	p = cmp.Or(p, port)
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
		return "", errors.New("the port of the address is not a number from 1 to 65535; a password with @ : or / needs them escaped, as in %40")
	}
	return net.JoinHostPort(cmp.Or(h, "localhost"), p), nil
}
