package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// replaced are flags of the established exporter that something else replaces.
var replaced = []struct {
	names   string
	bool    bool
	instead string
}{
	{"redis.password", false, "a password on the command line shows in the list of processes; set the variable REDIS_PASSWORD or use --redis.password-file"},
	{"skip-tls-verification", true, "use --tls-insecure-skip-verify"},
	{"redact-config-metrics", true, "secrets of the configuration are always left out"},
	{"debug", true, "use --log.level=debug"},
	{"log-level", false, "use --log.level"},
	{"log-format", false, "use --log.format"},
	{"redis-only-metrics", true, "use --web.disable-exporter-metrics"},
	{"tls-server-key-file tls-server-cert-file tls-server-ca-cert-file tls-server-min-version", false, "use the tls_server_config of --web.config.file"},
	{"basic-auth-username basic-auth-password basic-auth-hash-password", false, "use the basic_auth_users of --web.config.file"},
	{"append-instance-role-label", true, "join with the label role of redis_instance_info"},
	{"is-tile38", true, "Tile38 is not supported"},
	{"check-search-indexes", false, "indexes of the search module are not supported"},
	{"include-search-indexes-metrics", true, "indexes of the search module are not supported"},
}

// addReplaced declares the flags that only say what replaces them.
func addReplaced(app *kingpin.Application) {
	for _, r := range replaced {
		for name := range strings.FieldsSeq(r.names) {
			flag := app.Flag(name, r.instead).Hidden()
			if same := strings.ReplaceAll(name, "-", "."); same != name && app.GetFlag(same) != nil {
				flag.NoEnvar() // REDIS_EXPORTER_LOG_LEVEL sets --log.level.
			}
			flag.SetValue(&refusal{isBool: r.bool, harmless: r.names == "redact-config-metrics", instead: r.instead})
		}
	}
}

// refusal is the value of a flag that cannot be set, unless to what it is anyway.
type refusal struct {
	instead          string
	isBool, harmless bool
}

// Set implements kingpin.Value.
func (r *refusal) Set(value string) error {
	if value == "" || r.isBool && value == strconv.FormatBool(r.harmless) {
		return nil
	}
	return errors.New(r.instead)
}

// String implements kingpin.Value.
func (r *refusal) String() string { return "" }

// IsBoolFlag tells kingpin whether the flag stands without a value.
func (r *refusal) IsBoolFlag() bool { return r.isBool }

// upstreamArgs accepts arguments as the flag package does: -flag for --flag, and
// --switch=false for --no-switch.
func upstreamArgs(app *kingpin.Application, args []string) []string {
	out := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' {
			arg = "-" + arg
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if f := app.GetFlag(name); hasValue && f != nil && f.Model().IsBoolFlag() {
			switch value {
			case "true", "1", "t", "TRUE", "True":
				arg = "--" + name
			case "false", "0", "f", "FALSE", "False":
				arg = "--no-" + name
			}
		}
		out = append(out, arg)
	}
	return out
}
