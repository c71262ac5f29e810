package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
	"github.com/dmarc-suite/dmarc-suite/internal/state"
)

// storeOptions are the flags of the commands of store.
type storeOptions struct {
	state   serving.StateOptions // of all commands but import
	imports serving.CountOptions
	paths   []string // of import
	format  string
	since   config.Date
	until   config.Date
	domain  string
	file    string // of backup
	from    string // of copy or merge
	to      string
	part    bool // of merge
}

// addFlags declares the commands and their flags. Those that serve has as well
// are set by the same variables.
func (o *storeOptions) addFlags(app *kingpin.Application) {
	command := app.Command("store", "Fill, export, copy and check the state.")
	imports := command.Command("import", "Add the reports that the state lacks, from files and from the sources of the configuration with the folders that mails were moved to. What was counted is not counted again, and nothing is moved. Not while serve runs.")
	imports.Flag("config.file", "Configuration file of serve: its sources are read, and its domains, senders and trust hold.").StringVar(&o.imports.ConfigFile)
	o.imports.AddFlags(imports)
	imports.Arg("path", "Files, or directories, which are read recursively: reports, mails, Maildirs, mboxes and archives. Use - for standard input.").StringsVar(&o.paths)

	export := command.Command("export", "Print the reports that are kept, one line for each record, policy and failure report, as parse does.")
	o.state.AddFlags(export, "")
	export.Flag("format", "Output format.").Default("jsonl").EnumVar(&o.format, "jsonl", "csv")
	export.Flag("since", "Only reports whose period ends on this day or later, such as 2026-11-01, in UTC.").SetValue(&o.since)
	export.Flag("until", "Only reports whose period ends before this day.").SetValue(&o.until)
	export.Flag("domain", "Only reports about this policy domain.").StringVar(&o.domain)

	backup := command.Command("backup", "Copy the state file, also while serve runs. The copy is checked before it gets its name.")
	o.state.AddFlags(backup, "")
	backup.Arg("file", "File to write. It is replaced if it exists.").Required().StringVar(&o.file)

	copies := command.Command("copy", "Copy the whole state into a new file or database, for a serve that goes on there. A state that is damaged is not copied.")
	copies.Arg("from", "State file, or PostgreSQL database as postgres://user@host/name, that is read.").Required().StringVar(&o.from)
	copies.Arg("to", "State file, or PostgreSQL database, that is made. There must be none yet.").Required().StringVar(&o.to)

	merge := command.Command("merge", "Add the reports that a state lacks from another one, with their counts. A report that both have is not counted again. Not while serve runs.")
	split := command.Command("split", "Add the reports about the domains that --domain names, and those below them, to a state of their own. Nothing is removed from the other one. Not while serve runs.")
	for _, c := range []*kingpin.CmdClause{merge, split} {
		c.Flag("config.file", "Configuration file of serve, whose domains and senders hold.").StringVar(&o.imports.ConfigFile)
		c.Flag("incomplete", "Take what can be taken, although FROM has counted what it does not keep.").BoolVar(&o.part)
		o.imports.AddCounting(c)
		c.Arg("from", "State file, or PostgreSQL database as postgres://user@host/name, that is read.").Required().StringVar(&o.from)
		c.Arg("into", "State file, or PostgreSQL database, that is added to. It is created if it does not exist.").Required().StringVar(&o.to)
	}
	split.GetFlag("domain").Required()

	check := command.Command("check", "Check the state, also while serve runs. Exits with 1 if something is wrong with it, and with 3 if it cannot be read.")
	o.state.AddFlags(check, "")

	rollup := command.Command("rollup", "Make the rollups anew, which only make answers faster, for when check finds one damaged. Not while serve runs.")
	o.state.AddFlags(rollup, "")
	for _, c := range []*kingpin.CmdClause{imports, export, backup, merge, split, check, rollup} {
		shareVariables(c)
	}
}

// shareVariables gives the flags that mean the same as for serve its variables.
func shareVariables(c *kingpin.CmdClause) {
	for _, f := range c.Model().Flags {
		if slices.Contains([]string{"import", "merge", "split"}, c.Model().Name) && f.Name != "incomplete" || strings.HasPrefix(f.Name, "state.") {
			c.GetFlag(f.Name).Envar("DMARC_EXPORTER_" + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(f.Name)))
		}
	}
}

// runImport is the command store import.
func (o *storeOptions) runImport(ctx context.Context, streams reportfiles.Streams, logger *slog.Logger) int {
	c, err := dmarcconfig.Load(o.imports.ConfigFile)
	if err == nil && len(o.paths) == 0 && c.Sources.Empty() {
		err = &serving.UsageError{Err: errors.New("there is nothing to import: name files, or a configuration with sources by --config.file")}
	}
	if err == nil && o.imports.Records == string(store.RecordsOff) {
		err = &serving.UsageError{Err: errors.New("--records=off keeps no reports: there is nothing to import")}
	}
	if err != nil {
		return stateCode(streams, err)
	}
	folders, mailboxes, err := c.Sources.Past(logger)
	if err != nil {
		return stateCode(streams, err)
	}
	return o.fill(ctx, streams, logger, c, func(ctx context.Context, s *store.Store, pipeline ingest.PipelineConfig) error {
		return reportfiles.Import(ctx, streams, s, slices.Concat(o.paths, folders), reportfiles.ImportConfig{Pipeline: pipeline, Mailboxes: mailboxes})
	})
}

