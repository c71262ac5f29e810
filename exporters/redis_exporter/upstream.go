package main

import (
	_ "embed"
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// upstreamSettings says what becomes of the flags and variables of the
// established exporter.
//
//go:embed upstream.tsv
var upstreamSettings string

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
