package main

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"slices"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
)

// reportOptions are the flags of the commands of report.
type reportOptions struct {
	state      serving.StateOptions
	configFile string
	by         string
	domain     string
	since      config.Date
	until      config.Date
	failing    bool
	top        int
	format     string
	id         string // of show
	digest     reportfiles.DigestConfig
	paths      []string
}

// addFlags declares the commands and their flags.
func (o *reportOptions) addFlags(app *kingpin.Application) {
	command := app.Command("report", "Answer questions about the reports that are kept, or about those in files: who sends, what fails and why.")
	messages := command.Command("messages", "Print how many messages there were, by who sent them or another property. It may be left out: report --by=source.").Default()
	messages.Flag("by", "What messages are told apart by.").Default(string(store.BySender)).EnumVar(&o.by,
		string(store.BySource), string(store.BySender), string(store.ByDay), string(store.ByReporter), string(store.BySelector), string(store.ByDomain), string(store.ByDisposition))
	messages.Flag("since", "Only messages of this day or later, such as 2026-11-01, in UTC: the day in the middle of the period of their report.").SetValue(&o.since)
	messages.Flag("until", "Only messages before this day.").SetValue(&o.until)
	messages.Flag("failing", "Only messages that did not pass DMARC.").BoolVar(&o.failing)
	messages.Flag("top", "Number of groups that are printed, those with the most messages. Use 0 for all. Days are always printed.").Default("20").IntVar(&o.top)
	messages.Flag("domain", "Only reports about this policy domain.").StringVar(&o.domain)
	o.addShared(messages)

	show := command.Command("show", "Print one report whole, with all its records.")
	show.Arg("id", "Report id as its reporter gave it, or the id in the views of the database.").Required().StringVar(&o.id)
	o.addShared(show)

	readiness := command.Command("readiness", "Say whether a domain can go to p=quarantine or p=reject, and what to fix before.")
	readiness.Arg("domain", "Policy domain.").Required().StringVar(&o.domain)
	readiness.Flag("until", "Look at the 30 days before this day, such as 2026-11-29. Without it they end with the last day that a report is about.").SetValue(&o.until)
	o.addShared(readiness)

	digest := command.Command("digest", "Print or send what a week came to, for people who read no dashboard: changes, new senders, what fails, who is silent, and what was refused.")
	digest.Flag("domain", "Only this policy domain. Repeatable. Without it, the domains of the configuration file, or else those with the most messages.").StringsVar(&o.digest.Domains)
	digest.Flag("until", "The seven days end before this day, such as 2026-11-30, in UTC. Without it they end yesterday, or with the last day that a report in the files is about.").SetValue(&o.until)
	o.digest.Mail.AddFlags(digest)
	o.addShared(digest)
}

// addShared declares what the commands have in common.
func (o *reportOptions) addShared(c *kingpin.CmdClause) {
	formats := []string{reportfiles.FormatTable, reportfiles.FormatJSON}
	switch c.Model().Name {
	case "messages":
		formats = append(formats, reportfiles.FormatCSV)
	case "digest":
		formats = []string{reportfiles.FormatText, reportfiles.FormatHTML, reportfiles.FormatJSON}
	}
	c.Flag("format", "Output format.").Default(formats[0]).EnumVar(&o.format, formats...)
	c.Flag("config.file", "Configuration file of serve: its senders have their names, and digest is about its domains.").StringVar(&o.configFile)
	o.state.AddFlags(c, " It is not read when files are named.")
	c.Arg("path", "Files, or directories, which are read recursively, instead of the database. Use - for standard input.").StringsVar(&o.paths)
	shareVariables(c)
}

// run runs one of the commands.
func (o *reportOptions) run(ctx context.Context, command string, streams reportfiles.Streams) int {
	v, refused, err := o.view(ctx, streams)
	if err != nil {
		return stateCode(streams, err)
	}
	width := reportfiles.Width(streams.Out)
	o.domain = config.SpellDomain(o.domain)
	switch command {
	case "report show":
		err = reportfiles.Show(ctx, streams.Out, v, o.id, o.format, len(o.paths) == 0, width)
	case "report readiness":
		err = reportfiles.Readiness(ctx, streams.Out, v, o.domain, o.until.Time, o.format, width)
	case "report digest":
		o.digest.Format, o.digest.Until = o.format, o.until.Time
		err = reportfiles.Digest(ctx, streams.Out, v, &o.digest, len(o.paths) > 0)
	default:
		q := store.Question{
			Period: store.Period{Since: o.since.Time, Until: o.until.Time, Domain: o.domain}, By: store.By(o.by), Failing: o.failing, Top: o.top,
		}
		err = reportfiles.Report(ctx, streams.Out, v, q, o.format, width)
	}
	if err = errors.Join(err, v.Close()); err == nil && refused {
		return exitRefused
	}
	return stateCode(streams, err)
}

// gcPercent lets a program that ends soon collect less often.
const gcPercent = 400

// view opens what is asked: the files, or the database.
func (o *reportOptions) view(ctx context.Context, streams reportfiles.Streams) (v *store.View, refused bool, err error) {
	var pipeline ingest.PipelineConfig
	var engine store.Engine
	if err := o.digest.Mail.Check(); err != nil {
		return nil, false, &serving.UsageError{Err: err}
	}
	c, err := dmarcconfig.Load(o.configFile)
	if err != nil {
		return nil, false, err
	}
	if len(o.digest.Domains) == 0 {
		o.digest.Domains = c.Domains.Strings()
	}
	if len(o.paths) > 0 {
		senders, err := c.Names(nil)
		if err != nil {
			return nil, false, err
		}
		pipeline.Keep.Sender = senders.Of
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(gcPercent)
		}
	} else if engine, err = o.state.Engine(0); err != nil {
		return nil, false, err
	}
	return reportfiles.View(ctx, streams, engine, slices.Clone(o.paths), pipeline)
}
