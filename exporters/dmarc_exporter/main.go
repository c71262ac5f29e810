// Command dmarc_exporter turns DMARC, SMTP TLS and failure reports into metrics.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// The exit codes of the commands.
const (
	exitOK      = 0
	exitRefused = 1 // some input was refused, or the exporter failed
	exitUsage   = 2
	exitUnknown = 3 // store check could not read the state
)

// flags are the flags of all commands.
type flags struct {
	*exporter.Flags
	serve       serving.ServeOptions
	check       reportfiles.CheckConfig
	standard    string // of check
	parseFormat string
	paths       []string // of check, parse or backfill
	checkConfig checkConfigOptions
	configFile  string // of login
	loginUser   string
	backfill    backfillOptions
	store       storeOptions
	report      reportOptions
}

// newApp declares the commands and their flags.
func newApp() (*kingpin.Application, *flags) {
	app := kingpin.New("dmarc_exporter", serving.Description)
	f := &flags{Flags: exporter.AddFlags(app, ":9797")}
	app.GetFlag("runtime.gomaxprocs").Default("0") // reports are read side by side
	f.serve.Users, f.checkConfig.users = f.Users(), f.Users()
	serve := app.Command("serve", "Read reports from the sources and serve metrics.").Default()
	f.serve.AddFlags(serve)
	check := app.Command("check", "Read reports and print a summary of each. Exits with 1 if anything is refused.")
	check.Flag("json", "Print one JSON object per line for each report.").BoolVar(&f.check.JSON)
	check.Flag("strict", "Also list deviations from the standard with their sections, and exit with 1 if there are any or if a report was readable only after repairs.").BoolVar(&f.check.Strict)
	check.Flag("standard", "RFC that --strict compares with: 9990, or 7489 for reporters that have not moved.").Default("9990").EnumVar(&f.standard, "9990", "7489")
	check.Arg("path", "Files, or directories, which are read recursively. Use - for standard input.").Required().StringsVar(&f.paths)
	parse := app.Command("parse", "Print every record of the reports, one per line.")
	parse.Flag("format", "Output format: json and csv for programs, with everything that reports have, or a table for people.").
		Default(reportfiles.FormatJSON).EnumVar(&f.parseFormat, reportfiles.FormatJSON, reportfiles.FormatCSV, reportfiles.FormatTable)
	parse.Arg("path", "Files, or directories, which are read recursively. Use - for standard input.").Required().StringsVar(&f.paths)
	backfill := app.Command("backfill", "Print the counters of past reports with the timestamps of the reports, as input for promtool tsdb create-blocks-from openmetrics.")
	f.backfill.addFlags(backfill)
	backfill.Arg("path", "Files, or directories, which are read recursively, instead of the database.").StringsVar(&f.paths)
	f.store.addFlags(app)
	f.report.addFlags(app)
	f.checkConfig.addFlags(app.Command("check-config", "Check a configuration file, and with --connect also what it depends on."))
	login := app.Command("login", "Sign in to mailboxes in a browser, by a code, and keep their tokens in the files that oauth2.token_file names.")
	login.Arg("file", "Configuration file.").Required().StringVar(&f.configFile)
	login.Arg("user", "User of the mailbox; without it, of all that have a token_file.").StringVar(&f.loginUser)
	return app, f
}

// run is the program; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	kingpinApp, f := newApp()
	command, code, ok := exporter.Parse(kingpinApp, args, stdout, stderr)
	if !ok {
		return code
	}
	for _, paths := range [][]string{f.paths, f.store.paths, f.report.paths} {
		for i, path := range paths {
			if path == "" {
				paths[i] = "-" // Kingpin takes the dash off.
			}
		}
	}
	ctx, streams := context.Background(), reportfiles.Streams{In: stdin, Out: stdout, Err: stderr}
	switch command {
	case "report messages", "report show", "report readiness", "report digest":
		return f.report.run(ctx, command, streams)
	case "login":
		return exitCode(stderr, runLogin(ctx, f.configFile, f.loginUser, stdout))
	}
	limitHeap(map[string]int{
		"serve": f.serve.Series, "backfill": f.backfill.series, "store import": f.store.imports.Series, "store merge": f.store.imports.Series, "store split": f.store.imports.Series,
	}[command])
	switch command {
	case "check":
		f.check.Standard, f.check.Width = dmarc.Standard("RFC "+f.standard), reportfiles.Width(stdout)
		return exitCode(stderr, reportfiles.Check(ctx, streams, f.paths, f.check))
	case "parse":
		return exitCode(stderr, reportfiles.Parse(ctx, streams, f.paths, f.parseFormat, reportfiles.Width(stdout)))
	case "backfill":
		return exitCode(stderr, f.backfill.run(ctx, streams, f.paths))
	case "store import":
		return f.store.runImport(ctx, streams, f.Logger(stderr))
	case "store merge":
		return f.store.runMerge(ctx, streams, nil, f.Logger(stderr))
	case "store split":
		return f.store.runMerge(ctx, streams, f.store.imports.Domains, f.Logger(stderr))
	case "store copy":
		return f.store.runCopy(ctx, streams)
	case "store export":
		return f.store.runExport(ctx, streams)
	case "store backup":
		return f.store.runBackup(ctx, streams)
	case "store rollup":
		return f.store.runRollup(ctx, streams)
	case "store check":
		return f.store.runCheck(ctx, streams)
	case "check-config":
		return f.checkConfig.run(ctx, stdout, stderr)
	}
	return runServe(ctx, f, stderr)
}

// exitCode prints the error of a command, unless its output names the cause, and returns the code for it.
func exitCode(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	if !errors.Is(err, reportfiles.ErrRefused) {
		fmt.Fprintf(stderr, "dmarc_exporter: %v\n", err)
	}
	return exitRefused
}

// heapLimit keeps the program small when there is much garbage to collect, as
// after a large mail. Tests, which share a process, set it.
var heapLimit int64 = 28 << 20

// seriesMemory is room for each series beyond.
const seriesMemory = 1 << 10

// limitHeap sets the soft memory limit unless the user did.
func limitHeap(series int) { exporter.LimitMemory(heapLimit + int64(series)*seriesMemory) }

// runServe is the command serve.
func runServe(ctx context.Context, f *flags, stderr io.Writer) int {
	err := (&exporter.Program{Flags: f.Flags, Start: f.serve.Start(f.Flags)}).Serve(ctx, f.Logger(stderr))
	var usage *serving.UsageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case err != nil:
		return exitRefused
	}
	return exitOK
}

// runLogin is the command login.
func runLogin(ctx context.Context, path, user string, stdout io.Writer) error {
	c, err := dmarcconfig.Load(path)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	return c.Sources.Login(ctx, user, stdout)
}
