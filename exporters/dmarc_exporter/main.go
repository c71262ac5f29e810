// Command dmarc_exporter turns DMARC, SMTP TLS and failure reports into metrics.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// The exit codes of the commands.
const (
	exitOK      = 0
	exitRefused = 1 // some input was refused, or the exporter failed
	exitUsage   = 2
)

// app is the program with its streams.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// fail prints an error and returns the exit code for it.
func (a *app) fail(err error) int {
	fmt.Fprintf(a.stderr, "dmarc_exporter: %v\n", err)
	return exitRefused
}

// flags are the flags of all commands.
type flags struct {
	*exporter.Flags
	serve      serveOptions
	check      checkOptions
	parse      string
	parsePaths []string
	configFile string
	backfill   backfillOptions
}

// newApp declares the commands and their flags.
func newApp() (*kingpin.Application, *flags) {
	app := kingpin.New("dmarc_exporter", "DMARC aggregate, SMTP TLS and failure reports as metrics.")
	f := &flags{Flags: exporter.AddFlags(app, ":9797")}
	app.GetFlag("runtime.gomaxprocs").Default("0") // reports are read side by side
	serve := app.Command("serve", "Read reports from the sources and serve metrics.").Default()
	f.serve.addFlags(serve)
	check := app.Command("check", "Read reports and say what is in them. Exits with 1 when something is refused.")
	check.Flag("json", "Print one JSON object per report and line.").BoolVar(&f.check.json)
	check.Flag("strict", "List deviations from RFC 9990 with their sections; exit with 1 also for them and for reports that were readable only with repairs.").BoolVar(&f.check.strict)
	check.Arg("path", "Files, and directories with all below them; - is the standard input.").Required().StringsVar(&f.check.paths)
	parse := app.Command("parse", "Print every record of reports, one per line.")
	parse.Flag("format", "What to print.").Default("json").EnumVar(&f.parse, "json", "csv")
	parse.Arg("path", "Files, and directories with all below them; - is the standard input.").Required().StringsVar(&f.parsePaths)
	backfill := app.Command("backfill", "Print the counters that reports on disk would have made, with the times of the reports, for promtool tsdb create-blocks-from openmetrics.")
	backfill.Flag("format", "What to print.").Default("openmetrics").EnumVar(&f.backfill.format, "openmetrics")
	backfill.Flag("settled", "How old a day must be to be printed: reports about younger ones may still come.").Default("4d").SetValue(&f.backfill.settled)
	backfill.Flag("config.file", "Configuration file of serve, for its domains and senders.").StringVar(&f.backfill.config)
	backfill.Flag("domain", "Domain whose reports are mine, as for serve. Repeatable.").StringsVar(&f.backfill.domains)
	backfill.Flag("budget.series", "How many series domains, reporters and senders may have in all, as for serve.").Default("2000").IntVar(&f.backfill.series)
	backfill.Arg("path", "Files, and directories with all below them.").Required().StringsVar(&f.backfill.paths)
	checkConfig := app.Command("check-config", "Check a configuration file.")
	checkConfig.Arg("file", "The file.").Required().StringVar(&f.configFile)
	return app, f
}

// run is the program; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	kingpinApp, f := newApp()
	command, code, ok := exporter.Parse(kingpinApp, args, stdout, stderr)
	if !ok {
		return code
	}
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	for _, paths := range [][]string{f.check.paths, f.parsePaths, f.backfill.paths} {
		for i, path := range paths {
			if path == "" {
				paths[i] = "-" // Kingpin takes the dash off.
			}
		}
	}
	switch command {
	case "check":
		return a.runCheck(context.Background(), f.check)
	case "parse":
		return a.runParse(context.Background(), f.parse, f.parsePaths)
	case "backfill":
		return a.runBackfill(context.Background(), f.backfill)
	case "check-config":
		return a.runCheckConfig(f.configFile)
	}
	return a.runServe(context.Background(), f)
}