// fill opens the state, and adds reports to it as the configuration says.
func (o *storeOptions) fill(ctx context.Context, streams reportfiles.Streams, logger *slog.Logger, c *dmarcconfig.File, add func(context.Context, *store.Store, ingest.PipelineConfig) error) int {
	senders, err := c.Names(nil)
	if err != nil {
		return stateCode(streams, err)
	}
	c.Domains = append(c.Domains, o.imports.Domains...)
	s, _, err := o.imports.Open(ctx, c)
	if err != nil {
		return stateCode(streams, err)
	}
	pipeline := o.imports.Pipeline(logger)
	pipeline.Sender, pipeline.Keep.Sender, pipeline.Authenticate = senders.Label, senders.Of, c.Authenticator()
	err = add(ctx, s, pipeline)
	if err == nil || errors.Is(err, reportfiles.ErrRefused) {
		err = cmp.Or(s.RollUp(ctx), err)
	}
	return stateCode(streams, errors.Join(err, s.Close()))
}

// runMerge is the command store merge, or store split with domains.
func (o *storeOptions) runMerge(ctx context.Context, streams reportfiles.Streams, domains config.Domains, logger *slog.Logger) int {
	from, err := state.At(o.from)
	if err != nil {
		return stateCode(streams, &serving.UsageError{Err: err})
	}
	c, err := dmarcconfig.Load(o.imports.ConfigFile)
	if err != nil {
		return stateCode(streams, err)
	}
	merge, err := reportfiles.NewMerge(ctx, streams, reportfiles.Place{Engine: from, Name: o.from}, domains.Strings(), o.part)
	if err != nil {
		return stateCode(streams, err)
	}
	defer merge.Close() // It was only read.
	o.imports.StateFile, o.imports.Database = state.Split(o.to)
	return o.fill(ctx, streams, logger, c, merge.Into)
}

// runExport is the command store export.
func (o *storeOptions) runExport(ctx context.Context, streams reportfiles.Streams) int {
	engine, err := o.state.Engine(0)
	if err == nil {
		filter := store.Filter{Since: o.since.Time, Until: o.until.Time, Domain: config.SpellDomain(o.domain)}
		err = reportfiles.Export(ctx, streams.Out, engine, filter, o.format == "csv")
	}
	return stateCode(streams, err)
}

// runBackup is the command store backup.
func (o *storeOptions) runBackup(ctx context.Context, streams reportfiles.Streams) int {
	engine, err := o.state.Engine(0)
	if err != nil {
		return stateCode(streams, err)
	}
	file, ok := engine.(sqlite.File)
	if !ok {
		return stateCode(streams, &serving.UsageError{Err: errors.New("PostgreSQL has tools of its own: use pg_dump --schema=dmarc, or what docs/disaster-recovery.md describes")})
	}
	return stateCode(streams, reportfiles.BackupStore(ctx, streams, file, o.file))
}

// runCopy is the command store copy.
func (o *storeOptions) runCopy(ctx context.Context, streams reportfiles.Streams) int {
	from, err := state.At(o.from)
	to, failed := state.At(o.to)
	if err := errors.Join(err, failed); err != nil {
		return stateCode(streams, &serving.UsageError{Err: err})
	}
	return stateCode(streams, reportfiles.CopyStore(ctx, streams, reportfiles.Place{Engine: from, Name: o.from}, reportfiles.Place{Engine: to, Name: o.to}))
}

// runCheck is the command store check.
func (o *storeOptions) runCheck(ctx context.Context, streams reportfiles.Streams) int {
	engine, err := o.state.Engine(0)
	if err == nil {
		err = reportfiles.CheckStore(ctx, streams, engine)
	}
	code := stateCode(streams, err)
	if code == exitRefused && !errors.Is(err, store.ErrDamaged) && !errors.Is(err, reportfiles.ErrRefused) {
		code = exitUnknown
	}
	return code
}

// runRollup is the command store rollup.
func (o *storeOptions) runRollup(ctx context.Context, streams reportfiles.Streams) int {
	engine, err := o.state.Engine(0)
	if err == nil {
		err = reportfiles.RollUpStore(ctx, engine)
	}
	return stateCode(streams, err)
}

// stateCode prints the error of a command and returns the code for it.
func stateCode(streams reportfiles.Streams, err error) int {
	code := exitCode(streams.Err, err)
	var usage *serving.UsageError
	if errors.As(err, &usage) {
		code = exitUsage
	}
	return code
}
