package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// checkConfigOptions are the flags of check-config.
type checkConfigOptions struct {
	serving.StateOptions
	file    string
	connect bool
	series  int
	users   exporter.Users
}

func (o *checkConfigOptions) addFlags(c *kingpin.CmdClause) {
	c.Flag("connect", "Also try what the configuration depends on: log in to each mailbox, look for its folders, read and write directories, listen for mail, ask the DNS, open the state. Nothing is read of mails and nothing is moved. Exits with 1 if anything does not work.").BoolVar(&o.connect)
	o.StateOptions.AddFlags(c, " Only used with --connect.")
	c.Flag("budget.series", "Maximum number of series that serve is given. The tenants may have no more.").Default("2000").IntVar(&o.series)
	shareVariables(c)
	c.Arg("file", "Configuration file.").Required().StringVar(&o.file)
}

// run is the command check-config.
func (o *checkConfigOptions) run(ctx context.Context, stdout, stderr io.Writer) int {
	c, err := dmarcconfig.Load(o.file)
	if err == nil {
		err = errors.Join(c.Validate(), c.CheckBudget(o.series))
	}
	if err == nil && (o.connect || o.users.Given()) {
		_, err = c.Viewers(o.users.Check)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitRefused
	}
	fmt.Fprintln(stdout, "the configuration is valid")
	if c.Sources.Empty() {
		fmt.Fprintf(stderr, "%s: %v\n", o.file, dmarcconfig.ErrNoSources)
	}
	if !o.connect {
		return exitOK
	}
	trials, err := c.Trials()
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitRefused
	}
	code := exitOK
	dmarcconfig.Try(ctx, append(trials, dmarcconfig.Trial{Name: "state", Try: o.tryState}), func(name, what string, err error) {
		if err == nil {
			fmt.Fprintf(stdout, "ok: %s: %s\n", name, what)
			return
		}
		code = exitRefused
		fmt.Fprintf(stdout, "wrong: %s: %s: %s\n", name, what, oneLine(strings.TrimPrefix(err.Error(), what+": ")))
	})
	return code
}

// oneLine makes one line of an error, of which a server may have chosen a part.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}

// tryState opens the state for reading. Where there is none yet it looks whether
// there can be one.
func (o *checkConfigOptions) tryState(ctx context.Context, report func(what string, err error)) {
	engine, err := o.Engine(0)
	if err != nil {
		report("open", err)
		return
	}
	view, err := engine.View(ctx)
	switch {
	case err == nil:
		report("open "+view.Name(), view.Close())
	case errors.Is(err, store.ErrNone):
		report("connect to the database, in which serve will make its schema", nil)
	case errors.Is(err, store.ErrOlder):
		report("open what an older version wrote, which serve will bring up to date", nil)
	case !errors.Is(err, fs.ErrNotExist):
		report("open", err)
		return
	}
	if o.Database == "" {
		dir := filepath.Dir(o.StateFile)
		report("write "+dir, ingest.CanWrite(dir))
	}
}
